/**
 * The lives of domains: first code, death, burial, and the next life in the same instance.
 *
 * A domain dies in two steps. Condemned, its calls answer "dead" from then on: plain stores, which may happen near the
 * end of a stack. Buried, what it owned is freed and what it held is dropped, as soon as its last frame has left every
 * stack and its threads are unwound. A revived domain begins anew in its own zeroed memory under its own id, so nothing
 * is compiled, linked or collected for it. Invariants: no frame of a domain that is being buried or revived is on any
 * stack; reports go to the host from depth 0 only, and every death makes one.
 */
import type { Host } from "../host/host.ts";
import { limit } from "../creation/quota.ts";
import { KernelError } from "../errors.ts";
import type { EdgeLinker } from "../proxy/link.ts";
import { I32 } from "../interface/model.ts";
import type { CapabilityTable } from "../capability/table.ts";
import type { CompiledModule } from "../wasm/cache.ts";
import type { Threads } from "../thread/threads.ts";
import { FAULT_KINDS } from "./fault.ts";
import type { Trace } from "../trace/trace.ts";
import type { ExchangeHeap, Reclaim } from "../../shared-heap/heap.ts";
import {
  CORE_DEPTH,
  CORE_PENDING,
  DOMAIN_ALIVE,
  DOMAIN_FAULTS,
  DOMAIN_SHIFT,
  DOMAINS,
  FRAME_DOMAIN_MASK,
  FRAMES,
  MAX_FRAMES,
} from "../../shared-heap/layout.ts";
import type { Blame, Domain } from "./domain.ts";
import { classify, makeReport, type FaultReport } from "./fault.ts";
import { instanceOf, reset, wipe, type InstanceFields } from "./instantiate.ts";

/** Bytes that a domain may hand over; the rest of its state lies in the exchange heap, and stays there. */
const MAX_STATE = 64 << 20;

/** Records to look at, and bytes to zero, before others get their turn: each takes a fraction of a millisecond. */
const RECLAIM_STEP = 100_000;
const WIPE_STEP = 4 << 20;

/** Entries of the trace that a report keeps. */
const POST_MORTEM = 16;

export interface LifeKernel {
  readonly ledger: Int32Array;
  readonly heap: ExchangeHeap;
  readonly trap: WebAssembly.RuntimeError;
  readonly linker: EdgeLinker;
  readonly threads: Threads;
  readonly trace: Trace;
  readonly host: Host;
  /** Guarantees room on the stack for burying and reviving a domain. Throws RangeError. */
  readonly probeDeep: () => void;
  /** Names on the stack, and the domain that was just left by its own fault. */
  chain(culprit?: Domain): string[];
  /** Control is in the host: its time is nobody's. */
  idle(): void;
  /** A new instance of the domain's module: memory, exports and an empty capability table. */
  reinstantiate(domain: Domain): void;
  /** A life is over: nothing of it is on any stack, and what it owned is about to be freed. */
  ended(domain: Domain): void;
  /** Called after each burial. True: the domain shall live again at once. */
  buried(domain: Domain, report: FaultReport): boolean;
}

export class Lives {
  readonly #kernel: LifeKernel;
  #pending: Domain[] = [];
  readonly #reports: FaultReport[] = [];
  /** The dead are being buried, or shall not be before what is under way is over. */
  #settling = false;
  /** Who has begun a life since `settle` began. */
  readonly #revived = new Set<Domain>();

  constructor(kernel: LifeKernel) {
    this.#kernel = kernel;
  }

  // ── life ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Makes the domain callable. */
  bear(domain: Domain): void {
    const { heap, ledger } = this.#kernel;
    limit(heap, domain);
    domain.state = "loaded";
    domain.incarnation++;
    domain.bornMs = this.#kernel.trace.ms;
    domain.blame = null;
    domain.restartAsked = false;
    ledger[recordWord(domain, DOMAIN_ALIVE)] = domain.generation;
    this.#kernel.trace.event(domain.incarnation === 1 ? "load" : "restart", domain.id, domain.incarnation);
  }

