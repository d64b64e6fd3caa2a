/**
 * The integrity shadow before a disk that lies: no lie reaches the client as if it were true.
 *
 * And what both shadows do with a driver that hangs, or that cannot be brought back.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, type SystemBuild } from "#tools/build/index.ts";
import { answered, contents, ModelClient, random, type BlockDeviceClient, type Records } from "./disk.ts";
import { Liar, type Lie } from "./liar.ts";

const BLOCKS = 16;
const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
const heap = { bytes: 16 << 20, objects: 4096 };

let records: Records;
let system: System;
const builds = new Map<string, SystemBuild>();
/** `guard` or `shadow` before a disk of the test. */
const before = (domain: string) =>
  defineSystem({
    name: domain,
    heap,
    domains: { front: { domain, uses: { disk: "host.disk", driver: "host.life" } } },
  });
/** Before the RAM disk. */
const whole = defineSystem({
  name: "whole",
  heap,
  domains: {
    medium: { domain: "medium", limits: { heapObjects: BLOCKS } },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    front: { domain: "block-guard", uses: { disk: "ramdisk.disk", driver: "supervisor.ramdisk" } },
  },
});
beforeAll(async () => {
  for (const domain of ["block-guard", "block-shadow"])
    builds.set(
      domain,
      await buildSystem(before(domain), { builtins: { host: { disk: "BlockDevice", life: "Lifecycle" } } }),
    );
  builds.set("whole", await buildSystem(whole));
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
});
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});

async function start(name: string): Promise<{ liar: Liar; client: ModelClient; disk: BlockDeviceClient }> {
  const build = builds.get(name)!;
  const generated = await import("../../build/gen/host/interfaces.ts");
  system = new System(build.system, { images: build.images, records: generated.records });
  const liar = new Liar(() => system, BLOCKS);
  if (name !== "whole") {
    system.serve("BlockDevice", liar.disk());
    system.serve("Lifecycle", liar.lifecycle());
  }
  await system.start();
  const client = new ModelClient(system, records, "front.disk", BLOCKS, random(SEED));
  return { liar, client, disk: system.client<BlockDeviceClient>("front.disk") };
}

/** Frees what came back, and says how it came. */
function outcome(answer: { ok: boolean; value?: { handle: number } | undefined; error?: string | undefined }): string {
  if (answer.value !== undefined) system.heap.free(answer.value.handle);
  return answer.ok ? "ok" : (answer.error ?? "fault");
}

describe("read and write", () => {
  const ONCE: [Lie, "read" | "write"][] = [
    ["wrong data", "read"],
    ["misplaced read", "read"],
    ["no such block", "read"],
    ["failed", "read"],
    ["no such block", "write"],
    ["failed", "write"],
    ["spoilt request", "write"],
  ];
  test.each(ONCE)("%s in a %s: the client sees nothing of it", async (lie, operation) => {
    const { liar, client, disk } = await start("block-guard");
    answered(disk.write(client.request(3, 1)));
    liar.lies.push(lie);
    const answer = answered(
      operation === "read" ? disk.read(client.request(3, null)) : disk.write(client.request(3, 1)),
    );
    expect(answer.getData()).toEqual(contents(3, 1));
    expect([liar.told, liar.restarts]).toEqual([1, lie === "spoilt request" ? 0 : 1]);
  });

  test.each<[Lie, "read" | "write", string]>([
    ["wrong data", "read", "Corrupt"],
    ["misplaced read", "read", "Corrupt"],
    ["no such block", "read", "Io"],
    ["failed", "write", "Io"],
  ])("%s in every %s: %s after restarts, and the next is asked again", async (lie, operation, error) => {
    const { liar, client, disk } = await start("block-guard");
    answered(disk.write(client.request(3, 1)));
    liar.lies.push(lie);
    liar.stubborn = true;
    const call = () => (operation === "read" ? disk.read(client.request(3, null)) : disk.write(client.request(3, 1)));
    expect(outcome(call())).toBe(error);
    expect(liar.restarts).toBe(2);
    liar.lies.length = 0;
    expect(outcome(call())).toBe("ok");
  });

  test.each<[Lie]>([["lost write"], ["misplaced write"], ["torn write"]])("%s: found when it is read", async (lie) => {
    const { liar, client, disk } = await start("block-guard");
    answered(disk.write(client.request(3, 1)));
    answered(disk.write(client.request(4, 1)));
    liar.lies.push(lie);
    expect(outcome(disk.write(client.request(3, 2)))).toBe("ok");
    expect(outcome(disk.read(client.request(3, null)))).toBe("Corrupt");
    expect(outcome(disk.read(client.request(4, null)))).toBe(lie === "misplaced write" ? "Corrupt" : "ok");
    expect(outcome(disk.write(client.request(3, 3)))).toBe("ok");
    expect(answered(disk.read(client.request(3, null))).getData()).toEqual(contents(3, 3));
  });

  test("damage on the disk itself is found", async () => {
    const { liar, client, disk } = await start("block-guard");
    liar.blocks[7]![100]! ^= 4;
    expect(outcome(disk.read(client.request(7, null)))).toBe("Corrupt");
  });

  test("after a write that failed, the block may hold what it held, or what was written", async () => {
    const { liar, client, disk } = await start("block-guard");
    answered(disk.write(client.request(3, 1)));
    for (const held of [1, 2]) {
      liar.lies.push("failed");
      liar.stubborn = true;
      expect(outcome(disk.write(client.request(3, 2)))).toBe("Io");
      liar.stubborn = false;
      liar.lies.length = 0;
      liar.blocks[3] = contents(3, held);
      expect(answered(disk.read(client.request(3, null))).getData()).toEqual(contents(3, held));
    }
    // What was read once is what it holds.
    liar.blocks[3] = contents(3, 1);
    expect(outcome(disk.read(client.request(3, null)))).toBe("Corrupt");
  });

  test("what no device has is refused, and a device that has it is not believed", async () => {
    const { liar, client, disk } = await start("block-guard");
    liar.blocks.push(new Uint8Array(4096));
    expect(disk.read(client.request(BLOCKS, null))).toEqual({ ok: false, error: "OutOfRange" });
    expect(liar.restarts).toBe(2);
  });
});

