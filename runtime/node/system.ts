/**
 * A running system: the kernel, hosted by Node, with every domain of a manifest loaded and started.
 *
 * This is the embedding API: programs and tests boot a system and call any domain through its typed client. It owns the
 * watchdog thread and the disk cache of lowered modules; `stop` ends both.
 */
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Domain } from "../../kernel/domain/domain.ts";
import type { FaultReport } from "../../kernel/domain/fault.ts";
import { targetOf } from "../../kernel/domain/imports.ts";
import { KernelError } from "../../kernel/errors.ts";
import { Marshal, type HostClient } from "../../kernel/host/marshal.ts";
import { HostHeap, HostObject } from "../../kernel/host/object.ts";
import { HOST_BUFFERS } from "../../kernel/domain/instantiate.ts";
import type { DomainInfo } from "../../kernel/domain/info.ts";
import { Kernel } from "../../kernel/kernel.ts";
import type { DeviceInfo } from "../../kernel/device/device.ts";
import type { DeviceReport } from "../../kernel/device/devices.ts";
import {
  DEFAULT_RESTART,
  DOMAINS,
  LIFECYCLE,
  PCI_BUS,
  type ProvidedObject,
  type ResolvedSystem,
} from "../../kernel/manifest/manifest.ts";
import type { Ablation } from "../../kernel/proxy/generate.ts";
import type { GraphEdge } from "../../kernel/capability/graph.ts";
import type { EdgeInfo } from "../../kernel/proxy/link.ts";
import type { Budgets } from "../../kernel/thread/budget.ts";
import type { TraceEntry } from "../../kernel/trace/trace.ts";
import { FIRST_HANDLE } from "../../shared-heap/layout.ts";
import { processBudgets } from "./budgets.ts";
import { attachDevices, pciBusService, type DeviceFactory } from "./devices.ts";
import { domainsService } from "./domains.ts";
import { lifecycleService } from "./lifecycle.ts";
import { Symbols } from "./symbols.ts";
import { Watchdog } from "./watchdog.ts";

/** A built domain: its module and, when the compiler wrote one, the text of its source map. */
export interface DomainImage {
  readonly bytes: Uint8Array;
  readonly sourceMap?: string;
}

export type {
  DeviceFactory,
  DeviceInfo,
  DeviceReport,
  DomainInfo,
  EdgeInfo,
  FaultReport,
  GraphEdge,
  ResolvedSystem,
  TraceEntry,
};

export type RecordClass = new (heap: HostHeap, handle: number) => HostObject;

export interface BootOptions {
  /** Images by domain folder name (`ResolvedDomain.domain`). */
  readonly images: ReadonlyMap<string, DomainImage>;
  /** Generated record classes by type name, so that results arrive typed. */
  readonly records?: Readonly<Record<string, RecordClass>>;
  /** Directory for lowered modules; none: nothing is kept between runs. */
  readonly cacheDir?: string;
  readonly onFault?: (report: FaultReport) => void;
  /** Makes the back end of each device of the manifest, before any domain is loaded. */
  readonly devices?: DeviceFactory;
  readonly onDevice?: (report: DeviceReport) => void;
  /** Of threads and memories, instead of the process's own. */
  readonly budgets?: Budgets;
  /** A wait was refused that would never have ended; `ring` names the threads that would have waited. */
  readonly onDeadlock?: (ring: string) => void;
  /** For debuggers: the URL of a module's source map (text as the compiler wrote it), given how lowering moved code. */
  readonly sourceMapUrl?: (sourceMap: string, offsets: Uint32Array) => string;
  /** The crossing laboratory: checks that proxies leave out. */
  readonly omit?: ReadonlySet<Ablation>;
  readonly elide?: boolean;
}

export interface Statistics {
  /** Of the exchange heap, with what it has room for. */
  readonly bytes: number;
  readonly objects: number;
  readonly limits: { readonly bytes: number; readonly objects: number };
  /** Between domains, since boot; of edges that still exist. */
  readonly calls: number;
  readonly cpuMs: number;
  /** The part of it that was not found in a domain: the host program's, the kernel's, and what samples miss. */
  readonly hostMs: number;
  readonly uptimeMs: number;
}