  /** First code of a domain: locates its argument stack and runs `_init`. @throws KernelError (start) */
  init(domain: Domain): void {
    this.#kernel.trace.event("init", domain.id, domain.incarnation);
    this.#asOne(() => {
      this.#locateArguments(domain);
      this.#runExport(domain, "_init");
    });
  }

  /** Runs `main`, if exported; every domain that it may call should have run `init`. @throws KernelError (start) */
  start(domain: Domain): void {
    this.#kernel.trace.event("start", domain.id, domain.incarnation);
    this.#asOne(() => {
      if (domain.alive) domain.state = "running";
      this.#runExport(domain, "main");
      this.#kernel.threads.adopt(domain);
    });
  }

  /**
   * Begins the next life of a dead domain. May run in the middle of a call chain.
   * @throws KernelError (start) when it dies in its first code; (limit) when the stack has no room for it
   */
  revive(domain: Domain): void {
    this.#room(domain);
    if (!this.#bury(domain)) throw new KernelError("start", `${domain.name} is still on a stack`);
    domain.restartAsked = false;
    domain.args.locate(0, 0);
    if (domain.exports !== null) reset(domain);
    else {
      this.#kernel.reinstantiate(domain);
      this.#kernel.linker.rebind(domain);
    }
    this.#begin(domain, null);
  }

  /**
   * Ends the domain, if it lives, and begins its next life: at once, or when its last frame has left.
   * @returns whether it lives again already
   * @throws KernelError as `revive`
   */
  restart(domain: Domain, why: string): boolean {
    this.#room(domain);
    this.condemn(domain, { kind: "killed", message: why });
    domain.restartAsked = true;
    if (!this.#bury(domain)) return false;
    this.revive(domain);
    return true;
  }

  /**
   * Puts a new build in the place of the running one; its clients' capabilities lead to it from then on. When both
   * versions export the hand-over functions, what the domain owns and holds stays, and its state is carried over.
   * Precondition: no frame and no thread of the domain, depth 0.
   * @returns whether state was handed over
   * @throws KernelError (instantiate): nothing has changed; (start): the new version died in its first code, and the
   *   former one runs again from its first state
   */
  replace(domain: Domain, next: CompiledModule): boolean {
    return this.#asOne(() => this.#replace(domain, next));
  }

  #replace(domain: Domain, next: CompiledModule): boolean {
    const former = instanceOf(domain);
    Object.assign(domain, { admitted: next.admitted, module: next.module });
    try {
      this.#kernel.reinstantiate(domain);
    } catch (error) {
      Object.assign(domain, former);
      throw error;
    }
    const fresh = instanceOf(domain);
    Object.assign(domain, former);
    const takesOver = ["samara_restore", "samara_restored"].every((name) => next.admitted.exports.has(name));
    const state = takesOver ? this.#save(domain) : null;
    if (!domain.alive && !this.#bury(domain)) throw new KernelError("start", `${domain.name} is on a stack`);
    this.#retire(domain, state !== null);
    Object.assign(domain, fresh);
    this.#adopt(domain, state === null ? null : former.capabilities);
    try {
      this.#begin(domain, state);
    } catch (error) {
      this.#rollBack(domain, former, error);
    }
    return state !== null;
  }

  /** Ends the running version without a fault. */
  #retire(domain: Domain, keepsAll: boolean): void {
    const { heap, ledger, linker } = this.#kernel;
    ledger[recordWord(domain, DOMAIN_ALIVE)] = 0;
    domain.state = "dead";
    this.#kernel.threads.unwind(domain);
    if (keepsAll) return;
    this.#kernel.ended(domain);
    linker.dropAll(domain);
    linker.severMinted(domain);
    heap.reclaim(domain.id);
  }

  #adopt(domain: Domain, held: CapabilityTable | null): void {
    domain.args.locate(0, 0);
    if (held !== null) this.#kernel.linker.rehold(domain, held);
    this.#kernel.linker.rebind(domain);
  }

  #begin(domain: Domain, state: Uint8Array | null): void {
    this.bear(domain);
    this.#asOne(() => {
      this.init(domain);
      if (state !== null) this.#restore(domain, state);
      this.start(domain);
    });
  }

  #rollBack(domain: Domain, former: InstanceFields, error: unknown): never {
    if (!(error instanceof KernelError) || !this.#bury(domain)) throw error;
    this.#kernel.linker.dropAll(domain);
    Object.assign(domain, former, { exports: null });
    this.revive(domain);
    throw new KernelError("start", `${error.message}; the former version runs again, from its first state`);
  }

  /** What the domain wants its next version to have, or null. Its own death in doing so is a fault like any. */
  #save(domain: Domain): Uint8Array | null {
    if (!domain.alive || domain.memory === null) return null;
    const start = this.#ask(domain, "samara_save");
    const length = this.#ask(domain, "samara_save_size");
    if (!domain.alive || start === 0 || length === 0) return null;
    const { buffer } = domain.memory;
    if (start + length > buffer.byteLength || length > MAX_STATE) {
      this.condemn(domain, { kind: "rule", message: "samara_save: the state is not inside its memory, or too large" });
      return null;
    }
    return new Uint8Array(buffer, start, length).slice();
  }

  #restore(domain: Domain, state: Uint8Array): void {
    const at = this.#ask(domain, "samara_restore", state.length);
    const room = domain.memory?.buffer.byteLength ?? 0;
    if (domain.alive && at + state.length > room)
      this.condemn(domain, { kind: "rule", message: "samara_restore: the region is not inside its memory" });
    if (domain.alive) new Uint8Array(domain.memory!.buffer).set(state, at);
    this.#runExport(domain, "samara_restored");
  }

  // ── death ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** From here on calls to the domain answer "dead". Plain stores and one push: it may run near the stack's end. */
  condemn(domain: Domain, why: Pick<Blame, "kind" | "message">): void {
    if (!domain.alive) return;
    const { ledger } = this.#kernel;
    ledger[recordWord(domain, DOMAIN_ALIVE)] = 0;
    domain.state = "dying";
    domain.blame ??= { ...why, error: null, chain: this.#kernel.chain() };
    this.#pending.push(domain);
    ledger[CORE_PENDING >> 2] = 1;
  }

  /** Buries the dead once no frame is on the stack, and tells the host. */
  settle(): void {
    const { ledger } = this.#kernel;
    if (ledger[CORE_DEPTH >> 2] !== 0) return;
    this.#kernel.idle();
    if (ledger[CORE_PENDING >> 2] === 0 || this.#settling) return;
    this.#settling = true;
    try {
      while (ledger[CORE_PENDING >> 2] !== 0) {
        ledger[CORE_PENDING >> 2] = 0;
        const dead = this.#pending;
        this.#pending = [];
        // Those that are suspended are unwound first, and their end brings us here again.
        const suspended = dead.filter((domain) => !this.#layToRest(domain));
        this.#pending.push(...suspended);
        if (this.#pending.length === suspended.length) break;
      }
      if (this.#pending.length > 0) ledger[CORE_PENDING >> 2] = 1;
    } finally {
      this.#settling = false;
      this.#revived.clear();
    }
    for (let report = this.#reports.shift(); report !== undefined; report = this.#reports.shift())
      this.#kernel.host.onFault(report);
  }

  /** Reports a failure that ended nobody's life. */
  report(report: FaultReport): void {
    this.#reports.push(report);
    this.#kernel.ledger[CORE_PENDING >> 2] = 1;
  }

  /**
   * Begins the next life of a domain, from the host's own loop. What it dies of in its first code is reported as any
   * death. A large memory is zeroed in steps, so that nobody else waits for it.
   */
  reviveAgain(domain: Domain): void {
    if (domain.state !== "dead" || !domain.restartAsked) return;
    if (!wipe(domain, WIPE_STEP)) return this.#later(() => this.reviveAgain(domain));
    try {
      this.revive(domain);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }

  #later(call: () => void): void {
    this.#kernel.host.after(0, call);
  }

  /** Buries one of the pending, step by step if there is much to free. @returns false while its stack is left */
  #layToRest(domain: Domain): boolean {
    if (!this.#leaveStack(domain)) return false;
    this.#freeStep(domain);
    return true;
  }

  #freeStep(domain: Domain): void {
    const { reclaim } = domain;
    if (reclaim === null) return;
    if (reclaim.step(RECLAIM_STEP)) this.#finish(domain, reclaim);
    else this.#later(() => this.#freeStep(domain));
    if (domain.reclaim === null && domain.restartAsked) {
      // Who dies in his first code again and again lets the host have control between two lives.
      if (this.#revived.has(domain)) this.#later(() => this.reviveAgain(domain));
      else this.reviveAgain(domain);
      this.#revived.add(domain);
    }
    this.settle();
  }

  /** Buries at once. @returns false while a frame or a suspended stack of the domain is left */
  #bury(domain: Domain): boolean {
    if (!this.#leaveStack(domain)) return false;
    const { reclaim } = domain;
    if (reclaim === null) return true;
    reclaim.step(Infinity);
    this.#finish(domain, reclaim);
    return true;
  }

  /** From dying to dead: nothing of it is on any stack, and it holds nothing. @returns false while that is not so */
  #leaveStack(domain: Domain): boolean {
    if (domain.state !== "dying") return domain.state === "dead";
    if (!this.#kernel.threads.unwind(domain) || this.#onStack(domain)) return false;
    const { heap, linker, trace } = this.#kernel;
    const resettable = domain.admitted!.resettable;
    if (resettable) linker.releaseHeld(domain);
    else linker.dropAll(domain);
    linker.severMinted(domain);
    if (!resettable) domain.exports = domain.memory = null;
    domain.wiped = 0;
    domain.reclaim = heap.beginReclaim(domain.id);
    domain.state = "dead";
    this.#kernel.ended(domain);
    trace.event("fault", domain.id, FAULT_KINDS.indexOf(domain.blame!.kind));
    this.#pending = this.#pending.filter((d) => d !== domain);
    return true;
  }

  #finish(domain: Domain, freed: Reclaim): void {
    domain.reclaim = null;
    const { heap, host, ledger, trace } = this.#kernel;
    ledger[recordWord(domain, DOMAIN_FAULTS)]!++;
    const left = { freed, owned: heap.leftBy(freed), trace: trace.read(domain, POST_MORTEM) };
    const report = makeReport(domain, left, host);
    this.report(report);
    if (this.#kernel.buried(domain, report)) domain.restartAsked = true;
  }

  #onStack(domain: Domain): boolean {
    const { ledger } = this.#kernel;
    for (let i = ledger[CORE_DEPTH >> 2]! - 1; i >= 0; i--)
      if ((ledger[(FRAMES >> 2) + i]! & FRAME_DOMAIN_MASK) === domain.id) return true;
    return false;
  }

  // ── first code ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Enters a domain from the kernel itself. */
  run(domain: Domain, f: Function): void {
    const { ledger } = this.#kernel;
    const depth = ledger[CORE_DEPTH >> 2]!;
    ledger[(FRAMES >> 2) + depth] = domain.id;
    ledger[CORE_DEPTH >> 2] = depth + 1;
    try {
      f();
    } catch (error) {
      ledger[CORE_DEPTH >> 2] = depth;
      this.fault(domain, error);
    }
    ledger[CORE_DEPTH >> 2] = depth;
    this.settle();
  }

  /** Ends a domain from what it threw or, when null, from what was noted. */
  fault(domain: Domain, error: unknown): void {
    if (error !== null && error !== this.#kernel.trap && domain.blame === null)
      domain.blame = { ...classify(error), error: error as Error, chain: this.#kernel.chain(domain) };
    this.condemn(domain, { kind: "killed", message: "killed" });
  }

  #runExport(domain: Domain, name: string): void {
    const f = domain.function(name, { params: [], results: [] });
    if (f !== null && domain.alive) this.run(domain, f);
    if (domain.alive) return;
    throw new KernelError("start", `${domain.name} died in ${name}: ${domain.blame?.message ?? "killed"}`);
  }

  /** Several entries of a domain in a row: if it dies in one, it is buried, and may live again, after the last. */
  #asOne<T>(enter: () => T): T {
    const before = this.#settling;
    this.#settling = true;
    try {
      return enter();
    } finally {
      this.#settling = before;
      this.settle();
    }
  }

  /** Asks the domain where proxies may put text and bytes; a lie is its own fault. */
  #locateArguments(domain: Domain): void {
    const start = (this.#ask(domain, "samara_args") + 7) & ~7;
    const end = start + this.#ask(domain, "samara_args_size");
    if (domain.memory === null || !domain.alive) return;
    if (start < 0 || end > domain.memory.buffer.byteLength || end > 0x7fffffff)
      return this.condemn(domain, { kind: "rule", message: "samara_args: the region is not inside its memory" });
    domain.args.locate(start, end);
  }

  /** The answer of an export that takes numbers and returns one; 0 when there is none, or the domain is dead. */
  #ask(domain: Domain, name: string, ...args: number[]): number {
    const f = domain.function(name, { params: args.map(() => I32), results: [I32] });
    let value = 0;
    if (f !== null && domain.alive) this.run(domain, () => (value = f(...args) >>> 0));
    return value;
  }

  #room(domain: Domain): void {
    const frames = this.#kernel.ledger[CORE_DEPTH >> 2]!;
    if (frames >= MAX_FRAMES) throw new KernelError("limit", `no frame is left to restart ${domain.name}`);
    try {
      this.#kernel.probeDeep();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new KernelError("limit", `no room is left on the stack to restart ${domain.name}`);
    }
  }
}

export function recordWord(domain: Domain, offset: number): number {
  return (DOMAINS + (domain.id << DOMAIN_SHIFT) + offset) >> 2;
}
