/**
 * Binding and giving back: the writes in their order, the journal around them, and what repairs a crash in between.
 */
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bind, restore, restoreAll } from "#tools/pci/bind.ts";
import { giveBack } from "#tools/pci/guard.ts";
import { readJournal, startOf } from "#tools/pci/journal.ts";
import { PaperMachine } from "./host.ts";

const A = "0000:00:04.0";
const B = "0000:00:05.0";
const JOURNAL = "/run/samara/pci.json";

let host: PaperMachine;
let printed: string[];
const print = (line: string): void => void printed.push(line);
const driver = (address: string): string | null =>
  host.real(`/sys/bus/pci/devices/${address}/driver`)?.split("/").at(-1) ?? null;

beforeEach(() => {
  host = new PaperMachine();
  printed = [];
  for (const address of [A, B]) host.function(address, { driver: "nvme" });
  host.disk(A, "nvme0n1");
  host.disk(B, "nvme1n1", { below: "nvme/nvme1" });
});
afterEach(() => host.remove());

const BIND_A = [
  `vfio-pci > /sys/bus/pci/devices/${A}/driver_override`,
  `${A} > /sys/bus/pci/drivers/nvme/unbind`,
  `${A} > /sys/bus/pci/drivers_probe`,
];

test("bind, and back: every write, in order", () => {
  expect(bind(host, [A], { print })).toEqual([A]);
  expect(host.written).toEqual(BIND_A);
  expect(driver(A)).toBe("vfio-pci");
  expect(bind(host, [A], { print })).toEqual([]);
  expect(readJournal(host)).toEqual([{ address: A, driver: "nvme", override: null, pid: null, started: null }]);
  host.written.length = 0;
  expect(restore(host, A, { print })).toBe("nvme");
  expect(host.written).toEqual([
    ` > /sys/bus/pci/devices/${A}/driver_override`,
    `${A} > /sys/bus/pci/drivers/vfio-pci/unbind`,
    `${A} > /sys/bus/pci/drivers/nvme/bind`,
  ]);
  expect(driver(A)).toBe("nvme");
  expect(readJournal(host)).toEqual([]);
});

test("a dry run prints exactly these writes, and does nothing", () => {
  bind(host, [A], { print, dryRun: true });
  expect(printed).toEqual(BIND_A.map((write) => `echo ${write}`));
  expect({ written: host.written, driver: driver(A), journal: host.exists(JOURNAL) }).toEqual({
    written: [],
    driver: "nvme",
    journal: false,
  });
  bind(host, [A], { print });
  printed.length = host.written.length = 0;
  restoreAll(host, { print, dryRun: true });
  expect(printed).toEqual([
    `echo "" > /sys/bus/pci/devices/${A}/driver_override`,
    `echo ${A} > /sys/bus/pci/drivers/vfio-pci/unbind`,
    `echo ${A} > /sys/bus/pci/drivers/nvme/bind`,
  ]);
  expect({ written: host.written, entries: readJournal(host).length }).toEqual({ written: [], entries: 1 });
});

test("all or none: when the second is refused nothing is written", () => {
  host.file("/proc/self/mountinfo", "29 1 259:1 / / rw - ext4 /dev/nvme1n1 rw\n");
  expect(() => bind(host, [A, B], { print })).toThrow(`refused:\n  ${B}: nvme1n1 is mounted at /`);
  expect(host.written).toEqual([]);
  expect(host.exists(JOURNAL)).toBe(false);
});

test("all or none: when vfio-pci does not take the second, the first is given back", () => {
  const write = host.write.bind(host);
  host.write = (path, text) => {
    if (path.endsWith("/drivers_probe") && text === B) host.unwilling.add("vfio-pci");
    write(path, text);
  };
  expect(() => bind(host, [A, B], { print })).toThrow(
    `${B}: vfio-pci did not take it (driver now: none); all was undone`,
  );
  expect([driver(A), driver(B)]).toEqual(["nvme", "nvme"]);
  expect(readJournal(host)).toEqual([]);
});

