/**
 * Faults between a driver and a device that knows none itself.
 */
import { setImmediate as turn, setTimeout as sleep } from "node:timers/promises";
import { beforeEach, describe, expect, test } from "vitest";
import { FaultBackend } from "#drivers/wrappers/fault.ts";
import { TracingBackend } from "#drivers/wrappers/tracing.ts";
import { ScriptedBackend, ScriptedDriver } from "./scripted.ts";

const CSTS = 0x1c;
let device: ScriptedBackend;
let faulty: FaultBackend;
beforeEach(() => {
  device = new ScriptedBackend();
  faulty = new FaultBackend(device);
});

test("without a fault nothing is different", async () => {
  const driver = new ScriptedDriver(faulty);
  await driver.start();
  expect(driver.command(0, 6, 3, driver.at(8), 1)).toBe(0);
  await turn();
  expect(driver.fired.length).toBeGreaterThan(0);
});

test("a lost write: a command is posted, and the device never hears of it", async () => {
  const driver = new ScriptedDriver(faulty);
  await driver.start();
  faulty.inject("lost-write:offset=0x1000,after=1");
  expect(driver.command(0, 6, 3, driver.at(8), 1)).toBe(0);
  expect(driver.command(0, 6, 4, driver.at(8), 1)).toBe(-1);
  // Once: the next doorbell tells of both.
  expect(driver.command(0, 6, 5, driver.at(8), 1)).toBe(-2);
});

test("a register that reads wrongly, so many times", async () => {
  const driver = new ScriptedDriver(faulty);
  await driver.start();
  faulty.inject("corrupt-read:offset=0x1c,mask=0x2,count=2");
  expect([0, 8, CSTS, CSTS, CSTS].map((offset) => faulty.read32(0, offset))).toEqual([0x0f0107ff, 0x10400, 3, 3, 1]);
});

test("an interrupt that is lost, and one that is late", async () => {
  const fired: number[] = [];
  let fire: (vector: number) => void = () => {};
  device.interrupts = (_, call) => ((fire = call), 2);
  expect(faulty.interrupts(2, (vector) => fired.push(vector))).toBe(2);
  faulty.inject("lost-interrupt:vector=1");
  for (const vector of [0, 1, 1]) fire(vector);
  expect(fired).toEqual([0, 1]);
  faulty.inject("late-interrupt:delayMs=5");
  fire(0);
  expect(fired).toEqual([0, 1]);
  await sleep(50);
  expect(fired).toEqual([0, 1, 0]);
  // After a reset none comes, however late.
  faulty.inject("late-interrupt:delayMs=5");
  fire(0);
  await faulty.quiesce();
  await sleep(50);
  expect(fired).toEqual([0, 1, 0]);
});

test("a removal: registers are all ones; what keeps memory safe still reaches the device", async () => {
  const events: unknown[] = [];
  const reached: string[] = [];
  faulty.onEvent = (event) => events.push(event);
  device.quiesce = async () => void reached.push("quiesce");
  device.close = async () => void reached.push("close");
  device.write32 = () => void reached.push("write");
  faulty.inject("removal");
  faulty.write32(0, 0x14, 1);
  expect([faulty.read32(0, CSTS), faulty.configRead(0, 2)]).toEqual([0xffff_ffff, 0xffff]);
  await faulty.quiesce();
  await faulty.close();
  await turn();
  expect(reached).toEqual(["quiesce", "close"]);
  expect(events).toEqual([{ kind: "gone", text: "model:scripted: removed on command" }]);
});

describe("mistakes", () => {
  test.each([
    ["hang", 'unknown fault "hang"; there are removal, lost-write, corrupt-read, lost-interrupt, late-interrupt'],
    ["removal:count=1", 'removal knows no "count"; it knows nothing'],
    ["lost-write:vector=1", 'lost-write knows no "vector"; it knows count, after, offset'],
    ["lost-write:offset", 'lost-write: offset is a whole number up to 4294967295, not ""'],
    ["late-interrupt:delayMs=1e9", 'late-interrupt: delayMs is a whole number up to 600000, not "1e9"'],
  ])("%s", (text, message) => {
    expect(() => new TracingBackend(faulty).inject(text)).toThrow(message);
    expect(faulty.read32(0, 8)).toBe(0x10400);
  });
});
