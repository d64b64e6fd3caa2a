/**
 * Tracing, recording, replay and comparison, on a device of a few lines.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { compareRecords } from "#drivers/wrappers/diff.ts";
import { formatAccess, formatTraced, meaningsOf } from "#drivers/wrappers/format.ts";
import { formatEvent, parseRecord, type DeviceRecord, type RecordEvent } from "#drivers/wrappers/record.ts";
import { Recorder } from "#drivers/wrappers/recording.ts";
import { ReplayBackend } from "#drivers/wrappers/replay.ts";
import { NVME_REGISTERS } from "#drivers/wrappers/nvme-registers.ts";
import { TracingBackend, type Access } from "#drivers/wrappers/tracing.ts";
import { ScriptedBackend, ScriptedDriver } from "./scripted.ts";

const folder = mkdtempSync(join(tmpdir(), "samara-record-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Everything that the driver of the tests does, twenty reads of the disk included. */
async function session(driver: ScriptedDriver): Promise<Uint8Array[]> {
  await driver.start({ polls: 10 });
  expect(driver.command(0, 6, 3, driver.at(8), 1)).toBe(0);
  expect(driver.command(0, 6, 4, driver.at(8), 0)).toBe(0);
  const read = Array.from({ length: 20 }, (_, i) => driver.read(i % 7, i * 3, [1, 8, 16, 24][i % 4]!));
  await turn();
  return read;
}

async function recorded(name: string, use = session, device = new ScriptedBackend(), shift = 0): Promise<DeviceRecord> {
  const path = join(folder, name);
  const recorder = new Recorder(device, path);
  const driver = new ScriptedDriver(new TracingBackend(device, recorder), shift);
  await use(driver);
  recorder.close();
  return parseRecord(readFileSync(path, "utf8"), name);
}

describe("tracing", () => {
  test("notes nothing until somebody looks, then every access in order", async () => {
    let now = 1000;
    const traced = new TracingBackend(new ScriptedBackend(), null, () => now);
    traced.read32(0, 0);
    expect(traced.watched).toBe(false);
    expect(traced.accesses(undefined, 10)).toEqual({ accesses: [], last: 0, lost: 0 });
    now += 1.5;
    traced.configRead(4, 2);
    traced.write32(0, 0x14, -1);
    traced.interrupts(8, () => {});
    const { accesses, last } = traced.accesses(0, 10);
    expect(last).toBe(3);
    const meanings = meaningsOf(traced.identity);
    expect(accesses.map((access) => formatTraced(access, meanings))).toEqual([
      "       1     0.001500s  read  PCI CMD   0x0006  IOSE=0 MSE=1 BME=1 ID=0",
      "       2     0.001500s  write CC        0xffffffff  EN=1 CSS=7 MPS=15 AMS=7 SHN=3 IOSQES=15 IOCQES=15",
      "       3     0.001500s  interrupt vectors: 8 asked for, 2 enabled",
    ]);
    expect(traced.accesses(1, 1)).toMatchObject({ accesses: [{ sequence: 2 }], last: 2, lost: 0 });
  });

  test("stops when nobody has looked for a while; numbers go on", () => {
    let now = 0;
    const traced = new TracingBackend(new ScriptedBackend(), null, () => now);
    traced.accesses(undefined, 1);
    traced.read32(0, 0);
    now += 6000;
    traced.read32(0, 0);
    expect(traced.watched).toBe(false);
    traced.accesses(undefined, 1);
    traced.read32(0, 8);
    expect(traced.accesses(1, 10).accesses).toMatchObject([{ sequence: 2, offset: 8 }]);
  });

  test("what is too much pushes out the oldest, and says how many", () => {
    const traced = new TracingBackend(new ScriptedBackend());
    traced.accesses(undefined, 1);
    for (let i = 0; i < 70_000; i++) traced.write32(0, 0x0c, 0);
    const { accesses, lost } = traced.accesses(0, 1);
    expect({ first: accesses[0]!.sequence, lost }).toEqual({ first: 70_000 - 65_536 + 1, lost: 70_000 - 65_536 });
    // A number that was never given: nothing is lost, and nothing there.
    expect(traced.accesses(1e9, 5)).toEqual({ accesses: [], last: 70_000, lost: 0 });
  });

  test("faults go to the device, or are refused by name", () => {
    const device = new ScriptedBackend();
    const traced = new TracingBackend(device);
    traced.inject("hang");
    expect(device.injected).toEqual(["hang"]);
    expect(() => traced.inject("x")).toThrow('there is no fault "x"; there is hang');
    const plain = Object.create(device, { inject: { value: undefined }, name: { value: "vfio:0000:00:04.0" } });
    expect(() => new TracingBackend(plain as ScriptedBackend).inject("hang")).toThrow(
      "vfio:0000:00:04.0 knows no faults on demand",
    );
  });
});

