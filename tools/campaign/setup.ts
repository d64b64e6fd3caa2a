/**
 * The set-ups of the campaign: the same driver alone, behind the block shadow, and behind the integrity shadow.
 *
 * Owns a system in which the driver can be spoilt and put right again. Invariant: the medium is never spoilt but
 * through the driver; it is outside the fault model.
 */
import { KernelError } from "#kernel/errors.ts";
import { defineSystem, type SystemManifest } from "#kernel/manifest/manifest.ts";
import { AdmissionError } from "#kernel/wasm/errors.ts";
import { System, type DomainImage } from "#runtime/node/system.ts";
import type { BlockCheckClient } from "../../build/gen/host/block-check.ts";
import type { FaultInjectionClient } from "../../build/gen/host/fault-injection.ts";
import { buildSystem, type SystemBuild } from "../build/index.ts";
import { DOMAIN_ROOTS } from "../lib/paths.ts";

export const SETUPS = ["bare", "shadow", "guard"] as const;
export type SetUp = (typeof SETUPS)[number];

/** Of the disk; the client has as many. */
const BLOCKS = 64;
/** A driver that loops is stopped after that, each time it is tried. */
const DRIVER_SLICE_MS = 5;
const DRIVER = "ramdisk";
const LIAR = "lying-disk";

function manifest(setup: SetUp): SystemManifest {
  const front = setup === "bare" ? DRIVER : "front";
  const shadow = { uses: { disk: `${DRIVER}.disk`, driver: `supervisor.${DRIVER}` } };
  return defineSystem({
    name: `campaign-${setup}`,
    heap: { bytes: 16 << 20, objects: 4096 },
    domains: {
      medium: { domain: "medium", limits: { heapObjects: BLOCKS } },
      [DRIVER]: { domain: "ramdisk", uses: { medium: "medium.blocks" }, limits: { sliceMs: DRIVER_SLICE_MS } },
      // Never called: it is here to be built.
      liar: { domain: LIAR, uses: { medium: "medium.blocks" } },
      ...(setup === "bare" ? {} : { front: { domain: `block-${setup}`, ...shadow } }),
      check: { domain: "block-check", uses: { disk: `${front}.disk` } },
    },
  });
}

/** A running set-up. */
export class Rig {
  readonly setup: SetUp;
  readonly system: System;
  readonly check: BlockCheckClient;
  readonly orders: FaultInjectionClient;
  readonly #images: SystemBuild["images"];

  private constructor(setup: SetUp, system: System, images: SystemBuild["images"]) {
    this.setup = setup;
    this.system = system;
    this.#images = images;
    this.check = system.client<BlockCheckClient>("check.check");
    this.orders = system.client<FaultInjectionClient>(`${DRIVER}.faults`);
  }

  static build(setup: SetUp): Promise<SystemBuild> {
    return buildSystem(manifest(setup), { roots: [...DOMAIN_ROOTS, "test/domains"] });
  }

  static async boot(setup: SetUp, build: SystemBuild): Promise<Rig> {
    return new Rig(setup, await System.boot(build.system, { images: build.images }), build.images);
  }

  /** How many lives the driver has had. */
  get lives(): number {
    return this.system.kernel.domain(DRIVER).incarnation;
  }

  /** Whether those that are no target of the faults live. */
  get isWhole(): boolean {
    return this.system.domains().every((d) => d.name === DRIVER || d.state === "running");
  }

  get driverMemory(): Uint8Array {
    return new Uint8Array(this.system.kernel.domain(DRIVER).memory!.buffer);
  }

  bytes(image: "honest" | "lying"): Uint8Array {
    return this.#image(image).bytes;
  }

  #image(image: "honest" | "lying"): DomainImage {
    return this.#images.get(image === "honest" ? "ramdisk" : LIAR)!;
  }

  /** The driver as it should be, in the place of whatever is there. */
  putDriver(image: "honest" | "lying"): Promise<boolean> {
    return this.put(this.#image(image));
  }

  /** Puts a module in the driver's place. @returns false when it was refused, or died in its first code */
  async put(image: DomainImage): Promise<boolean> {
    try {
      await this.system.replace(DRIVER, image);
      return true;
    } catch (error) {
      const refused = error instanceof AdmissionError || error instanceof WebAssembly.CompileError;
      if (refused || (error instanceof KernelError && ["start", "instantiate", "link"].includes(error.code)))
        return false;
      throw error;
    }
  }

  restartDriver(): void {
    this.system.restart(DRIVER, "put right by the campaign");
  }
}
