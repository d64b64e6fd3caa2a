/**
 * Faults on demand: each kind happens as it is described, to the command that it is for, and only then.
 */
import { expect, test } from "vitest";
import { Rig } from "../../../test/support/nvme-rig.ts";

const READ = 2;
const WRITE = 1;
const CSTS = 0x1c;
const CC = 0x14;

function ready(options: Readonly<Record<string, unknown>> = {}): Rig {
  const rig = new Rig({ bytes: 1 << 20, ...options });
  rig.bringUp();
  return rig;
}

/** A command, without waiting for its end. @returns its id */
function send(rig: Rig, opcode = READ, at = rig.allocate(4096)): number {
  const words = rig.transfer(opcode, 0, 1, at);
  rig.io.put(words);
  rig.io.ring();
  rig.backend.step();
  return words[0]! >>> 16;
}

test("an error has the status that was asked for, so many times, to the opcode that was chosen", () => {
  const rig = ready();
  rig.backend.inject("error:status=0x281,count=2,opcode=2,after=1");
  const run = (opcode: number): number => {
    send(rig, opcode);
    return rig.io.poll()[0]!.status & 0x7ff;
  };
  expect([READ, WRITE, READ, WRITE, READ, READ].map(run)).toEqual([0, 0, 0x281, 0, 0x281, 0]);
});

test("a lost completion: the data are moved, nobody is told", () => {
  const rig = ready();
  rig.backend.inject("lost-completion");
  const at = rig.allocate(4096);
  rig.bytes.fill(7, at, at + 512);
  send(rig, READ, at);
  expect([rig.io.poll(), rig.bytes[at]]).toEqual([[], 0]);
  const cid = send(rig);
  expect(rig.io.poll().map((c) => c.cid)).toEqual([cid]);
});

test("a late completion: the data are moved late as well", () => {
  const rig = ready();
  rig.backend.inject("late-completion:delayMs=20");
  const at = rig.allocate(4096);
  rig.bytes.fill(7, at, at + 512);
  const cid = send(rig, READ, at);
  rig.time = 19;
  rig.backend.step();
  expect([rig.io.poll(), rig.bytes[at]]).toEqual([[], 7]);
  rig.time = 20;
  rig.backend.step();
  expect([rig.io.poll().map((c) => c.cid), rig.bytes[at]]).toEqual([[cid], 0]);
});

test("a reset ends it: nothing of it happens in the next life", () => {
  const rig = ready();
  rig.backend.inject("late-completion:delayMs=20");
  const at = rig.allocate(4096);
  rig.bytes.fill(7, at, at + 512);
  send(rig, READ, at);
  rig.write(CC, 0);
  rig.bringUp();
  rig.time = 20;
  rig.backend.step();
  expect([rig.io.poll(), rig.bytes[at]]).toEqual([[], 7]);
});

test("a stubborn one comes after a reset, and reaches nothing while bus mastering is off", async () => {
  const rig = ready();
  for (const quiet of [false, true]) {
    rig.backend.inject("late-completion:delayMs=20,stubborn=1");
    const at = rig.allocate(4096);
    rig.bytes.fill(7, at, at + 512);
    send(rig, READ, at);
    if (quiet) await rig.backend.quiesce();
    else rig.write(CC, 0);
    rig.time += 20;
    rig.backend.step();
    expect(rig.bytes[at]).toBe(quiet ? 7 : 0);
    await new Promise((resolve) => setImmediate(resolve));
    expect(rig.events.filter((e) => e.includes("bus mastering is off")).length > 0).toBe(quiet);
    if (!quiet) rig.bringUp();
  }
});

test.each([
  ["cid", (c: { cid: number }, cid: number) => c.cid !== cid],
  ["sq", (c: { sqId: number }) => c.sqId !== 1],
  ["head", (c: { sqHead: number }) => c.sqHead !== 1],
  ["status", (c: { status: number }) => c.status !== 0],
])("a corrupt completion: %s", (field, wrong) => {
  const rig = ready();
  rig.backend.inject(`corrupt-completion:field=${field},seed=9`);
  const cid = send(rig);
  const [completion] = rig.io.poll();
  expect(wrong(completion!, cid)).toBe(true);
  expect(rig.io.run(rig.transfer(READ, 0, 1, rig.allocate(4096))).status).toBe(0);
});

test.each([
  ["hang", 0, 0],
  ["hang:until=function-reset", 1, 0],
  ["hang:until=never", 1, 1],
])("%s", async (fault, afterReset, afterFunctionReset) => {
  const rig = ready();
  rig.backend.inject(fault);
  send(rig);
  rig.admin.put(rig.command(6, 0, rig.allocate(4096), 0, [1]));
  rig.admin.ring();
  rig.backend.step();
  expect([rig.io.poll(), rig.admin.poll()]).toEqual([[], []]);
  rig.write(CC, 0);
  expect(rig.read(CSTS)).toBe(afterReset);
  await rig.backend.quiesce();
  rig.enable();
  rig.admin.put(rig.command(6, 0, rig.allocate(4096), 0, [1]));
  rig.admin.ring();
  rig.backend.step();
  expect(rig.admin.poll().length).toBe(1 - afterFunctionReset);
});

test("removal: reads are all ones, writes do nothing, the kernel is told once", async () => {
  const rig = ready();
  rig.backend.inject("removal:opcode=1");
  send(rig, READ);
  expect(rig.io.poll()).toHaveLength(1);
  send(rig, WRITE);
  expect(rig.io.poll()).toEqual([]);
  expect(rig.read(CSTS)).toBe(0xffff_ffff);
  await new Promise((resolve) => setImmediate(resolve));
  expect(rig.events).toEqual(["gone: model:nvme (ready at once, register reads free): it was removed"]);
  expect(rig.backend.configRead(0, 4)).toBe(0xffff_ffff);
  await rig.backend.quiesce();
  rig.backend.start();
  expect(rig.read(0)).toBe(0xffff_ffff);
});

test("a power cut leaves a controller as new, and counts as an unsafe shutdown", () => {
  const rig = ready();
  rig.backend.inject("power-cut");
  expect([rig.read(CC), rig.read(CSTS)]).toEqual([0, 0]);
  rig.bringUp();
  const { data } = rig.page(2, 0, [2 | (127 << 16)]);
  expect([data.getBigUint64(112, true), data.getBigUint64(144, true)]).toEqual([2n, 1n]);
});

test.each([
  ["explode", 'unknown fault "explode"; there are error, lost-completion'],
  ["error:stat=1", 'error: unknown key "stat"; there are count, after'],
  ["error:count=0", "error: count: 1 to 1000000, not 0"],
  ["error:status=many", "error: status: 1 to 32767, not many"],
  ["hang:until=tomorrow", "hang: until: one of reset, function-reset, never, not tomorrow"],
  ["hang:count=2", 'hang: unknown key "count"'],
])("%s is refused", (text, message) => expect(() => ready().backend.inject(text)).toThrow(message));
