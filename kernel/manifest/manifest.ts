/**
 * What a domain is and what a system consists of: the types of `domain.ts` and `systems/*.ts`.
 *
 * Manifests are programs of their author's, so nothing here trusts their static types; `validate.ts` checks the values.
 * Invariant: a `ResolvedSystem` exists only when every name in it resolves, every interface agrees and every limit is
 * in range, so that the linker needs no checks of its own.
 */
import type { Model } from "../interface/model.ts";

/** What one domain may consume. All optional: see `DEFAULT_LIMITS`. */
export interface Limits {
  /** Private memory, in pages of 64 KiB. */
  readonly memoryPages?: number;
  /** Exchange heap: bytes of blocks, and objects, charged to the domain. */
  readonly heapBytes?: number;
  readonly heapObjects?: number;
  /** Time that one entry may take without the calls it makes, in milliseconds. */
  readonly sliceMs?: number;
  /**
   * Time that one entry may take with the calls it makes, in milliseconds, if it makes ever new ones: nobody else runs
   * as long. Default: ten slices.
   */
  readonly entryMs?: number;
  /** Threads at once: async calls that have not ended, and threads that it spawned. More than 1: see `runtime`. */
  readonly threads?: number;
  /** Domains that it may have created at once; with `kernel.domains` only. Their limits are taken from its own. */
  readonly domains?: number;
}

/** `domains/NAME/domain.ts`: what a domain offers and needs. Names are the author's; values name interfaces. */
export interface DomainDescriptor {
  readonly description: string;
  /** Objects that the domain provides; those of one interface are `self` 0, 1, … in this order. */
  readonly provides?: Readonly<Record<string, string>>;
  /** Capabilities that the system must grant to it, under these names. */
  readonly uses?: Readonly<Record<string, string>>;
  readonly limits?: Limits;
  /**
   * AssemblyScript runtime: `incremental` collects garbage; `stub` never frees. Default incremental.
   * With more than one thread it must be `stub`: a collector does not survive two suspended stacks.
   */
  readonly runtime?: "incremental" | "minimal" | "stub";
}

/** `systems/NAME.ts`: who exists, in start order, and what each may reach. */
export interface SystemManifest {
  readonly name: string;
  readonly description?: string;
  /**
   * Size of the exchange heap in bytes (at most 2 GiB) and of its ledger in objects. `arenas`: parts of it that devices
   * can reach, in bytes by name; the rest is the general arena.
   */
  readonly heap: {
    readonly bytes: number;
    readonly objects: number;
    readonly arenas?: Readonly<Record<string, number>>;
  };
  /** Devices, by name: `kernel.pci` has them in this order. */
  readonly devices?: Readonly<Record<string, DeviceEntry>>;
  readonly domains: Readonly<Record<string, DomainEntry>>;
}

/** A device, and what it may reach. */
export interface DeviceEntry {
  /** Kind of back end, and which: "model:nvme", "vfio:0000:00:04.0", "vfio-user:/path/of.sock". */
  readonly backend: string;
  /** For the back end; it says which it knows. */
  readonly options?: Readonly<Record<string, string | number | boolean>>;
  /** The arenas of the exchange heap that it may read and write; its rings lie in the first. */
  readonly arenas: readonly string[];
  /** Serial number of a real device that may be written to. */
  readonly writable?: string;
}

/** When a dead domain is started again: after a fault, or also after it was killed. */
export type RestartPolicy = "never" | "on-fault" | "always";

/**
 * How a domain is restarted. The first restart within `withinMs` is immediate; the next ones wait `backoffMs`, then
 * twice as long each time, at most `maxBackoffMs`; after `limit` of them the domain stays dead.
 */
export interface Restart {
  readonly policy: RestartPolicy;
  readonly backoffMs?: number;
  readonly maxBackoffMs?: number;
  readonly limit?: number;
  readonly withinMs?: number;
}

