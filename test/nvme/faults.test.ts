/**
 * The NVMe driver and a device that fails: it loses completions, lies, hangs, vanishes. No request is lost, none is
 * answered wrongly, and what the driver can mend its clients do not see.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { BlockStatus } from "../../build/gen/host/block-device.ts";
import { answered, ModelClient, random, type Records } from "../recovery/disk.ts";
import { counters, FAILED, INTERRUPTS, makeLab, POLLING, QUICK, reaches, ready, type NvmeLab } from "./lab.ts";

/** Short, so that a test waits for little; long enough for a machine that has other things to do. */
const TIMEOUT_MS = 60;
let records: Records;
let lab: NvmeLab;
beforeAll(async () => {
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
});
afterEach(async () => {
  expect(lab.system.faults).toEqual([]);
  await lab.close();
});

const client = (): ModelClient => {
  lab.system.heap.useArena("dma");
  return new ModelClient(lab.system, records, "nvme.disk", 200, random(1));
};

async function start(mode: 0 | 1): Promise<ModelClient> {
  lab = await makeLab();
  answered(lab.nvme.configure(2, 128, mode, TIMEOUT_MS));
  await ready(lab);
  return client();
}

const MODES: [string, 0 | 1][] = [
  ["polling", POLLING],
  ["interrupts", INTERRUPTS],
];

describe.each(MODES)("%s: the client sees a delay and no error when", (_, mode) => {
  test.each([
    ["a completion is lost", "lost-completion:after=3", 1, 0],
    ["several completions are lost", "lost-completion:after=3,count=5", 1, 0],
    ["a completion is late", "late-completion:after=3,delayMs=30", 0, 0],
    ["a completion is later than the time-out", "late-completion:after=3,delayMs=200", 1, 0],
    ["a completion is for no command", "corrupt-completion:after=3,field=cid", 1, 0],
    ["a completion has a wrong head pointer", "corrupt-completion:after=3,field=head", 0, 0],
    ["the controller hangs until it is reset", "hang:after=5", 1, 0],
    ["the controller hangs until its function is reset", "hang:after=5,until=function-reset", 1, 1],
  ])("%s", async (_name, fault, late, functionResets) => {
    const one = await start(mode);
    for (let i = 0; i < 10; i++) one.plain();
    lab.backend.inject(fault);
    for (let i = 0; i < 3; i++) one.submit();
    one.drain();
    one.verify();
    for (let i = 0; i < 10; i++) one.plain();
    expect(one.errors).toBe(0);
    const seen = counters(lab);
    expect(Math.min(seen.timeouts, 1)).toBe(late);
    expect(seen.functionResets).toBe(functionResets);
  });

  test("it happens to one block that is read or written plainly", async () => {
    const one = await start(mode);
    for (const fault of ["lost-completion", "hang", "hang:until=function-reset", "corrupt-completion:field=sq"]) {
      lab.backend.inject(fault);
      one.plain();
      one.plain();
    }
    one.verify();
    expect(one.errors).toBe(0);
  });
});

describe.each(MODES)("%s: every request ends in an error, and none is lost, when", (_, mode) => {
  test.each([
    ["the device hangs for ever", "hang:after=5,until=never"],
    ["the device is pulled out", "removal:after=5"],
  ])("%s", async (_name, fault) => {
    const one = await start(mode);
    for (let i = 0; i < 10; i++) one.plain();
    const objects = lab.system.kernel.heap.live;
    lab.backend.inject(fault);
    for (let i = 0; i < 3; i++) one.submit();
    await reaches(lab, FAILED);
    while (one.inFlight.size > 0) {
      one.poll();
      await new Promise(setImmediate);
    }
    expect(one.errors).toBeGreaterThan(0);
    expect(lab.disk.read(one.request(3, null))).toEqual({ ok: false, error: "Io" });
    expect(await lab.nvme.flush()).toMatchObject({ ok: false, error: "Gone" });
    one.submit();
    while (one.inFlight.size > 0) one.poll();
    await new Promise(setImmediate);
    // The rings may still be there.
    expect(lab.system.kernel.heap.live).toBeLessThanOrEqual(objects);
  });
});

test("while the controller starts, requests wait", async () => {
  lab = await makeLab({ ...QUICK, readyMs: 100 });
  const one = client();
  for (let i = 0; i < 5; i++) one.plain();
  answered(lab.nvme.configure(1, 128, INTERRUPTS, 1000));
  for (let i = 0; i < 3; i++) one.submit();
  one.plain();
  one.drain();
  one.verify();
  expect(one.errors).toBe(0);
});

test("while the controller starts again, a block beyond the end is no other block", async () => {
  lab = await makeLab({ ...QUICK, readyMs: 100 });
  await ready(lab);
  answered(lab.nvme.configure(1, 128, INTERRUPTS, 1000));
  const one = client();
  const far = one.request(5, null);
  // With 512-byte blocks its address on the device is that of block 5, and a carry that is lost.
  far.block = 2n ** 61n + 5n;
  const batch = one.deque();
  batch.push(far);
  lab.system.heap.free(answered(lab.disk.submit(batch)).handle);
  const statuses: number[] = [];
  while (statuses.length === 0) {
    const done = answered(lab.disk.poll(one.deque()));
    for (let request = done.pop(); request !== null; request = done.pop()) statuses.push(request.status);
    await new Promise(setImmediate);
  }
  expect(statuses).toEqual([BlockStatus.OutOfRange]);
});

test("a device that hangs while it starts is given up, and tried again when somebody says so", async () => {
  lab = await makeLab();
  await ready(lab);
  lab.backend.inject("hang:queue=0,opcode=6,until=never");
  answered(lab.nvme.configure(1, 128, INTERRUPTS, TIMEOUT_MS));
  const one = client();
  expect(lab.disk.read(one.request(3, null))).toEqual({ ok: false, error: "Io" });
  await reaches(lab, FAILED);
  answered(lab.nvme.configure(1, 128, INTERRUPTS, TIMEOUT_MS));
  expect(answered(lab.nvme.state()).state).not.toBe(FAILED);
  await reaches(lab, FAILED);
});
