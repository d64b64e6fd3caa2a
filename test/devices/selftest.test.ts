/**
 * The self-test: every step passes on a good device, fails with what was found on a bad one, and writes nothing.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DeviceSet } from "#drivers/backends.ts";
import { modelBackend } from "#drivers/models/backend.ts";
import { parseRecord } from "#drivers/wrappers/record.ts";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { selfTest, type StepResult } from "#tools/device/selftest.ts";
import { ROOT } from "#tools/lib/paths.ts";
import { samara } from "../support/process.ts";

const folder = mkdtempSync(join(tmpdir(), "samara-selftest-"));
afterAll(() => rmSync(folder, { recursive: true }));
const FAST = { host: "stepped", mmioReadNs: 0, readyMs: 0, bytes: 1 << 20 };

const results = (steps: readonly StepResult[]): string[] => steps.map(({ result }) => result);
const failures = (steps: readonly StepResult[]): string[] =>
  steps.filter(({ result }) => result === "FAIL").map(({ section, detail }) => `${section}: ${detail}`);

/** A device with one register that lies. */
function lying(offset: number, lie: (value: number) => number): DeviceBackend {
  const device = modelBackend("model:nvme", FAST);
  const read32 = device.read32.bind(device);
  device.read32 = (bar, at) => (at === offset ? lie(read32(bar, at)) : read32(bar, at));
  return device;
}

test.each([512, 4096])(
  "a good device with blocks of %i bytes passes every step, and its medium is as before",
  async (lbaBytes) => {
    const file = join(folder, `disk-${lbaBytes}`);
    writeFileSync(file, Buffer.alloc(1 << 20, "samara"));
    const before = createHash("sha256").update(readFileSync(file)).digest("hex");
    const record = join(folder, `record-${lbaBytes}`);
    const set = new DeviceSet({ record: new Map([["device", record]]) });
    const device = set.make({ name: "device", backend: "model:nvme", options: { ...FAST, file, bytes: 0, lbaBytes } });
    const { steps, backend } = await selfTest(device);
    set.close();
    expect(failures(steps)).toEqual([]);
    expect(new Set(results(steps))).toEqual(new Set(["PASS"]));
    expect(backend).toBe("model:nvme (ready at once, register reads free)");
    expect(createHash("sha256").update(readFileSync(file)).digest("hex")).toBe(before);
    // What it was given: opcodes of section 5 that read or make queues, and Read.
    const { events } = parseRecord(readFileSync(record, "utf8"), record);
    const posted = events.flatMap((event) => (event.kind === "command" ? [[event.queue, event.bytes[0]]] : []));
    const admin = new Set(posted.filter(([queue]) => queue === 0).map(([, opcode]) => opcode));
    expect([...admin].toSorted((a, b) => a! - b!)).toEqual([0, 1, 2, 4, 5, 6, 10]);
    expect(new Set(posted.filter(([queue]) => queue !== 0).map(([, opcode]) => opcode))).toEqual(new Set([2]));
  },
);

describe("a bad device", () => {
  test.each<[string, DeviceBackend, string[]]>([
    ["one that answers nothing", lying(0x00, () => 0xffff_ffff), ["3.1.1: CAP reads as all ones"]],
    ["a version of nonsense", lying(0x08, () => 0), ["3.1.2: VS is 0.0.0"]],
    ["larger pages only", lying(0x04, (value) => value | (1 << 16)), ["3.1.1: CAP.MPSMIN is 1: no pages of 4 KiB"]],
    ["queue registers that forget", lying(0x28, () => 0), ["3.1.8: register 28h reads as 0"]],
    [
      "one that is fatal from the start",
      lying(0x1c, (value) => value | 2),
      ["7.6.1: CSTS.CFS: the controller reports a fatal error"],
    ],
  ])("%s", async (_, device, expected) => {
    const { steps } = await selfTest(device);
    expect(failures(steps)).toEqual(expected);
    const at = results(steps).indexOf("FAIL");
    expect(new Set(results(steps).slice(0, at))).toEqual(new Set(["PASS"]));
    expect(new Set(results(steps).slice(at + 1))).toEqual(new Set(["SKIP"]));
  });

  test("one that vanishes, one that answers wrongly, one that fails one command", async () => {
    const faults: [string, string[]][] = [
      ["removal:queue=0,opcode=10", ["5.13: the device is gone: registers read as all ones"]],
      ["corrupt-completion:queue=0,opcode=6,field=sq", ["5.15.2.2: the answer names submission queue "]],
      ["error:queue=1,status=0x281", ["6.9: status 0x281"]],
    ];
    for (const [fault, [first]] of faults) {
      const device = modelBackend("model:nvme", FAST);
      device.inject(fault);
      const { steps } = await selfTest(device);
      expect(failures(steps)[0]).toContain(first);
    }
  });
});

test("a device that cannot be silenced is a finding, and closed", async () => {
  const device = modelBackend("model:nvme", FAST);
  let closed = false;
  const close = device.close.bind(device);
  device.quiesce = () => Promise.reject(new Error("no answer"));
  device.close = () => {
    closed = true;
    return close();
  };
  const { steps } = await selfTest(device);
  expect(failures(steps).at(-1)).toContain("7.3.2: the back end: no answer");
  expect(closed).toBe(true);
});

test("as it is typed: a report on the terminal and in a file; mistakes are one message", async () => {
  const output = join(folder, "report.json");
  const cli = samara(ROOT, "selftest", "model:nvme", "--output", output);
  expect(await cli.exit()).toBe(0);
  expect(cli.output).toMatch(/^model:nvme, 1af4:10f0, NVM Express 1\.4\nPASS {2}2\.1 +PCI header +class 010802/);
  expect(cli.output).toMatch(/\n21 passed, 0 failed, 0 skipped\n$/);
  const report = JSON.parse(readFileSync(output, "utf8"));
  expect(report).toMatchObject({ backend: "model:nvme", specification: "NVM Express 1.4" });
  expect(report.steps).toHaveLength(21);
  const wrong = samara(ROOT, "selftest", "model:ide");
  expect(await wrong.exit()).toBe(1);
  expect(wrong.output).toBe('samara: there is no model "ide"; there are: nvme\n');
});