/** As interfaces/closing.ts. */
const CLOSING = "Closing";
interface Closing {
  close(): unknown;
}

/** A service of this program: objects that implement an interface, in the order of their `self` numbers. */
export type Service = readonly Record<string, Function>[];

export class System {
  readonly kernel: Kernel;
  readonly manifest: ResolvedSystem;
  readonly heap: HostHeap;
  /** Everything that died, oldest first (the last 1,000). */
  readonly faults: FaultReport[] = [];
  /** What happened to devices, oldest first (the last 1,000). */
  readonly deviceReports: DeviceReport[] = [];
  readonly #options: BootOptions;
  readonly #marshal: Marshal;
  readonly #symbols = new Symbols();
  /** By the module that they are of. */
  readonly #sourceMaps = new WeakMap<Uint8Array, string>();
  readonly #watchdog: Watchdog;
  readonly #cpuMicrosAtBoot = threadCpuMicros();
  #stopped = false;

  /** Makes the kernel; no domain yet. `serve` what the manifest expects of the host, then `start`. */
  constructor(manifest: ResolvedSystem, options: BootOptions) {
    this.manifest = manifest;
    this.#options = options;
    // Traps at the end of a long call chain must name its first frames too.
    Error.stackTraceLimit = Math.max(Error.stackTraceLimit, 50);
    this.kernel = new Kernel({
      model: manifest.model,
      heapBytes: manifest.heap.bytes,
      objects: manifest.heap.objects,
      arenas: manifest.heap.arenas ?? [],
      budgets: options.budgets ?? processBudgets,
      ...(options.omit === undefined ? {} : { omit: options.omit }),
      ...(options.elide === undefined ? {} : { elide: options.elide }),
      host: {
        cpuMicros: threadCpuMicros,
        now: () => performance.now(),
        after,
        turn: (call) => void setImmediate(call),
        onDeadlock: (ring) => options.onDeadlock?.(ring),
        onFault: (report) => this.#onFault(report),
        onDevice: (report) => {
          keep(this.deviceReports, report);
          options.onDevice?.(report);
        },
        locate: (domain, offset) => this.#symbols.locate(domain, offset),
        sourceMapUrl: (original, offsets) => this.#sourceMapUrl(original, offsets),
        ...(options.cacheDir === undefined ? {} : { cache: diskCache(options.cacheDir) }),
      },
    });
    this.heap = new HostHeap(this.kernel);
    this.#marshal = new Marshal(
      this.kernel,
      { object: (type, handle) => this.#wrapObject(type, handle), client: (name, cap) => this.#wrapClient(name, cap) },
      HOST_BUFFERS,
    );
    const names = manifest.domains.map((d) => d.name);
    if (LIFECYCLE in manifest.model.interfaces) this.serve(LIFECYCLE, lifecycleService(this, names));
    if (PCI_BUS in manifest.model.interfaces) this.serve(PCI_BUS, pciBusService(this.kernel));
    if (DOMAINS in manifest.model.interfaces) this.#serve(DOMAINS, domainsService(this.kernel, names));
    this.#watchdog = new Watchdog(
      this.kernel.ledgerMemory.buffer as unknown as SharedArrayBuffer,
      this.kernel.trace.ms,
    );
  }

  /** Boots a manifest in one step. @throws AdmissionError, KernelError */
  static async boot(
    manifest: ResolvedSystem,
    options: BootOptions,
    services: Readonly<Record<string, Service>> = {},
  ): Promise<System> {
    const system = new System(manifest, options);
    try {
      for (const [name, service] of Object.entries(services)) system.serve(name, service);
      await system.start();
    } catch (error) {
      await system.stop();
      throw error;
    }
    return system;
  }

  /**
   * Loads all domains, then initialises each, then runs each one's `main`, in start order. One that dies in its first
   * code ends the boot, unless it is to be restarted.
   */
  async start(): Promise<void> {
    await attachDevices(this, this.#options.devices);
    const domains = [];
    for (const entry of this.manifest.domains) {
      const image = this.#options.images.get(entry.domain);
      if (image === undefined)
        throw new KernelError("link", `${entry.name}: no image of domain ${entry.domain} was given`);
      this.#keepSourceMap(image);
      if (image.sourceMap !== undefined) this.#symbols.add(entry.name, image.sourceMap);
      domains.push(await this.kernel.load(entry, image.bytes));
    }
    await this.#watchdog.ready;
    // The first code of another one may have ended or restarted it already.
    for (const domain of domains)
      if (domain.state === "loaded" && domain.incarnation === 1) tolerate(domain, () => this.kernel.init(domain));
    for (const domain of domains) if (domain.state === "loaded") tolerate(domain, () => this.kernel.start(domain));
  }

  /** Implements an interface in this program. Domains reach it where the manifest grants `host.…` or `kernel.…`. */
  serve(interfaceName: string, service: Service): void {
    this.#serve(interfaceName, (self) => service[self]!);
  }

  #serve(interfaceName: string, object: (self: number) => Record<string, Function>): void {
    this.kernel.serve(this.#marshal.service(this.#interface(interfaceName), object));
  }

  /**
   * A typed client for an object that a domain provides.
   * @param path `domain.object`, as in a manifest's `uses`
   * @throws KernelError (unknown-domain, unknown-capability)
   */
  client<T>(path: string): T {
    if (this.#stopped) throw new KernelError("closed", "the system was stopped");
    const [name = "", object = ""] = path.split(".");
    const domain = this.kernel.domain(name);
    const provided = domain.entry.provides.find((p) => p.name === object);
    if (provided === undefined) {
      const names = domain.entry.provides.map((p) => `${name}.${p.name}`).join(", ");
      throw new KernelError("unknown-capability", `${path}: ${name} provides ${names || "nothing"}`);
    }
    return this.#clientOf(domain, provided) as T;
  }

  #clientOf(domain: Domain, { interface: name, self }: ProvidedObject): HostClient {
    const number = this.kernel.linker.grant(this.kernel.hostDomain, targetOf(domain, name, self));
    if (number < FIRST_HANDLE) throw new KernelError("limit", `${domain.name}: the host holds too many capabilities`);
    return this.#wrapClient(name, number);
  }

  devices(): DeviceInfo[] {
    return this.kernel.devices.info();
  }

  domains(): DomainInfo[] {
    return this.kernel.domains();
  }

  /** Who can call whom, and how often they did. */
  edges(): EdgeInfo[] {
    return this.kernel.linker.edges();
  }

  /** Who may call whom, by which right. */
  graph(): GraphEdge[] {
    return this.kernel.graph();
  }

  /** What the system as a whole uses and has used since boot; of CPU time, this thread's. */
  statistics(): Statistics {
    const { objects, bytes } = this.kernel.heap.statistics();
    const calls = this.edges().reduce((sum, edge) => sum + edge.calls, 0);
    const domainsMs = this.domains().reduce((sum, domain) => sum + domain.cpuMs, 0);
    const cpuMs = (threadCpuMicros() - this.#cpuMicrosAtBoot) / 1000;
    const { heap } = this.manifest;
    const limits = { bytes: heap.bytes, objects: heap.objects };
    return {
      bytes,
      objects,
      limits,
      calls,
      cpuMs,
      hostMs: Math.max(0, cpuMs - domainsMs),
      uptimeMs: this.kernel.trace.ms,
    };
  }

  /** The last calls of a domain, calls into it, and what the kernel did with it, oldest first; see `Trace.read`. */
  trace(name: string, limit = 100, since?: number): TraceEntry[] {
    return this.kernel.trace.read(this.kernel.domain(name), limit, since);
  }

  kill(name: string, why?: string): void {
    this.kernel.kill(this.kernel.domain(name), why);
  }

  /** Ends a domain as a trap of its own would; restart policies treat it as one. */
  crash(name: string, why?: string): void {
    this.kernel.crash(this.kernel.domain(name), why);
  }

  /** Begins the next life of a domain; see `Kernel.restart`. */
  restart(name: string, why?: string): boolean {
    return this.kernel.restart(this.kernel.domain(name), why);
  }

  /**
   * Puts a new build in the place of a running domain's; see `Kernel.replace`.
   * @throws AdmissionError, KernelError: the old version goes on, or runs again from its first state
   */
  async replace(name: string, image: DomainImage): Promise<boolean> {
    this.#keepSourceMap(image);
    const handedOver = await this.kernel.replace(this.kernel.domain(name), image.bytes);
    if (image.sourceMap !== undefined) this.#symbols.add(name, image.sourceMap);
    return handedOver;
  }

  /**
   * Ends every domain, last started first, those that provide a `Closing` after its call; then no device reaches the
   * heap any more, and the watchdog ends.
   */
  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.kernel.stop();
    for (const { name } of this.kernel.domains().toReversed()) {
      // Children go with their creator.
      const domain = this.kernel.provider(name);
      if (domain?.alive === true) this.#end(domain);
    }
    // Suspended stacks unwind in turns of the loop.
    const unwound = (): boolean => this.kernel.domains().every((d) => d.threads === 0);
    for (let turn = 0; turn < STOP_TURNS && !unwound(); turn++) await new Promise(setImmediate);
    await this.kernel.devices.stop();
    await this.#watchdog.stop();
  }

  #end(domain: Domain): void {
    const closing = domain.entry.provides.find((provided) => provided.interface === CLOSING);
    try {
      if (closing !== undefined && domain.state === "running")
        (this.#clientOf(domain, closing) as unknown as Closing).close();
    } catch {
      // No call could be made, and whatever it would have answered, the domain ends.
    }
    if (domain.alive) this.kernel.kill(domain, "system stopped");
  }

  #onFault(report: FaultReport): void {
    if (this.#stopped) return;
    keep(this.faults, report);
    this.#options.onFault?.(report);
  }

  #keepSourceMap({ bytes, sourceMap }: DomainImage): void {
    if (sourceMap !== undefined) this.#sourceMaps.set(bytes, sourceMap);
  }

  #sourceMapUrl(original: Uint8Array, offsets: Uint32Array): string | null {
    const map = this.#sourceMaps.get(original);
    return map === undefined ? null : (this.#options.sourceMapUrl?.(map, offsets) ?? null);
  }

  #interface(name: string) {
    const interface_ = this.kernel.model.interfaces[name];
    if (interface_ === undefined) throw new KernelError("unknown-interface", `no interface is named ${name}`);
    return interface_;
  }

  #wrapObject(type: string, handle: number): HostObject {
    const Class = this.#options.records?.[type] ?? HostObject;
    return new Class(this.heap, handle);
  }

  #wrapClient(name: string, number: number): HostClient {
    const capability = this.kernel.hostDomain.capabilities!.get(number)!;
    return this.#marshal.client(this.#interface(name), number, (method) => capability.proxies[method]!);
  }
}