describe("names", () => {
  const line = (access: Partial<Access>): string =>
    formatAccess(
      { kind: "read", bar: 0, offset: 0, width: 4, value: 0, ...access },
      meaningsOf({ classCode: 0x010802 }),
    );
  test.each<[Partial<Access>, string]>([
    [{ value: 0x0f0107ff }, "read  CAP       0x0f0107ff  MQES=2047 CQR=1 AMS=0 TO=15"],
    [{ offset: 8, value: 0x10400 }, "read  VS        0x00010400  MJR=1 MNR=4 TER=0"],
    [{ offset: 0x1c, value: 9 }, "read  CSTS      0x00000009  RDY=1 CFS=0 SHST=2 NSSRO=0 PP=0"],
    [{ kind: "write", offset: 0x24, value: 0x3f001f }, "write AQA       0x003f001f  ASQS=31 ACQS=63"],
    [{ kind: "write", offset: 0x2c, value: 1 }, "write ASQ+4     0x00000001"],
    [{ kind: "write", offset: 0x1008, value: 5 }, "write SQ1TDBL   0x00000005  SQT=5"],
    [{ kind: "write", offset: 0x100c, value: 6 }, "write CQ1HDBL   0x00000006  CQH=6"],
    [{ offset: 0x60, value: 6 }, "read  0x0060    0x00000006"],
    [{ bar: 4, offset: 0x10 }, "read  BAR4 0x0010 0x00000000"],
    [{ kind: "config-read", value: 0x00101b36 }, "read  PCI ID    0x00101b36  DID=16 VID=6966"],
    [{ kind: "config-write", offset: 0x40, width: 1, value: 7 }, "write PCI config 0x40 0x07"],
    [{ kind: "interrupt", offset: 3 }, "interrupt, vector 3"],
    [{ kind: "quiesce" }, "quiesce"],
  ])("%j", (access, text) => expect(line(access)).toBe(text));

  test("doorbells are told apart by the stride that CAP names", () => {
    const meanings = meaningsOf({ classCode: 0x010802 });
    meanings.meaning(0, 4, 2);
    expect(meanings.meaning(0, 0x1010, 1).register).toBe("CQ0HDBL");
    expect(meanings.meaning(0, 0x1020, 1).register).toBe("SQ1TDBL");
    expect(meanings.meaning(0, 0x1004, 1).register).toBe("0x1004");
  });

  test("fields lie within their register and do not overlap", () => {
    for (const { name, fields } of Object.values(NVME_REGISTERS)) {
      let used = 0n;
      for (const [field, high, low] of fields) {
        expect(high >= low && high < 32, `${name}.${field}`).toBe(true);
        const mask = ((1n << BigInt(high - low + 1)) - 1n) << BigInt(low);
        expect(used & mask, `${name}.${field}`).toBe(0n);
        used |= mask;
      }
    }
  });
});

