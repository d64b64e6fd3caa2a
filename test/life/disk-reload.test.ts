/**
 * The RAM disk is replaced under load: its driver with requests in flight, and the medium that holds the blocks.
 *
 * A client that knows what every block must hold goes on meanwhile: no request is lost, or comes back twice, and every
 * acknowledged write is read back. `SAMARA_SEED` repeats a run.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, type SystemBuild } from "#tools/build/index.ts";
import { answered, ModelClient, random, type BlockDeviceClient, type Records } from "../recovery/disk.ts";

const SEED = Number(process.env["SAMARA_SEED"] ?? 1);
const BLOCKS = 200;
const MANIFEST = defineSystem({
  name: "disk-reload",
  heap: { bytes: 16 << 20, objects: 4096 },
  domains: {
    medium: { domain: "medium", limits: { heapObjects: BLOCKS } },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
  },
});

let build: SystemBuild;
let system: System;
let client: ModelClient;
beforeEach(async () => {
  build = await buildSystem(MANIFEST);
  const { records } = await import("../../build/gen/host/interfaces.ts");
  const blocks = (await import("../../build/gen/host/block-device.ts")) as Records;
  system = await System.boot(build.system, { images: build.images, records });
  client = new ModelClient(system, blocks, "ramdisk.disk", BLOCKS, random(SEED));
});
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});
const replace = (name: string): Promise<boolean> => system.replace(name, build.images.get(name)!);
const objects = (name: string): number => system.domains().find((d) => d.name === name)!.objects;

test("the driver and the medium, 60 times, with requests in flight", async () => {
  const next = random(SEED + 1);
  for (let round = 0; round < 60; round++) {
    for (let i = 0; i < 5; i++) client.plain();
    for (let i = next(4); i >= 0; i--) client.submit();
    if (next(2) === 0) client.poll();
    expect(await replace(next(3) === 0 ? "medium" : "ramdisk"), `seed ${SEED}, round ${round}`).toBe(true);
  }
  expect(client.inFlight.size).toBeGreaterThan(0);
  client.drain();
  client.verify();
  expect({ errors: client.errors, faults: system.faults }).toEqual({ errors: 0, faults: [] });
  expect([objects("medium"), objects("ramdisk")]).toEqual([BLOCKS, 0]);
});

test("counters carry over, and start anew with a restart", async () => {
  const disk = system.client<BlockDeviceClient>("ramdisk.disk");
  client.verify();
  await replace("ramdisk");
  expect(answered(disk.statistics()).reads).toBe(BigInt(BLOCKS));
  system.restart("ramdisk");
  expect(answered(disk.statistics()).reads).toBe(0n);
});

test("a medium that is replaced keeps its size and contents; one that is restarted is empty, and as large", async () => {
  for (let i = 0; i < 100; i++) client.plain();
  await replace("medium");
  client.verify();
  system.restart("medium");
  expect(objects("medium")).toBe(BLOCKS);
  client.versions.fill(0);
  client.verify();
});
