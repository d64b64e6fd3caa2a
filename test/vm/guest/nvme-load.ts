/**
 * Runs in a guest: Samara with its NVMe driver on a real function of vfio-pci, under random reads and writes.
 *
 *     node test/vm/guest/nvme-load.ts BDF SERIAL CRASHES SEED
 *
 * Prints one JSON object, whose `versions` tell what each block holds now (test/recovery/disk.ts). Whatever does not
 * hold is an exception.
 */
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { buildNative } from "#tools/native/build.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { openVfio } from "#drivers/vfio/vfio.ts";
import type { BlockDeviceClient } from "../../../build/gen/host/block-device.ts";
import type { NvmeClient } from "../../../build/gen/host/nvme.ts";
import { answered, ModelClient, random, type Records } from "../../recovery/disk.ts";

const MIB = 1 << 20;
const BLOCKS = 96;
const ROUNDS = 12;
/** `NvmeMode` and `NvmeState` of interfaces/nvme.ts. */
const POLLING = 0 as const;
const INTERRUPTS = 1 as const;
const READY = 2;
/** Emulated processors are slow: nothing that is slow here may be taken for a failure. */
const PATIENCE_MS = 30_000;
const limits = { sliceMs: PATIENCE_MS };

const [bdf, serial, crashes, seed] = process.argv.slice(2);
const build = await buildSystem(
  defineSystem({
    name: "nvme-load",
    heap: { bytes: 24 * MIB, objects: 8192, arenas: { dma: 8 * MIB } },
    devices: { nvme0: { backend: `vfio:${bdf}`, arenas: ["dma"], writable: serial! } },
    domains: {
      pci: { domain: "pci", uses: { bus: "kernel.pci" }, limits },
      nvme: { domain: "nvme", arena: "dma", uses: { slot: "pci.nvme" }, limits },
      shadow: {
        domain: "block-shadow",
        arena: "dma",
        uses: { disk: "nvme.disk", driver: "supervisor.nvme" },
        limits,
      },
    },
  }),
);
const generated = await import("../../../build/gen/host/interfaces.ts");
const records = (await import("../../../build/gen/host/block-device.ts")) as Records;
const system = await System.boot(build.system, {
  images: build.images,
  records: generated.records,
  devices: () => openVfio(loadNative(buildNative()), bdf!),
});
system.heap.useArena("dma");
const nvme = system.client<NvmeClient>("nvme.nvme");
const disk = system.client<BlockDeviceClient>("shadow.disk");
const next = random(Number(seed) ^ 0x5bd1e995);
const one = new ModelClient(system, records, "shadow.disk", BLOCKS, random(Number(seed)));
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

async function ready(): Promise<void> {
  for (const end = Date.now() + PATIENCE_MS; ;) {
    const answer = nvme.state();
    if (answer.ok && answer.value.state === READY) return;
    if (Date.now() > end) throw new Error(`the driver is not ready: ${JSON.stringify(answer)}`);
    await turn();
  }
}

/** Reads and writes, mostly with many requests in flight. */
async function work(rounds: number): Promise<void> {
  for (let i = 0; i < rounds; i++) {
    one.submit();
    if (next(4) === 0) one.plain();
    await turn();
    one.poll();
  }
}

async function configured(mode: 0 | 1, queues: number, entries: number): Promise<void> {
  one.drain();
  answered(nvme.configure(queues, entries, mode, PATIENCE_MS));
  await ready();
}

await ready();
const { model } = answered(nvme.controller());
const { blocks, blockBytes } = answered(nvme.namespace());
await configured(INTERRUPTS, 2, 64);
await work(ROUNDS);
one.drain();
const { interrupts } = answered(nvme.counters());
await configured(POLLING, 4, 16);
await work(ROUNDS);
one.drain();
one.verify();
const polled = answered(nvme.counters());
answered(disk.flush());
const calm = { faults: system.faults.length, done: one.done };

/** Until this many requests came back: a shadow gives a driver up that dies again and again without an answer. */
async function answers(count: number): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  for (const enough = one.done + count; one.done < enough; ) {
    await work(1);
    if (Date.now() > end) throw new Error(`only ${one.done} of ${enough} requests came back`);
  }
}

for (let i = 0; i < Number(crashes); i++) {
  await answers(10);
  one.submit();
  system.crash("nvme", "by the test, in mid-load");
}
await answers(10);
one.drain();
one.verify();
answered(disk.flush());
answered(nvme.shutdown());
await turn();
const faults = system.faults.map(({ domain }) => domain);
const problems = [...system.kernel.heap.check(), ...system.kernel.devices.check()];
const reports = system.deviceReports.map(({ kind }) => kind);
const { errors, done, versions } = one;
await system.stop();
const result = { model: model.trim(), bytes: Number(blocks) * blockBytes, interrupts, polled: polled.interrupts };
process.stdout.write(
  `${JSON.stringify({ ...result, lies: polled.lies, calm, errors, done, faults, problems, reports, versions })}\n`,
);
