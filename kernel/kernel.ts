/**
 * The kernel: owns the three tables (memories, domains, edges) and the life of a domain from load to reclaim.
 *
 * Invariants: a domain is called only while its DOMAIN_ALIVE word equals its generation; a dead domain's objects are
 * freed only after its last frame has left the stack (`settle` runs at depth 0 alone); its id is used again only after
 * that. The hot path is in the generated proxies; nothing in this file runs on it.
 */
import { Domain, type Blame } from "./domain/domain.ts";
import { classify, trapFrames, type FaultReport } from "./domain/fault.ts";
import { policyOf } from "./domain/imports.ts";
import { checkExports, instantiate, makeHostDomain, type InstanceKernel } from "./domain/instantiate.ts";
import { SliceClock } from "./domain/slice.ts";
import { KernelError } from "./errors.ts";
import type { Host } from "./host/host.ts";
import type { Model } from "./interface/model.ts";
import type { ResolvedDomain } from "./manifest/manifest.ts";
import type { Ablation } from "./proxy/generate.ts";
import { Activations } from "./proxy/activation.ts";
import { EdgeLinker, type ProxyKernel } from "./proxy/link.ts";
import { bridge, makeBridge, makeProbe, makeTrap } from "./proxy/modules.ts";
import { ModuleCache } from "./wasm/cache.ts";
import { AdmissionError } from "./wasm/errors.ts";
import { translateOffset } from "./wasm/offsets.ts";
import { ExchangeHeap, HeapError } from "../shared-heap/heap.ts";
import {
  CORE_DEPTH,
  CORE_PENDING,
  DOMAIN_ALIVE,
  DOMAIN_FAULTS,
  DOMAIN_SHIFT,
  DOMAINS,
  FIRST_DOMAIN,
  FRAME_DOMAIN_MASK,
  FRAMES,
  ledgerBytes,
  MAX_DOMAINS,
  OWNER_HOST,
} from "../shared-heap/layout.ts";

const PAGE = 65536;
export interface KernelConfig {
  readonly model: Model;
  /** Exchange heap in bytes, at most 2 GiB, and ledger records. */
  readonly heapBytes: number;
  readonly objects: number;
  readonly host: Host;
  /** The crossing laboratory only. */
  readonly omit?: ReadonlySet<Ablation>;
  readonly elide?: boolean;
}

export interface DomainInfo {
  readonly name: string;
  readonly id: number;
  readonly generation: number;
  readonly state: Domain["state"];
  readonly faults: number;
  readonly bytes: number;
  readonly objects: number;
  readonly memoryBytes: number;
}

export class Kernel implements ProxyKernel, InstanceKernel {
  readonly model: Model;
  readonly heap: ExchangeHeap;
  readonly ledger: Int32Array;
  readonly heapMemory: WebAssembly.Memory;
  readonly ledgerMemory: WebAssembly.Memory;
  readonly trap = makeTrap();
  readonly probe = makeProbe();
  readonly omit: ReadonlySet<Ablation>;
  readonly typeIds: ReadonlyMap<string, number>;
  readonly activations: Activations;
  readonly linker: EdgeLinker;
  /** The embedding program, as caller and as provider of services. */
  readonly hostDomain: Domain;
  readonly #host: Host;
  readonly #modules: ModuleCache;
  readonly #clock: SliceClock;
  readonly #tickEntry: Function;
  readonly #byId: (Domain | null)[] = [];
  readonly #byName = new Map<string, Domain>();
  readonly #services = new Map<string, Function>();
  #pending: Domain[] = [];
  #nextGeneration = 1;

