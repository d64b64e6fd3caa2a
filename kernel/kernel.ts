/**
 * The kernel: owns the three tables (memories, domains, edges) and the life of a domain from load to reclaim.
 *
 * Invariants: a domain is called only while its DOMAIN_ALIVE word equals its generation; a dead domain's objects are
 * freed only after its last frame has left the stack (`settle` runs at depth 0 alone); its id is used again only after
 * that. The hot path is in the generated proxies; nothing in this file runs on it.
 */
import { Domain, type Blame } from "./domain/domain.ts";
import { classify, FAULT_KINDS, overran } from "./domain/fault.ts";
import { policyOf } from "./domain/imports.ts";
import { describeDomain, type DomainInfo } from "./domain/info.ts";
import { checkExports, instantiate, makeHostDomain, makeNobody, type InstanceKernel } from "./domain/instantiate.ts";
import { Lives, recordWord } from "./domain/lives.ts";
import { Registry } from "./domain/registry.ts";
import { SliceClock } from "./domain/slice.ts";
import { KernelError } from "./errors.ts";
import { revokeUse } from "./capability/grants.ts";
import { capabilityGraph, type GraphEdge } from "./capability/graph.ts";
import { Creation } from "./creation/creation.ts";
import { Devices } from "./device/devices.ts";
import { hasLent } from "./creation/quota.ts";
import type { Host } from "./host/host.ts";
import type { Model } from "./interface/model.ts";
import type { ResolvedArena, ResolvedDomain } from "./manifest/manifest.ts";
import { layOut, PAGE, registerTypes, sharedMemory } from "./memory.ts";
import type { Ablation } from "./proxy/generate.ts";
import { EdgeLinker, type ProxyKernel } from "./proxy/link.ts";
import { bridge, makeBridge, makeDeepProbe, makeProbe, makeTrap } from "./proxy/modules.ts";
import { Budget, type Budgets } from "./thread/budget.ts";
import { Threads } from "./thread/threads.ts";
import { Supervisor } from "./supervisor/supervisor.ts";
import { Trace } from "./trace/trace.ts";
import { ModuleCache, type CompiledModule } from "./wasm/cache.ts";
import { AdmissionError } from "./wasm/errors.ts";
import { ExchangeHeap, HeapError } from "../shared-heap/heap.ts";
import {
  CORE_DEPTH,
  DOMAIN_CPU,
  DOMAIN_FAULTS,
  FRAME_DOMAIN_MASK,
  FRAMES,
  ledgerBytes,
  MAX_DOMAINS,
} from "../shared-heap/layout.ts";