describe("records", () => {
  test("are read back as they were written; a torn last line is left out", async () => {
    const record = await recorded("whole");
    expect(record.torn).toBe(false);
    expect(record.header).toMatchObject({ name: "model:scripted", identity: { classCode: 0x010802 } });
    const text = readFileSync(join(folder, "whole"), "utf8");
    expect(record.events.map(formatEvent)).toEqual(text.split("\n").slice(1, -1));
    const torn = parseRecord(text.slice(0, -7), "torn");
    expect({ torn: torn.torn, events: torn.events.length }).toEqual({ torn: true, events: record.events.length - 1 });
    const kinds = new Set(record.events.map((event) => event.kind));
    expect([...kinds].toSorted()).toEqual(
      ["command", "completion", "config-read", "data", "interrupt", "read", "start", "vectors", "write"].toSorted(),
    );
  });

  test("what is none is an error with its line", async () => {
    await recorded("lines");
    const lines = readFileSync(join(folder, "lines"), "utf8").split("\n");
    expect(() => parseRecord("", "x")).toThrow("x is no record of a device (run --record makes one)");
    expect(() => parseRecord('{"format": "samara-device-record"}\n', "x")).toThrow("x is no record");
    for (const bad of ["r 0 zz 4 0", "x 0 0 4 0", "> 0 00ff", "r 0 1c 3 0", "d 1 2 0", "<"]) {
      const text = lines.with(3, bad).join("\n");
      expect(() => parseRecord(text, "x")).toThrow(`x:4: "${bad}" is no line of a record`);
    }
  });

  test("a file that cannot be written is an error", () => {
    expect(() => new Recorder(new ScriptedBackend(), join(folder, "no", "such"))).toThrow("cannot be written: ENOENT");
  });
});

describe("replay", () => {
  test("the driver finds the same device, wherever its queues lie now", async () => {
    const device = new ScriptedBackend();
    const real = await session(new ScriptedDriver(device));
    const record = await recorded("replayed");
    for (const shift of [0, 0x8000]) {
      const replay = new ReplayBackend(record);
      const driver = new ScriptedDriver(replay, shift);
      expect(await session(driver)).toEqual(real);
      expect({ difference: replay.difference, finished: replay.finished }).toEqual({
        difference: null,
        finished: true,
      });
      expect(driver.fired.length).toBe(24);
    }
  });

  test("more or fewer reads while it waits are no difference", async () => {
    const device = new ScriptedBackend();
    device.readyReads = 7;
    const record = await recorded("slow", session, device);
    const replay = new ReplayBackend(record);
    const driver = new ScriptedDriver(replay);
    await driver.start({ polls: 10 });
    for (let i = 0; i < 50; i++) expect(replay.read32(0, 0x1c)).toBe(1);
    expect(driver.command(0, 6, 3, driver.at(8), 1)).toBe(0);
    expect(replay.difference).toBe(null);
  });

  test.each<[string, (driver: ScriptedDriver) => unknown, string]>([
    [
      "another value in a register",
      (d) => d.backend.write32(0, 0x14, 0x460000),
      "the driver did: write CC        0x00460000  EN=0 CSS=0 MPS=0 AMS=0 SHN=0 IOSQES=6 IOCQES=4; " +
        "line 25 of the record has: command in SQ0: OPC=0x06 CID=3 NSID=1 CDW10=0x1 CDW11=0x0 CDW12=0x0 CDW13=0x0 CDW14=0x0 CDW15=0x0",
    ],
    [
      "another command",
      (d) => d.command(0, 6, 3, d.at(8), 2),
      "the driver did: command in SQ0: OPC=0x06 CID=3 NSID=1 CDW10=0x2 CDW11=0x0 CDW12=0x0 CDW13=0x0 CDW14=0x0 CDW15=0x0; " +
        "line 25 of the record has: command in SQ0: OPC=0x06 CID=3 NSID=1 CDW10=0x1 CDW11=0x0 CDW12=0x0 CDW13=0x0 CDW14=0x0 CDW15=0x0",
    ],
    [
      "a register that was never read",
      (d) => d.backend.read32(0, 0x40),
      "the driver did: read  BPINFO    0x00000000  BPSZ=0 BRS=0 ABPID=0; line 25 of the record has: command in SQ0",
    ],
    [
      "waiting for what never comes",
      (d) => {
        for (let i = 0; i < 100_002; i++) d.backend.read32(0, 0x1c);
      },
      "the driver did: read  CSTS      0x00000001  RDY=1 CFS=0 SHST=0 NSSRO=0 PP=0; line 25 of the record has",
    ],
  ])("the first difference is named, and the device is gone: %s", async (_, deed, text) => {
    const replay = new ReplayBackend(await recorded("differs"));
    const events: string[] = [];
    replay.onEvent = ({ kind, text: what }) => events.push(`${kind}: ${what}`);
    const driver = new ScriptedDriver(replay);
    await driver.start();
    deed(driver);
    expect(replay.difference).toContain(text);
    expect(replay.read32(0, 0x1c) >>> 0).toBe(0xffffffff);
    expect(replay.configRead(0, 2)).toBe(0xffff);
    await turn();
    expect(events).toEqual([`gone: ${replay.difference}`]);
  });

  test("a driver that goes on where the record ends", async () => {
    const replay = new ReplayBackend(await recorded("ends", (driver) => driver.start().then(() => [])));
    const driver = new ScriptedDriver(replay);
    await driver.start();
    expect(replay.finished).toBe(true);
    expect(driver.command(0, 6, 3, driver.at(8), 1)).toBe(-1);
    expect(replay.difference).toMatch(/^the driver did: command in SQ0: .*; the record ends here$/);
  });

  test("a record with nonsense in its memory events reaches nothing but the device's windows", async () => {
    const path = join(folder, "hostile");
    const { header, events } = await recorded("base");
    const entry = (fill: number): Uint8Array => new Uint8Array(16).fill(fill);
    const bad = events.flatMap((event): RecordEvent[] =>
      event.kind === "completion"
        ? [
            { kind: "data", queue: 0, command: 1, bytes: new Uint8Array(1 << 16).fill(0xee) },
            { kind: "completion", queue: 77, bytes: entry(0xff) },
            event,
          ]
        : [event],
    );
    writeFileSync(path, [JSON.stringify(header), ...bad.map(formatEvent), ""].join("\n"));
    const driver = new ScriptedDriver(new ReplayBackend(parseRecord(readFileSync(path, "utf8"), path)));
    await driver.start();
    const bytes = new Uint8Array(driver.memory);
    const window = { from: 0x10000, to: 0x50000 };
    expect(bytes.findIndex((byte, i) => byte !== 0 && (i < window.from || i >= window.to))).toBe(-1);
  });
});