describe("in flight", () => {
  const LIES: Lie[] = [
    "wrong data",
    "misplaced read",
    "no such block",
    "failed",
    "spoilt request",
    "strange status",
    "strange tag",
    "hang",
  ];
  test.each(LIES)("%s: the client sees nothing of it", { timeout: 60_000 }, async (lie) => {
    const { liar, client } = await start("block-guard");
    for (let i = 0; i < 20; i++) client.plain();
    for (let i = 0; i < (lie === "hang" ? 1 : 20); i++) {
      client.submit(8);
      liar.lies.push(lie);
      client.drain();
    }
    client.verify();
    expect(client.errors).toBe(0);
    expect(liar.told).toBeGreaterThan(0);
    liar.freeHung();
  });

  test("a driver that hangs, before the plain shadow", { timeout: 60_000 }, async () => {
    const { liar, client } = await start("block-shadow");
    client.submit(8);
    liar.lies.push("hang");
    client.drain();
    expect(liar.restarts).toBe(1);
    client.verify();
    expect(client.errors).toBe(0);
    liar.freeHung();
  });

  test("a write waits for one of the same block, also read and write for those in flight", async () => {
    const { liar, client, disk } = await start("block-guard");
    const deque = client.deque();
    for (const version of [1, 2, null]) deque.push(client.request(5, version));
    const left = answered(disk.submit(deque));
    expect(left.length).toBe(2);
    // The plain read is answered after the write that was in flight.
    expect(answered(disk.read(client.request(5, null))).getData()).toEqual(contents(5, 1));
    const done = answered(disk.poll(client.deque()));
    expect(done.length).toBe(1);
    expect(answered(disk.submit(left)).length).toBe(1);
    expect(liar.restarts).toBe(0);
  });
});

test("against any mixture of lies, no wrong data reach the client", { timeout: 60_000 }, async () => {
  const { liar, client, disk } = await start("block-guard");
  const next = random(SEED);
  const LIES: Lie[] = ["wrong data", "lost write", "misplaced write", "torn write", "misplaced read", "no such block"];
  let [right, refused] = [0, 0];
  for (let i = 0; i < 3000; i++) {
    const block = next(BLOCKS);
    for (let lies = next(5); lies > 1; lies--) liar.lies.push(LIES[next(LIES.length)]!);
    if (next(2) === 0) {
      if (outcome(disk.write(client.request(block, i + 1))) === "ok") client.versions[block] = i + 1;
      else client.versions[block] = -1;
    } else {
      const answer = disk.read(client.request(block, null));
      const version = client.versions[block]!;
      if (answer.ok) {
        right++;
        if (version >= 0) expect(answer.value.getData(), `step ${i}, seed ${SEED}`).toEqual(contents(block, version));
        system.heap.free(answer.value.handle);
      } else refused++;
    }
    liar.lies.length = 0;
  }
  expect(right).toBeGreaterThan(100);
  expect(refused).toBeGreaterThan(10);
});

test("a driver that cannot be brought back: errors, in flight too; and service again when it can", async () => {
  const { client, disk } = await start("whole");
  for (let i = 0; i < 30; i++) client.plain();
  client.submit(8);
  system.kill("medium", "by the test");
  system.kill("ramdisk", "by the test");
  client.drain();
  expect(client.errors).toBe(client.done - 30);
  expect(outcome(disk.read(client.request(0, null)))).toBe("Io");
  expect(disk.flush()).toEqual({ ok: false, error: "Io" });
  system.restart("medium");
  // Its contents are gone, and that is noticed.
  const written = client.versions.findIndex((version) => version > 0);
  expect(outcome(disk.read(client.request(written, null)))).toBe("Corrupt");
  expect(outcome(disk.write(client.request(written, 1)))).toBe("ok");
  expect(outcome(disk.read(client.request(written, null)))).toBe("ok");
});
