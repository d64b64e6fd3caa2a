/**
 * The systems of the NVMe benchmark: load and driver on a model without waits, in the kernel's thread, or on a device.
 *
 * Invariant: each place of the driver has a system and a device of its own, and they differ in nothing else.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { defineSystem, type ResolvedDevice, type SystemManifest } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { DOMAIN_ROOTS } from "#tools/lib/paths.ts";
import { NvmeMode, type NvmeClient } from "../../build/gen/host/nvme.ts";
import { SteppedBackend } from "../../drivers/models/hosts/stepped.ts";
import type { Dma } from "../../drivers/models/model.ts";
import { QueueLoad, type Place } from "../lib/queue-load.ts";
import { MeteredBackend } from "./metered.ts";

/** What the model is asked to be: no waits anywhere, and blocks of the size that is transferred. */
export const MODEL = { readyMs: 0, mmioReadNs: 0, lbaBytes: 4096 } as const;
/** In memory it is as large as stays in the processor's caches: what memory can do is not the subject. */
export const MEMORY_BYTES = 4 << 20;
export const FILE_BYTES = 64 << 20;
const READY_MS = 10_000;
const MIB = 1 << 20;
const PAGE = 4096;

/**
 * A way to memory past the processor, as a real device's: once `hidden`, blocks that the device writes are one that
 * nobody looks at. Its completion queue is not concerned: it keeps views of rings that it has used.
 */
class Bypass {
  hidden = false;
  // Not shared: copies to shared memory go word by word.
  readonly #nowhere = new Uint8Array(PAGE);

  over(real: Dma): Dma {
    const hide = (bytes: number, write: boolean): boolean => this.hidden && write && bytes === PAGE;
    return {
      get epoch() {
        return real.epoch;
      },
      contiguous: true,
      view: (iova, bytes, write) => (hide(bytes, write) ? this.#nowhere : real.view(iova, bytes, write)),
    };
  }
}

/** A device that is no model of ours. */
export interface GivenDevice {
  /** As in a manifest: `vfio:BDF`, `vfio-user:PATH`. */
  readonly backend: string;
  /** The serial number of what may be overwritten, or null. */
  readonly destroy: string | null;
  make(entry: ResolvedDevice): DeviceBackend;
}

type DeviceEntry = Omit<NonNullable<SystemManifest["devices"]>[string], "arenas">;

function manifest(place: Place, device: DeviceEntry): SystemManifest {
  const arena = "dma";
  const pci = { domain: "pci", uses: { bus: "kernel.pci" } } as const;
  const driver = { domain: "nvme", uses: { slot: "pci.nvme" }, arena } as const;
  const load = (disk: string) => ({ domain: "queue-load", uses: { disk }, arena }) as const;
  const domains = {
    linked: {
      pci,
      // For the types of its interface alone.
      types: { domain: "null-block" },
      "load-linked": { domain: "nvme-linked", uses: { slot: "pci.nvme", types: "types.disk" }, arena },
    },
    domain: { pci, nvme: driver, "load-domain": load("nvme.disk") },
    shadow: {
      pci,
      nvme: driver,
      shadow: { domain: "block-shadow", uses: { disk: "nvme.disk", driver: "supervisor.nvme" }, arena },
      "load-shadow": load("shadow.disk"),
    },
  };
  return defineSystem({
    name: `nvme-${place}`,
    heap: { bytes: 48 * MIB, objects: 16_384, arenas: { [arena]: 32 * MIB } },
    devices: { nvme0: { ...device, arenas: [arena] } },
    domains: domains[place] as SystemManifest["domains"],
  });
}

export class NvmeSystem {
  readonly place: Place;
  readonly load: QueueLoad;
  readonly meter: MeteredBackend;
  readonly #system: System;

  private constructor(place: Place, system: System, meter: MeteredBackend) {
    this.place = place;
    this.#system = system;
    this.meter = meter;
    this.load = new QueueLoad(system, place);
  }

  /**
   * Boots it, and waits until the disk is ready. The driver polls: nothing waits for an interrupt.
   * @param medium "memory", the path of a file, or "nodata": memory again, but what is read is not moved
   * @throws Error when the controller does not come up
   */
  static async boot(place: Place, medium: string): Promise<NvmeSystem> {
    const file = medium === "memory" || medium === "nodata" ? "" : medium;
    // In memory a cache before the medium would be a second copy; on a file, each write without one is a sync.
    const bytes = file === "" ? MEMORY_BYTES : FILE_BYTES;
    const model = { ...MODEL, file, bytes, writeCache: file !== "" };
    const bypass = new Bypass();
    const make = ({ options = {} }: ResolvedDevice): DeviceBackend =>
      new SteppedBackend("nvme", options, { dma: (real) => bypass.over(real) });
    const it = await NvmeSystem.#boot(place, { backend: "model:nvme", options: model }, make, true);
    bypass.hidden = medium === "nodata";
    return it;
  }

  /** The same on a device that exists. @throws Error also when `destroy` is not its serial number */
  static async bootOn(place: Place, { backend, destroy, make }: GivenDevice): Promise<NvmeSystem> {
    const entry = { backend, ...(destroy === null ? {} : { writable: destroy }) };
    const it = await NvmeSystem.#boot(place, entry, make, false);
    const controller = it.#driver.controller();
    if (destroy === null || (controller.ok && controller.value.serial.trim() === destroy.trim())) return it;
    await it.stop();
    const found = controller.ok ? JSON.stringify(controller.value.serial.trim()) : "unknown";
    throw new Error(`--destroy ${destroy}: nothing was written, the serial number of ${backend} is ${found}`);
  }

  static async #boot(place: Place, entry: DeviceEntry, make: GivenDevice["make"], known: boolean): Promise<NvmeSystem> {
    const build = await buildSystem(manifest(place, entry), { roots: [...DOMAIN_ROOTS, "bench/domains"] });
    let meter: MeteredBackend | undefined;
    const devices = (device: ResolvedDevice): MeteredBackend => (meter = new MeteredBackend(make(device)));
    const system = await System.boot(build.system, { images: build.images, devices });
    const it = new NvmeSystem(place, system, meter!);
    try {
      await it.#whenReady(known);
      const configured = it.#driver.configure(1, 256, NvmeMode.Polling, 1000);
      if (!configured.ok) throw new Error(`the driver cannot be configured: ${JSON.stringify(configured)}`);
      await it.#whenReady(known);
      it.load.run({ operation: "read", pattern: "rand", depth: 32, batch: 32 }, 1024);
      return it;
    } catch (error) {
      await system.stop();
      throw error;
    }
  }

  get #driver(): NvmeClient {
    return this.#system.client<NvmeClient>(this.place === "linked" ? "load-linked.nvme" : "nvme.nvme");
  }

  async #whenReady(known: boolean): Promise<void> {
    const end = performance.now() + READY_MS;
    do {
      await sleep(5);
      if (this.load.open(known)) return;
    } while (performance.now() < end);
    throw new Error(`nvme-${this.place}: the controller is not ready after ${READY_MS} ms`);
  }

  /** What contradicts the ledger after all that was run. @throws Error */
  check(): void {
    const problems = this.#system.kernel.heap.check();
    if (problems.length > 0) throw new Error(`nvme-${this.place}: the heap is broken: ${problems.join("; ")}`);
  }

  stop(): Promise<void> {
    return this.#system.stop();
  }
}