describe("comparison", () => {
  test("the same session, with queues elsewhere, has no difference", async () => {
    const first = await recorded("a");
    expect(compareRecords(first, await recorded("b", session, new ScriptedBackend(), 0x8000))).toBe(null);
  });

  test("how often a driver had to look, and when it was interrupted, is no difference", async () => {
    const slow = new ScriptedBackend();
    slow.readyReads = 9;
    const other = await recorded("d", session, slow);
    const first = await recorded("a");
    expect(other.events.length).toBeGreaterThan(first.events.length);
    expect(compareRecords(first, other)).toBe(null);
    const { header, events, torn } = other;
    const calm = events.filter(({ kind }) => kind !== "interrupt");
    expect(compareRecords(first, { header, events: calm, torn })).toBe(null);
    // What a register says is.
    const lie = events.map((event) =>
      event.kind === "read" && event.offset === 0x1c ? { ...event, value: event.value | 2 } : event,
    );
    expect(compareRecords(first, { header, events: lie, torn })).toMatchObject({
      first: "read  CSTS      0x00000000  RDY=0 CFS=0 SHST=0 NSSRO=0 PP=0",
      second: "read  CSTS      0x00000002  RDY=0 CFS=1 SHST=0 NSSRO=0 PP=0",
    });
  });

  test("the first difference, with what led there", async () => {
    const second = await recorded("c", async (driver) => {
      await driver.start();
      driver.command(0, 6, 9, driver.at(8), 1);
      return [];
    });
    const difference = compareRecords(await recorded("a"), second)!;
    expect(difference.first).toContain("command in SQ0: OPC=0x06 CID=3");
    expect(difference.second).toContain("command in SQ0: OPC=0x06 CID=9");
    expect(difference.before.at(-1)).toBe("write CQ0HDBL   0x00000002  CQH=2");
    const short = { ...second, events: second.events.slice(0, 4) };
    expect(compareRecords(second, short)).toMatchObject({ lines: [6, 6], second: null });
  });
});