export interface DomainEntry {
  /** Folder name under domains/. One domain can run under several names. */
  readonly domain: string;
  /**
   * Name in the descriptor's `uses` → `"provider.object"`. Built in are `kernel` and `host`, and `supervisor.NAME`: the
   * right to watch, restart and end the domain of that name.
   */
  readonly uses?: Readonly<Record<string, string>>;
  readonly limits?: Limits;
  /** Arena of the exchange heap where the objects that it creates lie; default: the general one. */
  readonly arena?: string;
  /** Default: never. */
  readonly restart?: RestartPolicy | Restart;
}

/** Objects that are not a domain's: provider name → object name → interface. */
export type Builtins = Readonly<Record<string, Readonly<Record<string, string>>>>;

export interface ProvidedObject {
  readonly name: string;
  readonly interface: string;
  readonly self: number;
}

export interface ResolvedUse {
  /** The name under which the domain asks for it. */
  readonly name: string;
  readonly interface: string;
  /** Instance name of the provider, or a built-in one; name of its object, and which of that interface it is. */
  readonly provider: string;
  readonly object: string;
  readonly self: number;
  /** Of a domain that was created: the provider is that instance and no later one of its name. */
  readonly generation?: number;
}

export interface ResolvedDomain {
  readonly name: string;
  readonly domain: string;
  readonly limits: Required<Limits>;
  /** Absent: the general one. */
  readonly arena?: string;
  readonly provides: readonly ProvidedObject[];
  readonly uses: readonly ResolvedUse[];
  /** Absent: never. */
  readonly restart?: Required<Restart>;
}

/** A part of the exchange heap that devices can reach: a number of bytes in whole pages of 64 KiB. */
export interface ResolvedArena {
  readonly name: string;
  readonly bytes: number;
}

export interface ResolvedDevice extends DeviceEntry {
  readonly name: string;
}

export interface ResolvedSystem {
  readonly name: string;
  readonly heap: { readonly bytes: number; readonly objects: number; readonly arenas?: readonly ResolvedArena[] };
  /** In the manifest's order. */
  readonly devices?: readonly ResolvedDevice[];
  /** Providers before those who use them, otherwise in the manifest's order; also the order of `Lifecycle` objects. */
  readonly domains: readonly ResolvedDomain[];
  readonly model: Model;
}

/** What a system without other built-ins of its own can reach: the kernel's and the host's services. */
export const DEFAULT_BUILTINS: Builtins = {
  kernel: { system: "System", domains: "Domains", pci: "PciBus" },
  host: { console: "Console" },
};

export const DEFAULT_LIMITS: Required<Limits> = {
  memoryPages: 256,
  heapBytes: 16 * 1024 * 1024,
  heapObjects: 16_384,
  sliceMs: 100,
  entryMs: 1000,
  threads: 1,
  domains: 16,
};

/** The default of `entryMs`, in slices. */
export const ENTRY_SLICES = 10;

/** The built-in provider that has one object of the interface `Lifecycle` for each domain, under the domain's name. */
export const SUPERVISOR = "supervisor";
export const LIFECYCLE = "Lifecycle";
/** The interfaces of `kernel.pci` and of the devices on it. */
export const PCI_BUS = "PciBus";
export const PCI_DEVICE = "PciDevice";
/** The interface of `kernel.domains`: each domain that is granted it gets an object of its own. */
export const DOMAINS = "Domains";

export const DEFAULT_RESTART: Required<Restart> = {
  policy: "never",
  backoffMs: 10,
  maxBackoffMs: 1000,
  limit: 10,
  withinMs: 10_000,
};

/** Every problem of a manifest or descriptor, one a line, each with its path. */
export class ManifestError extends Error {
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(problems.join("\n"));
    this.name = "ManifestError";
    this.problems = problems;
  }
}

/** Gives a descriptor its type; does nothing else. */
export function defineDomain(descriptor: DomainDescriptor): DomainDescriptor {
  return descriptor;
}

/** Gives a manifest its type; does nothing else. */
export function defineSystem(manifest: SystemManifest): SystemManifest {
  return manifest;
}