test("a former override comes back too, and a device that had no driver has none again", () => {
  host.file(`/sys/bus/pci/devices/${A}/driver_override`, "nvme\n");
  host.function("0000:00:06.0", { class: 0x020000 });
  bind(host, [A, "0000:00:06.0"], { print });
  host.written.length = 0;
  restoreAll(host, { print });
  expect(host.read(`/sys/bus/pci/devices/${A}/driver_override`)).toBe("nvme");
  expect([driver(A), driver("0000:00:06.0")]).toEqual(["nvme", null]);
});

describe("repair", () => {
  test("unbind --all after a kill -9 between any two writes", () => {
    const write = host.write.bind(host);
    for (let survived = 0; survived <= BIND_A.length; survived++) {
      let left = survived;
      // A kill leaves what was written, and runs nothing more.
      host.write = (path, text) => {
        if (left-- <= 0) throw new Error("killed");
        write(path, text);
      };
      if (survived === BIND_A.length) bind(host, [A], { print });
      else expect(() => bind(host, [A], { print })).toThrow("killed");
      host.write = write;
      expect(readJournal(host)).toHaveLength(1);
      expect(restoreAll(host, { print })).toEqual([{ address: A, driver: "nvme", error: null }]);
      expect([driver(A), readJournal(host)]).toEqual(["nvme", []]);
    }
  });
  test("the first driver counts, however often a device was taken and lost", () => {
    bind(host, [A], { print, pid: 1234 });
    host.write(`/sys/bus/pci/drivers/vfio-pci/unbind`, A);
    bind(host, [A], { print, unseen: true });
    expect(readJournal(host)).toEqual([{ address: A, driver: "nvme", override: null, pid: null, started: null }]);
  });
  test("what a running system keeps is left alone; what an ended one kept is given back", async () => {
    host.file("/proc/77/stat", `77 (node) S 1 ${"0 ".repeat(17)}4711 0`);
    expect(startOf(host, 77)).toBe("4711");
    bind(host, [A], { print, pid: 77 });
    bind(host, [B], { print });
    expect(restoreAll(host, { print })).toEqual([
      { address: A, driver: null, error: `${A}: the running system of process 77 keeps it` },
      { address: B, driver: "nvme", error: null },
    ]);
    // Another process has this number now.
    host.file("/proc/77/stat", `77 (cat) S 1 ${"0 ".repeat(17)}9999 0`);
    expect(await giveBack(host, 77, 0)).toEqual([]);
    expect(driver(A)).toBe("nvme");
  });
  test("a device that a process has open is not waited for", () => {
    bind(host, [A], { print });
    host.file("/dev/vfio/0", "");
    host.symlink("/proc/88/fd/5", "/dev/vfio/0");
    expect(() => restore(host, A, { print })).toThrow(`${A}: process 88 uses its group 0; end it first`);
    expect(readJournal(host)).toHaveLength(1);
  });
  test("a device that was pulled out is forgotten; a former driver that refuses is an error and stays noted", () => {
    bind(host, [A, B], { print });
    host.delete(`/sys/bus/pci/devices/${A}`);
    host.unwilling.add("nvme");
    expect(restoreAll(host, { print })).toEqual([
      { address: A, driver: null, error: null },
      { address: B, driver: null, error: `${B}: nvme did not take it back (driver now: none)` },
    ]);
    expect(readJournal(host).map((entry) => entry.address)).toEqual([B]);
  });
  test("entries of an earlier boot are not believed", () => {
    bind(host, [A], { print });
    host.file("/proc/sys/kernel/random/boot_id", "33333333-4444");
    expect(restoreAll(host, { print })).toEqual([]);
  });
  test.each(["{", "null", '{"boot": "x", "entries": [{"address": "../../x"}]}', '{"boot": 1}'])(
    "a file that is no journal is an error: %s",
    (text) => {
      host.file(JOURNAL, text);
      expect(() => restoreAll(host, { print })).toThrow(
        `${JOURNAL} is no journal of Samara's; look at it, then remove it`,
      );
      expect(readFileSync(host.path(JOURNAL), "utf8")).toBe(text);
    },
  );
});