/** How long a replacement waits for suspended calls, in milliseconds. */
const DRAIN_MS = 1000;
export interface KernelConfig {
  readonly model: Model;
  /** Exchange heap in bytes, at most 2 GiB, and ledger records. */
  readonly heapBytes: number;
  readonly objects: number;
  /** Parts of the heap that devices can reach, at its end in this order; see `Arena`. */
  readonly arenas?: readonly ResolvedArena[];
  readonly host: Host;
  /** What the process has left; several kernels may share it. Default: some thousands of each. */
  readonly budgets?: Budgets;
  /** The crossing laboratory only. */
  readonly omit?: ReadonlySet<Ablation>;
  readonly elide?: boolean;
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
  readonly threads: Threads;
  readonly budgets: Budgets;
  readonly trace: Trace;
  readonly linker: EdgeLinker;
  /** The embedding program, as caller and as provider of services. */
  readonly hostDomain: Domain;
  readonly #host: Host;
  readonly #modules: ModuleCache;
  readonly #clock: SliceClock;
  readonly #tickEntry: Function;
  readonly #registry: Registry;
  readonly #services = new Map<string, Function>();
  readonly #lives: Lives;
  readonly #supervisor: Supervisor;
  readonly creation: Creation;
  readonly devices: Devices;
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
      arenas: layOut(pages.heap * PAGE, config.arenas ?? []),
    });
    this.typeIds = registerTypes(this.heap, config.model);
    this.trace = new Trace({
      ledger: this.ledger,
      interfaces: Object.keys(config.model.interfaces),
      now: config.host.now,
      edges: () => this.linker.edgeRecords(),
      nameOf: (id) => this.#registry.at(id)?.name ?? null,
      deviceName: (number) => this.devices.all[number]?.name ?? "?",
    });
    this.budgets = config.budgets ?? { threads: new Budget(MAX_DOMAINS), memories: new Budget(MAX_DOMAINS) };
    this.threads = new Threads({
      ledger: this.ledger,
      trap: this.trap,
      host: config.host,
      budget: this.budgets.threads,
      fault: (domain, error) => this.fault(domain, error),
      discard: (handle, owner) => this.#discard(handle, owner),
      settle: () => this.settle(),
    });
    this.linker = new EdgeLinker(this);
    const options = { elide: config.elide ?? true, heapPages: pages.heap, ledgerPages: pages.ledger };
    this.#modules = new ModuleCache(config.host.cache ?? null, options, config.host.sourceMapUrl);
    this.#clock = this.#makeClock();
    this.#supervisor = new Supervisor({
      now: config.host.now,
      after: config.host.after,
      revive: (domain) => {
        domain.restartAsked = true;
        this.#lives.reviveAgain(domain);
      },
    });
    this.#lives = this.#makeLives();
    const tick = [{ signature: { params: [], results: [] } }];
    this.#tickEntry = bridge(makeBridge(tick), [this.#clock.tick])[0]!;
    this.hostDomain = makeHostDomain(this.#nextGeneration++, this.#tickEntry);
    this.#registry = new Registry(this.hostDomain, makeNobody(this.#nextGeneration++));
    this.#lives.bear(this.hostDomain);
    this.hostDomain.state = "running";
    this.creation = this.#makeCreation();
    this.devices = new Devices(this, config.host);
    this.serve(this.devices.functions());
  }

  #makeClock(): SliceClock {
    return new SliceClock({
      ledger: this.ledger,
      trap: this.trap,
      probe: this.probe,
      cpuMicros: () => this.#host.cpuMicros(),
      tidy: () => this.trace.tidy(),
      byId: (id) => this.#registry.at(id),
      overrun: (domain, limit, ms, running) => {
        domain.blame ??= { ...overran(domain, limit, ms, running), chain: this.chain() };
        this.#lives.condemn(domain, domain.blame);
      },
    });
  }

  #makeLives(): Lives {
    const { ledger, heap, trap, linker, threads, trace } = this;
    return new Lives({
      ledger,
      heap,
      trap,
      linker,
      threads,
      trace,
      host: this.#host,
      probeDeep: makeDeepProbe(),
      chain: (culprit) => this.chain(culprit),
      idle: () => this.#clock.idle(),
      reinstantiate: (domain) => instantiate(this, domain, domain.module!, this.#tickEntry),
      ended: (domain) => {
        this.devices.ended(domain);
        this.creation.ended(domain);
      },
      buried: (domain, { kind }) => {
        this.creation.buried(domain);
        const named = this.#registry.find(domain.name) === domain;
        if (!named) this.linker.dropAll(domain);
        return named && this.#supervisor.buried(domain, kind);
      },
    });
  }

  #makeCreation(): Creation {
    return new Creation({
      model: this.model,
      heap: this.heap,
      calm: () => this.#calm(),
      admit: (entry, bytes) => this.#admit(entry, bytes, false),
      place: (entry, compiled) => this.#place(entry, compiled),
      begin: (domain) => {
        this.init(domain);
        this.start(domain);
      },
      end: (domain, why) => this.#lives.condemn(domain, { kind: "killed", message: why }),
      find: (name) => this.#registry.find(name),
      remove: (domain) => this.#remove(domain),
    });
  }

  async #calm(): Promise<void> {
    do await new Promise<void>((resolve) => this.#host.turn(resolve));
    while (this.ledger[CORE_DEPTH >> 2] !== 0);
    this.settle();
  }

  /** Nothing of a buried domain is left but reports of its end. */
  #remove(domain: Domain): void {
    this.linker.dropAll(domain);
    this.linker.severMinted(domain, true);
    // Until its text is made, an error holds on to the instances in whose code it was thrown.
    String(domain.blame?.error?.stack);
    domain.exports = domain.memory = domain.module = domain.capabilities = null;
    this.#registry.remove(domain);
  }

  // ── domains ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Admits, compiles, instantiates and links a domain. None of its code runs before `start`.
   * @throws AdmissionError, KernelError (link, instantiate, limit)
   */
  async load(entry: ResolvedDomain, bytes: Uint8Array): Promise<Domain> {
    const former = this.#registry.find(entry.name);
    if (former?.alive === true) throw new KernelError("link", `a domain named ${entry.name} is already running`);
    const compiled = await this.#admit(entry, bytes);
    if (former !== null && hasLent(former))
      throw new KernelError("link", `children of the former ${entry.name} are not buried yet`);
    return this.#place(entry, compiled);
  }

  /** A new domain, below nobody yet. @throws KernelError (instantiate, limit) */
  #place(entry: ResolvedDomain, { admitted, module }: CompiledModule): Domain {
    const former = this.#registry.find(entry.name);
    const domain = new Domain(entry, this.#registry.freeId(), this.#nextGeneration++);
    domain.admitted = admitted;
    domain.module = module;
    instantiate(this, domain, module, this.#tickEntry);
    if (former !== null) {
      this.#supervisor.forget(former);
      former.restartAsked = false;
      if (former.state === "dead") this.linker.dropAll(former);
    }
    for (const word of [DOMAIN_FAULTS, DOMAIN_CPU])
      this.ledger[recordWord(domain, word)] = former === null ? 0 : this.ledger[recordWord(former, word)]!;
    this.trace.adopt(domain.id);
    this.#lives.bear(domain);
    this.#registry.add(domain);
    return domain;
  }

  /** Admits and compiles a module for one domain. @throws AdmissionError, KernelError (link) */
  async #admit(entry: ResolvedDomain, bytes: Uint8Array, keep = true, maxPages?: number): Promise<CompiledModule> {
    const policy = policyOf(this.model, entry, maxPages);
    const compiled = await this.#modules.get(bytes, policy, keep).catch((error: unknown) => {
      if (error instanceof AdmissionError) error.message = `${entry.name}: ${error.message}`;
      throw error;
    });
    checkExports(this.model, entry, compiled.admitted);
    return compiled;
  }

  /**
   * Puts a new build in the place of a domain's while its clients go on; see `Lives.replace`. Waits until no call is
   * under way in it; one that lasts longer than DRAIN_MS ends with a fault.
   * @returns whether state was handed over
   * @throws AdmissionError, KernelError (link, instantiate): the old version goes on; (start)
   */
  async replace(domain: Domain, bytes: Uint8Array): Promise<boolean> {
    const pages = domain.entry.limits.memoryPages;
    const next = await this.#admit(domain.entry, bytes, true, pages - domain.lent.memoryPages);
    const until = this.#host.now() + DRAIN_MS;
    do {
      await new Promise<void>((resolve) => void this.#host.after(0, resolve));
      if (domain.threads.live.size > 0 && this.#host.now() >= until)
        this.kill(domain, "replaced while a call was suspended in it");
    } while (domain.threads.live.size > 0 || this.ledger[CORE_DEPTH >> 2] !== 0);
    if (this.#registry.find(domain.name) !== domain) throw new KernelError("link", `${domain.name} was loaded anew`);
    if ((next.admitted.memory?.maximum ?? 0) + domain.lent.memoryPages > pages)
      throw new KernelError("limit", `${domain.name}: its children have so much memory that too little is left`);
    this.#supervisor.forget(domain);
    return this.#lives.replace(domain, next);
  }

  /** First code of a domain. @throws KernelError (start) */
  init(domain: Domain): void {
    this.#lives.init(domain);
  }

  /** Runs `main`, if exported; every domain that it may call should have run `init`. @throws KernelError (start) */
  start(domain: Domain): void {
    this.#lives.start(domain);
  }

  /** Ends a domain from outside. Its frames, if any, unwind when control is back in them. */
  kill(domain: Domain, why = "killed"): void {
    this.#lives.condemn(domain, { kind: "killed", message: why });
    this.settle();
  }

  /** Ends a domain as a trap of its own would: it counts as a fault, and restart policies treat it as one. */
  crash(domain: Domain, why = "crashed on command"): void {
    this.#lives.condemn(domain, { kind: "trap", message: why });
    this.settle();
  }

  /**
   * Ends the domain, if it lives, and begins its next life: at once, or as soon as its last frame has left every stack.
   * @returns whether it lives again already
   * @throws KernelError (start) when it dies in its first code; (limit) when the stack has no room left
   */
  restart(domain: Domain, why = "restarted"): boolean {
    this.#supervisor.forget(domain);
    return this.#lives.restart(domain, why);
  }

  /**
   * Takes a grant back from a domain, for all its lives and under all its names, and from everybody whom it was passed
   * on to; see `revokeUse`. @throws KernelError (unknown-capability)
   */
  revoke(domain: Domain, useName: string): void {
    revokeUse(this, domain, useName);
  }

  /** From here on nobody is restarted any more. */
  stop(): void {
    this.#supervisor.stop();
  }

  domain(name: string): Domain {
    const domain = this.#registry.find(name);
    if (domain === null) throw new KernelError("unknown-domain", `no domain is named ${name}`);
    return domain;
  }

  domains(): DomainInfo[] {
    return this.#registry.named().map((domain) => ({
      ...describeDomain(domain, this),
      restarting: this.#supervisor.waiting(domain),
    }));
  }

  /** Who may call whom, and who did. */
  graph(): GraphEdge[] {
    return capabilityGraph(this);
  }

  /** Registers a service of the host program: `functions` by export name, in the flat calling convention. */
  serve(functions: ReadonlyMap<string, Function>): void {
    for (const [name, f] of functions) this.#services.set(name, f);
  }

  // ── what proxies and imports call back for ───────────────────────────────────────────────────────────────────────

  at(id: number): Domain | null {
    return this.#registry.at(id);
  }

  instance(id: number, generation: number): Domain | null {
    return this.#registry.instance(id, generation);
  }

  provider(name: string, generation?: number): Domain | null {
    return this.#registry.provider(name, generation);
  }

  implementation(domain: Domain, name: string): Function | null {
    if (domain === this.hostDomain) return this.#services.get(name) ?? null;
    return (domain.exports?.[name] as Function | undefined) ?? null;
  }

  /** A wait was refused that would never have ended. */
  deadlock(ring: string): void {
    queueMicrotask(() => this.#host.onDeadlock?.(ring));
  }

  now(): number {
    return this.#host.now();
  }

  holders(): Iterable<Domain> {
    return this.#registry.all();
  }

  blame(domain: Domain, message: string): never {
    return this.#throwInto(domain, { kind: "rule", message });
  }

  abort(domain: Domain, message: string): never {
    return this.#throwInto(domain, { kind: "abort", message });
  }

  fault(domain: Domain, error: unknown): void {
    if (domain === this.hostDomain) return this.#serviceFailed(error);
    this.#lives.fault(domain, error);
  }

  /** The host is no domain that could die: its caller got a fault code, its program gets the report. */
  #serviceFailed(error: unknown): void {
    const { name, id, incarnation } = this.hostDomain;
    const { message } = error === this.trap || error === null ? { message: "a bad result" } : classify(error);
    const why = this.hostDomain.blame?.message ?? message;
    this.hostDomain.blame = null;
    const report = { domain: name, id, incarnation, kind: "service" as const, message: why, chain: this.chain() };
    this.trace.event("fault", id, FAULT_KINDS.indexOf("service"));
    const nothing = { frames: [], ranMs: null, objectsFreed: 0, bytesFreed: 0, owned: {}, trace: [] };
    this.#lives.report({ ...report, ...nothing, ms: this.trace.ms });
  }

  #discard(handle: number, owner: number): void {
    try {
      this.heap.free(handle, owner);
    } catch (error) {
      if (!(error instanceof HeapError)) throw error;
    }
  }

  /** Buries the dead once no frame is on the stack; see `Lives`. */
  settle(): void {
    this.#lives.settle();
  }

  // ── inside ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #throwInto(domain: Domain, why: Pick<Blame, "kind" | "message">): never {
    domain.blame ??= { ...why, error: new Error(why.message), chain: this.chain(domain) };
    // The host is not a domain that could die: its program gets the reason from the blame, as an error.
    if (domain !== this.hostDomain) this.#lives.condemn(domain, why);
    throw this.trap;
  }

  /** The frames on the stack, and the domain that was just left by its own fault. */
  chain(culprit?: Domain): string[] {
    const depth = this.ledger[CORE_DEPTH >> 2]!;
    const names = ["host"];
    for (let i = 0; i < depth; i++)
      names.push(this.#registry.at(this.ledger[(FRAMES >> 2) + i]! & FRAME_DOMAIN_MASK)?.name ?? "?");
    if (culprit !== undefined && names.at(-1) !== culprit.name) names.push(culprit.name);
    return names;
  }
}