  constructor(config: KernelConfig) {
    const pages = { heap: Math.ceil(config.heapBytes / PAGE), ledger: ledgerBytes(config.objects) / PAGE };
    this.model = config.model;
    this.omit = config.omit ?? new Set();
    this.#host = config.host;
    this.heapMemory = sharedMemory(pages.heap);
    this.ledgerMemory = sharedMemory(pages.ledger);
    this.ledger = new Int32Array(this.ledgerMemory.buffer);
    this.heap = new ExchangeHeap({
      heap: this.heapMemory.buffer,
      ledger: this.ledgerMemory.buffer,
      objects: config.objects,
    });
    this.typeIds = registerTypes(this.heap, config.model);
    this.activations = new Activations({
      ledger: this.ledger,
      trap: this.trap,
      discard: (handle, owner) => this.#discard(handle, owner),
      settle: () => this.settle(),
    });
    this.linker = new EdgeLinker(this);
    this.#modules = new ModuleCache(config.host.cache ?? null, {
      elide: config.elide ?? true,
      heapPages: pages.heap,
      ledgerPages: pages.ledger,
    });
    this.#clock = new SliceClock({
      ledger: this.ledger,
      trap: this.trap,
      probe: this.probe,
      cpuMicros: () => config.host.cpuMicros(),
      byId: (id) => this.#byId[id] ?? null,
      overrun: (domain, ownMs) =>
        this.#condemn(domain, {
          kind: "slice",
          message: `ran ${ownMs} ms of its own, slice ${domain.entry.limits.sliceMs} ms`,
        }),
    });
    const tick = [{ signature: { params: [], results: [] } }];
    this.#tickEntry = bridge(makeBridge(tick), tick, [this.#clock.tick])[0]!;
    this.hostDomain = makeHostDomain(this.#nextGeneration++, this.#tickEntry);
    this.#byId[OWNER_HOST] = this.hostDomain;
    this.#setRecord(this.hostDomain);
  }

  // ── domains ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Admits, compiles, instantiates and links a domain. None of its code runs before `start`.
   * @throws AdmissionError, KernelError (link, instantiate, limit)
   */
  async load(entry: ResolvedDomain, bytes: Uint8Array): Promise<Domain> {
    if (this.#byName.get(entry.name)?.alive === true)
      throw new KernelError("link", `a domain named ${entry.name} is already running`);
    const { admitted, module } = await this.#modules.get(bytes, policyOf(this.model, entry)).catch((error: unknown) => {
      if (error instanceof AdmissionError) error.message = `${entry.name}: ${error.message}`;
      throw error;
    });
    const domain = new Domain(entry, this.#takeId(), this.#nextGeneration++);
    domain.admitted = admitted;
    try {
      instantiate(this, domain, module, this.#tickEntry);
      checkExports(this.model, domain);
    } catch (error) {
      this.#byId[domain.id] = null;
      throw error;
    }
    this.#setRecord(domain);
    this.#byId[domain.id] = domain;
    this.#byName.set(domain.name, domain);
    return domain;
  }

  /** First code of a domain: locates its argument stack and runs `_init`. @throws KernelError (start) */
  init(domain: Domain): void {
    this.#locateArguments(domain);
    this.#runExport(domain, "_init");
  }

  /** Runs `main`, if exported; every domain that it may call should have run `init`. @throws KernelError (start) */
  start(domain: Domain): void {
    domain.state = "running";
    this.#runExport(domain, "main");
  }

  /** Ends a domain from outside. Its frames, if any, unwind when control is back in them. */
  kill(domain: Domain, why = "killed"): void {
    this.#condemn(domain, { kind: "killed", message: why });
    this.settle();
  }

  domain(name: string): Domain {
    const domain = this.#byName.get(name);
    if (domain === undefined) throw new KernelError("unknown-domain", `no domain is named ${name}`);
    return domain;
  }

  domains(): DomainInfo[] {
    return [...this.#byName.values()].map((d) => ({
      name: d.name,
      id: d.id,
      generation: d.generation,
      state: d.state,
      faults: this.#record(d, DOMAIN_FAULTS),
      ...this.heap.charged(d.id),
      memoryBytes: d.memory?.buffer.byteLength ?? 0,
    }));
  }

  /** Registers a service of the host program: `functions` by export name, in the flat calling convention. */
  serve(functions: ReadonlyMap<string, Function>): void {
    for (const [name, f] of functions) this.#services.set(name, f);
  }

  // ── what proxies and imports call back for ───────────────────────────────────────────────────────────────────────

  instance(id: number, generation: number): Domain | null {
    const domain = this.#byId[id] ?? null;
    return domain !== null && domain.generation === generation ? domain : null;
  }

  provider(name: string): Domain | null {
    if (name === "host" || name === "kernel") return this.hostDomain;
    return this.#byName.get(name) ?? null;
  }

  implementation(domain: Domain, name: string): Function | null {
    if (domain === this.hostDomain) return this.#services.get(name) ?? null;
    return (domain.exports?.[name] as Function | undefined) ?? null;
  }

  blame(domain: Domain, message: string): never {
    return this.#throwInto(domain, { kind: "rule", message });
  }

  abort(domain: Domain, message: string): never {
    return this.#throwInto(domain, { kind: "abort", message });
  }

  fault(domain: Domain, error: unknown): void {
    if (domain === this.hostDomain) return this.#serviceFailed(error);
    if (error !== null && error !== this.trap && domain.blame === null) {
      const stack = (error as Error).stack ?? "";
      domain.blame = { ...classify(error), stack, chain: this.#chain(domain) };
    }
    this.#condemn(domain, { kind: "killed", message: "killed" });
  }

  /** The host is no domain that could die: its caller got a fault code, its program gets the report. */
  #serviceFailed(error: unknown): void {
    const { name, id, generation } = this.hostDomain;
    const { message } = error === this.trap || error === null ? { message: "a bad result" } : classify(error);
    const why = this.hostDomain.blame?.message ?? message;
    this.hostDomain.blame = null;
    const report = { domain: name, id, generation, kind: "service" as const, message: why, chain: this.#chain() };
    this.#host.onFault({ ...report, frames: [], objectsFreed: 0, bytesFreed: 0 });
  }

  #discard(handle: number, owner: number): void {
    try {
      this.heap.free(handle, owner);
    } catch (error) {
      if (!(error instanceof HeapError)) throw error;
    }
  }

  /** Buries the dead once no frame is on the stack: frees their objects, drops their capabilities, reports. */
  settle(): void {
    if (this.ledger[CORE_DEPTH >> 2] !== 0) return;
    this.#clock.idle();
    if (this.ledger[CORE_PENDING >> 2] === 0) return;
    this.ledger[CORE_PENDING >> 2] = 0;
    const dead = this.#pending;
    this.#pending = [];
    for (const domain of dead) {
      if (domain.activation === null) {
        this.#host.onFault(this.#bury(domain));
        continue;
      }
      // Suspended: its stack is unwound first, and its end brings us here again.
      this.activations.unwind(domain);
      this.#pending.push(domain);
      this.ledger[CORE_PENDING >> 2] = 1;
    }
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #throwInto(domain: Domain, why: Pick<Blame, "kind" | "message">): never {
    const stack = new Error().stack ?? "";
    domain.blame ??= { ...why, stack, chain: this.#chain(domain) };
    // The host is not a domain that could die: its program gets the reason from the blame, as an error.
    if (domain !== this.hostDomain) this.#condemn(domain, why);
    throw this.trap;
  }

  /**
   * From here on calls to the domain answer "dead". Plain stores and one push: it may run near the end of the
   * stack.
   */
  #condemn(domain: Domain, why: Pick<Blame, "kind" | "message">): void {
    if (!domain.alive) return;
    this.ledger[this.#recordWord(domain, DOMAIN_ALIVE)] = 0;
    domain.state = "dying";
    domain.blame ??= { ...why, stack: "", chain: this.#chain() };
    this.#pending.push(domain);
    this.ledger[CORE_PENDING >> 2] = 1;
  }

  #bury(domain: Domain): FaultReport {
    const blame = domain.blame!;
    const offsets = domain.admitted!.offsets;
    const frames = trapFrames(blame.stack).map((frame) => {
      const offset = translateOffset(offsets, frame.loweredOffset);
      return { ...frame, offset, source: this.#host.locate?.(domain.name, offset) ?? null };
    });
    this.linker.dropAll(domain);
    const freed = this.heap.reclaim(domain.id);
    domain.state = "dead";
    domain.exports = null;
    domain.memory = null;
    this.ledger[this.#recordWord(domain, DOMAIN_FAULTS)]!++;
    return {
      domain: domain.name,
      id: domain.id,
      generation: domain.generation,
      kind: blame.kind,
      message: blame.message,
      frames,
      chain: blame.chain,
      objectsFreed: freed.objects,
      bytesFreed: freed.bytes,
    };
  }

  #runExport(domain: Domain, name: string): void {
    const f = domain.function(name, { params: [], results: [] });
    if (f !== null) this.#run(domain, f);
    if (domain.alive) return;
    throw new KernelError("start", `${domain.name} died in ${name}: ${domain.blame!.message}`);
  }

  /** Enters a domain from the kernel itself. */
  #run(domain: Domain, f: Function): void {
    const depth = this.ledger[CORE_DEPTH >> 2]!;
    this.ledger[(FRAMES >> 2) + depth] = domain.id;
    this.ledger[CORE_DEPTH >> 2] = depth + 1;
    try {
      f();
    } catch (error) {
      this.ledger[CORE_DEPTH >> 2] = depth;
      this.fault(domain, error);
    }
    this.ledger[CORE_DEPTH >> 2] = depth;
    this.settle();
  }

  /** The frames on the stack, and the domain that was just left by its own fault. */
  #chain(culprit?: Domain): string[] {
    const depth = this.ledger[CORE_DEPTH >> 2]!;
    const names = ["host"];
    for (let i = 0; i < depth; i++)
      names.push(this.#byId[this.ledger[(FRAMES >> 2) + i]! & FRAME_DOMAIN_MASK]?.name ?? "?");
    if (culprit !== undefined && names.at(-1) !== culprit.name) names.push(culprit.name);
    return names;
  }

  /** Asks the domain where proxies may put text and bytes; a lie is its own fault. */
  #locateArguments(domain: Domain): void {
    const answer = (name: string): number => {
      const f = domain.function(name, { params: [], results: [0x7f] });
      let value = 0;
      if (f !== null && domain.alive) this.#run(domain, () => (value = f() >>> 0));
      return value;
    };
    const start = (answer("samara_args") + 7) & ~7;
    const end = start + answer("samara_args_size");
    if (domain.memory === null || !domain.alive) return;
    if (start < 0 || end > domain.memory.buffer.byteLength || end > 0x7fffffff) {
      this.#condemn(domain, { kind: "rule", message: "samara_args: the region is not inside its memory" });
      return;
    }
    domain.args.top = start;
    domain.args.end = end;
  }

  #setRecord(domain: Domain): void {
    const former = this.#byName.get(domain.name);
    this.heap.setLimits(domain.id, domain.entry.limits.heapBytes, domain.entry.limits.heapObjects);
    this.ledger[this.#recordWord(domain, DOMAIN_FAULTS)] =
      former === undefined ? 0 : this.#record(former, DOMAIN_FAULTS);
    this.ledger[this.#recordWord(domain, DOMAIN_ALIVE)] = domain.generation;
  }

  #recordWord(domain: Domain, offset: number): number {
    return (DOMAINS + (domain.id << DOMAIN_SHIFT) + offset) >> 2;
  }

  #record(domain: Domain, offset: number): number {
    return this.ledger[this.#recordWord(domain, offset)]!;
  }

  /** An id whose former domain is buried. */
  #takeId(): number {
    for (let id = FIRST_DOMAIN; id < MAX_DOMAINS; id++) {
      const former = this.#byId[id] ?? null;
      if (former !== null && former.state !== "dead") continue;
      if (former !== null && this.#byName.get(former.name) === former) continue;
      return id;
    }
    throw new KernelError("limit", `more than ${MAX_DOMAINS - FIRST_DOMAIN} domains`);
  }
}

function sharedMemory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** Gives every exchangeable type of the model a ledger type id. */
function registerTypes(heap: ExchangeHeap, model: Model): Map<string, number> {
  for (const [key, type] of Object.entries(model.types)) heap.types.define(key, type);
  return new Map(Object.keys(model.types).map((key) => [key, heap.types.id(key)]));
}
