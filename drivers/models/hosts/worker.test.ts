/**
 * A model in a thread of its own: the same device, posted writes in order, a stop that is answered, an end that is
 * noticed.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { FAST, Rig, RIG_BYTES, WINDOW } from "../../../test/support/nvme-rig.ts";
import { modelBackend, type ModelBackend } from "../backend.ts";
import { Mailbox, Post } from "./mailbox.ts";

const WRITE = 1;
const READ = 2;
const ZEROES = 8;
const CSTS = 0x1c;
const opened: ModelBackend[] = [];
afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close();
});

async function ready(options: Readonly<Record<string, unknown>> = {}): Promise<Rig<ModelBackend>> {
  const rig = new Rig(options, modelBackend("model:nvme", { ...FAST, bytes: 1 << 20, ...options }));
  opened.push(rig.backend);
  await rig.map();
  rig.bringUp();
  return rig;
}

/** Lets the host's loop run until something holds. */
async function until(holds: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!holds()) {
    if (performance.now() > end) throw new Error("it did not happen within 10 s");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

test("data go there and back, with queues that go round, and interrupts of their vectors", async () => {
  const rig = await ready({ queues: 2 });
  const fired = new Set<number>();
  rig.backend.interrupts(3, (vector) => fired.add(vector));
  const second = rig.createPair(2, 8, 2);
  const [from, to] = [rig.allocate(4096), rig.allocate(4096)];
  for (let i = 0; i < 50; i++) {
    rig.bytes.fill(i + 1, from, from + 4096);
    expect(rig.io.run(rig.transfer(WRITE, i * 8, 8, from)).status).toBe(0);
    expect(second.run(rig.transfer(READ, i * 8, 8, to)).status).toBe(0);
    expect(rig.bytes.subarray(to, to + 4096).every((byte) => byte === i + 1)).toBe(true);
  }
  await until(() => fired.has(0) && fired.has(2));
});

test("a read of a register sees the writes before it, however many", async () => {
  const rig = await ready();
  for (let i = 0; i < 5000; i++) rig.write(0x24, i & 0xfff);
  expect(rig.read(0x24)).toBe(4999 & 0xfff);
});

test("the time to be ready passes", async () => {
  const rig = await ready({ readyMs: 20 });
  rig.write(0x14, 0);
  expect(rig.read(CSTS)).toBe(0);
  rig.write(0x14, 1 | (6 << 16) | (4 << 20));
  await until(() => rig.read(CSTS) === 1);
});

test("a quiesce is answered, and after it nothing is reached until the next start", async () => {
  const rig = await ready();
  rig.backend.inject("late-completion:delayMs=30,stubborn=1");
  const at = rig.allocate(4096);
  rig.bytes.fill(7, at, at + 4096);
  rig.io.put(rig.transfer(READ, 0, 8, at));
  rig.io.ring();
  // An answer to a later command says that this one was fetched.
  expect(rig.page(6, 0, [1]).completion.status).toBe(0);
  await rig.backend.quiesce();
  const memory = rig.bytes.slice();
  expect(rig.read(CSTS)).toBe(0xffff_ffff);
  await until(() => rig.events.some((text) => text.includes("bus mastering is off")));
  expect(Buffer.compare(memory, rig.bytes)).toBe(0);
  rig.bringUp();
  expect(rig.io.run(rig.transfer(READ, 0, 8, at)).status).toBe(0);
});

test("a quiesce in the middle of a stream of commands stops it", async () => {
  const rig = await ready({ bytes: 4 << 20 });
  const data = rig.allocate(512 << 10);
  const list = rig.allocate(4096);
  for (let i = 1; i < 128; i++) rig.view.setBigUint64(list + (i - 1) * 8, BigInt(data + i * 4096), true);
  for (let i = 0; i < 15; i++) rig.io.put(rig.transfer(READ, 0, 1024, data, list));
  rig.io.ring();
  await rig.backend.quiesce();
  rig.bytes.fill(0xa5);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(rig.bytes.every((byte) => byte === 0xa5)).toBe(true);
});

test("a quiesce waits for what the model is in the middle of", async () => {
  const rig = await ready({ bytes: 32 << 20, writeCache: false });
  const first = rig.allocate(4096);
  rig.bytes.fill(7, first, first + 512);
  // In one step: a read that shows that it has begun, and zeros for a while, whose completion comes too late.
  rig.io.put(rig.transfer(READ, 0, 1, first));
  rig.io.put(rig.transfer(ZEROES, 0, 65_536, 0));
  rig.io.ring();
  const end = performance.now() + 10_000;
  while (rig.bytes[first] === 7 && performance.now() < end);
  expect(rig.bytes[first]).toBe(0);
  const silent = rig.backend.quiesce();
  expect(silent).toBe(undefined);
  // What the thread said before it was done is on its way; what it would say later is not.
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  expect(rig.events).toEqual([expect.stringContaining("bus mastering is off")]);
});

test("memory outside the windows is refused, and the kernel told", async () => {
  const rig = await ready();
  const before = [rig.bytes.slice(0, WINDOW), rig.bytes.slice(RIG_BYTES - WINDOW)];
  expect(rig.io.run(rig.transfer(READ, 0, 8, 0)).status & 0x7ff).toBe(4);
  expect(rig.io.run(rig.transfer(READ, 0, 8, RIG_BYTES - WINDOW)).status & 0x7ff).toBe(4);
  await until(() => rig.events.length === 2);
  expect(rig.events[0]).toMatch(/^dma-fault: .*: a write of 4096 bytes at 0x0: it is outside the device's windows$/);
  expect([rig.bytes.slice(0, WINDOW), rig.bytes.slice(RIG_BYTES - WINDOW)]).toEqual(before);
});

test("removal, and what is asked of a device that is gone", async () => {
  const rig = await ready();
  rig.backend.inject("removal");
  expect(rig.read(CSTS)).toBe(0xffff_ffff);
  await until(() => rig.events.length > 0);
  expect(rig.events).toEqual([expect.stringMatching(/^gone: model:nvme.*: it was removed$/)]);
  expect(() => rig.backend.inject("hang")).toThrow("there is no device that could fail");
  await rig.backend.quiesce();
});

test("close writes the cache to the file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "samara-worker-"));
  const file = join(folder, "disk");
  const rig = await ready({ file });
  const at = rig.allocate(4096);
  rig.bytes.fill(9, at, at + 4096);
  expect(rig.io.run(rig.transfer(WRITE, 0, 8, at)).status).toBe(0);
  await rig.backend.close();
  expect(
    readFileSync(file)
      .subarray(0, 4096)
      .every((byte) => byte === 9),
  ).toBe(true);
  rmSync(folder, { recursive: true });
});

test("a model that cannot be made is an error that says why", async () => {
  const rig = new Rig({}, modelBackend("model:nvme", { file: "/dev/null/disk" }));
  await expect(rig.map()).rejects.toThrow(/^model:nvme: \/dev\/null.*EEXIST/);
  expect(() => modelBackend("model:tape", {})).toThrow('there is no model "tape"; there are: nvme');
  expect(() => modelBackend("nvme", {})).toThrow("no model; there are: model:nvme");
  expect(() => modelBackend("model:nvme", { host: "cloud" })).toThrow('host: worker or stepped, not "cloud"');
});

test.each(["worker", "stepped"])("a model with a mistake in it is a device that is gone: %s", async (host) => {
  const backend = modelBackend("model:nvme", { ...FAST, host });
  opened.push(backend);
  const told: string[] = [];
  backend.onEvent = ({ kind }) => told.push(kind);
  // Windows where there is no memory: the kernel's mistake, and what the model makes of it is an exception.
  await backend.map(new SharedArrayBuffer(WINDOW), [{ iova: 0, bytes: 16 * WINDOW }]);
  backend.start();
  backend.write32(0, 0x24, 0x000f_000f);
  backend.write32(0, 0x28, 4 * WINDOW);
  backend.write32(0, 0x14, 1);
  await until(() => (backend.read32(0, CSTS) & 1) === 1);
  backend.write32(0, 0x1000, 1);
  await until(() => told.length > 0);
  expect([told, backend.read32(0, 0)]).toEqual([["gone"], -1]);
  await backend.quiesce();
});

test.each([
  [{}, "model:nvme"],
  [{ readyMs: 0 }, "model:nvme (ready at once)"],
  [FAST, "model:nvme (ready at once, register reads free)"],
])("waits that a device would have, and the model has not, stand in its name: %j", (options, name) =>
  expect(modelBackend("model:nvme", options).name).toBe(name),
);

test("a full mailbox refuses after a while, and loses nothing", () => {
  const mailbox = new Mailbox();
  let put = 0;
  while (mailbox.put(Post.write, 0, put * 4, put, 1)) put++;
  expect(put).toBe(1024);
  const taken: number[] = [];
  expect(mailbox.drain(1)).toBe(false);
  mailbox.take((_, bar, offset, value) => taken.push(bar, offset, value));
  expect(taken).toEqual(Array.from({ length: put }, (_, i) => [0, i * 4, i]).flat());
  expect([mailbox.drain(1), mailbox.put(Post.stop, 0, 0, 0, 1)]).toEqual([true, true]);
});
