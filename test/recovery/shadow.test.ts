/**
 * The block shadows, the plain and the integrity one: whatever happens to the driver, clients see no
 * error, and every acknowledged write is read back.
 *
 * The driver crashes at random fault points: on entry, between the halves of a copy, after it, in submit and in poll.
 * `SAMARA_RECOVERY_CRASHES` sets how often, `SAMARA_SEED` repeats a run.
 */
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, type SystemBuild } from "#tools/build/index.ts";
import {
  answered,
  ModelClient,
  random,
  type BlockDeviceClient,
  type FaultInjectionClient,
  type Records,
} from "./disk.ts";

const CRASHES = Number(process.env["SAMARA_RECOVERY_CRASHES"] ?? 1000);
const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
const BLOCKS = 200;
/** Fault points that a call with a batch of requests passes, about. */
const POINTS = 40;

const manifest = (domain: string) =>
  defineSystem({
    name: "shadow",
    heap: { bytes: 16 << 20, objects: 4096 },
    domains: {
      medium: { domain: "medium", limits: { heapObjects: BLOCKS } },
      ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
      shadow: { domain, uses: { disk: "ramdisk.disk", driver: "supervisor.ramdisk" } },
    },
  });

let records: Records;
let system: System;
let client: ModelClient;
let faults: FaultInjectionClient;
beforeAll(async () => {
  await buildSystem(manifest("block-shadow"));
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
});
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});

const deaths = (): number => system.domains().find((d) => d.name === "ramdisk")!.faults;

describe.each(["block-shadow", "block-guard"])("%s", (domain) => {
  beforeEach(async () => {
    const build: SystemBuild = await buildSystem(manifest(domain));
    const generated = await import("../../build/gen/host/interfaces.ts");
    system = await System.boot(build.system, { images: build.images, records: generated.records });
    client = new ModelClient(system, records, "shadow.disk", BLOCKS, random(SEED));
    faults = system.client<FaultInjectionClient>("ramdisk.faults");
  });

  test(`${CRASHES} crashes at random points: every acknowledged write is read back`, { timeout: 300_000 }, () => {
    const next = random(SEED ^ 0x5bd1e995);
    const objects = system.kernel.heap.live;
    const where = (): string => `seed ${SEED}, after ${deaths()} crashes`;
    let steps = 0;
    try {
      while (deaths() < CRASHES) {
        if (steps++ % 2 === 0) answered(faults.arm(1 + next(POINTS)));
        const way = next(4);
        if (way === 0) client.submit();
        else if (way === 1) client.poll();
        else client.plain();
        if (steps % 64 === 0) expect(system.kernel.heap.check(), where()).toEqual([]);
      }
      answered(faults.arm(0));
      client.drain();
      client.verify();
    } catch (error) {
      throw new Error(`${where()}: ${(error as Error).message}`, { cause: error });
    }
    expect(client.errors).toBe(0);
    // Nothing is left but the medium's blocks and the deques of the shadow, some of them made anew.
    expect(system.kernel.heap.live).toBe(objects);
    process.stdout.write(`seed ${SEED}: ${deaths()} crashes in ${client.done} requests\n`);
  });

  describe("a driver that is", () => {
    test("killed and restarted by somebody else: what it had is done again", () => {
      client.submit();
      expect(client.inFlight.size).toBeGreaterThan(0);
      system.kill("ramdisk", "by the test");
      system.restart("ramdisk");
      client.drain();
      client.verify();
      expect(client.errors).toBe(0);
    });

    test("dead when it is called is brought back, whatever the call", () => {
      const disk = system.client<BlockDeviceClient>("shadow.disk");
      const calls: [string, () => void][] = [
        ["plain", () => client.plain()],
        ["submit", () => client.submit()],
        ["poll", () => client.poll()],
        ["flush", () => answered(disk.flush())],
        ["capacity", () => expect(answered(disk.capacity())).toBe(BigInt(BLOCKS))],
      ];
      for (const [name, call] of calls) {
        system.kill("ramdisk", `before ${name}`);
        call();
        // Poll has nothing to ask for when nothing is in flight, and the guard knows how large the disk is.
        const asks = name === "poll" ? client.inFlight.size > 0 : name !== "capacity" || domain === "block-shadow";
        if (asks) expect(system.domains().find((d) => d.name === "ramdisk")!.state, name).toBe("running");
      }
      client.drain();
      client.verify();
      expect(client.errors).toBe(0);
    });
  });

  test("errors of the device are the client's, and no reason to restart it", () => {
    const disk = system.client<BlockDeviceClient>("shadow.disk");
    expect(disk.read(client.request(BLOCKS, null))).toEqual({ ok: false, error: "OutOfRange" });
    expect(disk.write(client.request(BLOCKS, 1))).toEqual({ ok: false, error: "OutOfRange" });
    const deque = client.deque();
    deque.push(client.request(BLOCKS, null));
    const strange = client.request(3, null);
    strange.operation = 77 as never;
    deque.push(strange);
    system.heap.free(answered(disk.submit(deque)).handle);
    const done = answered(disk.poll(client.deque()));
    const back = [done.pop()!, done.pop()!];
    expect(back.map((r) => [Number(r.block), r.operation, r.status])).toEqual([
      [BLOCKS, 0, 2],
      [3, 77, 4],
    ]);
    for (const object of [...back, done]) system.heap.free(object.handle);
    expect(answered(disk.statistics())).toEqual({ reads: 0n, writes: 0n, errors: 4n });
    expect(deaths()).toBe(0);
  });

  test("128 requests are in flight, no more; the others stay with the client", () => {
    const disk = system.client<BlockDeviceClient>("shadow.disk");
    const left: number[] = [];
    for (let batch = 0; batch < 5; batch++) {
      const deque = client.deque();
      for (let i = 0; i < 32; i++) deque.push(client.request(batch * 32 + i, null));
      const back = answered(disk.submit(deque));
      left.push(back.length);
      system.heap.free(back.handle);
    }
    expect(left).toEqual([0, 0, 0, 0, 32]);
    system.kill("ramdisk", "with 128 in flight");
    const seen = new Set<number>();
    for (let polls = 0; seen.size < 128 && polls < 100; polls++) {
      const done = answered(disk.poll(client.deque()));
      for (let request = done.pop(); request !== null; request = done.pop()) {
        expect(request.status).toBe(0);
        seen.add(Number(request.block));
        system.heap.free(request.handle);
      }
      system.heap.free(done.handle);
    }
    expect(seen.size).toBe(128);
  });
});
