/**
 * A system with the NVMe driver over the model, for tests: in this thread, with a time that is the test's where it says.
 *
 * Invariant: after each test the whole-heap checker finds nothing, with the device's objects counted.
 */
import { expect } from "vitest";
import { defineSystem, type SystemManifest } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { modelBackend, type ModelBackend } from "#drivers/models/backend.ts";
import type { BlockDeviceClient } from "../../build/gen/host/block-device.ts";
import type { NvmeClient } from "../../build/gen/host/nvme.ts";

const MIB = 1 << 20;
/** Without any delay: what a test waits for is then a matter of calls. */
export const QUICK = { readyMs: 0, mmioReadNs: 0, bytes: 4 * MIB };

/** `NvmeMode` and `NvmeState` of interfaces/nvme.ts. */
export const POLLING = 0 as const;
export const INTERRUPTS = 1 as const;
export const READY = 2;
export const STOPPED = 4;
export const FAILED = 5;

export type Options = Readonly<Record<string, string | number | boolean>>;

export interface NvmeLab {
  readonly system: System;
  readonly backend: ModelBackend;
  readonly disk: BlockDeviceClient;
  readonly nvme: NvmeClient;
  close(): Promise<void>;
}

/** The driver alone, or with others on top of it. */
export function manifestOf(domains: SystemManifest["domains"] = {}, options: Options = {}) {
  return defineSystem({
    name: "nvme",
    heap: { bytes: 24 * MIB, objects: 8192, arenas: { dma: 8 * MIB } },
    devices: { nvme0: { backend: "model:nvme", options, arenas: ["dma"] } },
    domains: {
      pci: { domain: "pci", uses: { bus: "kernel.pci" } },
      nvme: { domain: "nvme", arena: "dma", uses: { slot: "pci.nvme" } },
      ...domains,
    },
  });
}

export async function makeLab(options: Options = QUICK, domains: SystemManifest["domains"] = {}): Promise<NvmeLab> {
  const build = await buildSystem(manifestOf(domains, options));
  const generated = await import("../../build/gen/host/interfaces.ts");
  const backends: ModelBackend[] = [];
  const system = await System.boot(build.system, {
    images: build.images,
    records: generated.records,
    devices: (entry) => {
      const backend = modelBackend(entry.backend, { host: "stepped", ...entry.options });
      backends.push(backend);
      return backend;
    },
  });
  return {
    system,
    backend: backends[0]!,
    disk: system.client<BlockDeviceClient>("nvme.disk"),
    nvme: system.client<NvmeClient>("nvme.nvme"),
    async close() {
      expect(system.kernel.heap.check()).toEqual([]);
      await system.stop();
    },
  };
}

type Counters = (NvmeClient["counters"] extends () => infer R ? R : never) & { ok: true };

export function counters(lab: NvmeLab): Counters["value"] {
  const answer = lab.nvme.counters();
  if (!answer.ok) throw new Error(JSON.stringify(answer));
  return answer.value;
}

/** Waits until the driver is in a state. */
export async function reaches(lab: NvmeLab, state: number): Promise<void> {
  const end = performance.now() + 20_000;
  for (;;) {
    const answer = lab.nvme.state();
    if (answer.ok && answer.value.state === state) return;
    if (performance.now() > end) throw new Error(`state ${state} is not reached: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export const ready = (lab: NvmeLab): Promise<void> => reaches(lab, READY);