function keep<T>(reports: T[], report: T): void {
  reports.push(report);
  if (reports.length > 1000) reports.shift();
}

function threadCpuMicros(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}

/** The supervisor looks after what dies and has a policy. */
function tolerate(domain: Domain, first: () => void): void {
  try {
    first();
  } catch (error) {
    const restarts = (domain.entry.restart ?? DEFAULT_RESTART).policy !== "never";
    if (!(error instanceof KernelError && error.code === "start" && restarts)) throw error;
  }
}

/** Turns of the loop that `stop` waits for suspended stacks. Some dozens unwind the most that there can be. */
const STOP_TURNS = 10_000;
/** Node calls at once what is later than this. */
const LONGEST_TIMER_MS = 0x7fffffff;

function after(ms: number, call: () => void): () => void {
  const timer = setTimeout(call, Math.min(Math.ceil(ms), LONGEST_TIMER_MS));
  return () => clearTimeout(timer);
}

function diskCache(directory: string) {
  const path = (key: string): string => join(directory, `${key}.lowered`);
  return {
    get: (key: string): Promise<Uint8Array | null> => readFile(path(key)).catch(() => null),
    put: async (key: string, bytes: Uint8Array): Promise<void> => {
      await mkdir(directory, { recursive: true });
      // Written aside and renamed: another process never reads half a module.
      const aside = `${path(key)}.${process.pid}`;
      await writeFile(aside, bytes);
      await rename(aside, path(key));
    },
  };
}
