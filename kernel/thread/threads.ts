/**
 * Threads of all domains: async calls, spawned threads, and their end.
 *
 * Invariants: a domain has no more threads than its limit, and the process no more than its budget; a domain that dies
 * while it is suspended is unwound by the kernel's trap, never dropped; a result reaches the life of the caller that
 * asked for it, and the wait that it asked in, or nobody.
 */
import type { Domain } from "../domain/domain.ts";
import { isDirect, resultWords, RpcFault, serverSignature, type Method, type ValueType } from "../interface/model.ts";
import { promising, withReturn } from "../proxy/modules.ts";
import { STEP, STEP_SIGNATURE, THREAD_ENTRY, THREAD_ENTRY_SIGNATURE } from "../wasm/intrinsics.ts";
import {
  CORE_DEPTH,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  FIRST_HANDLE,
  OWNER_HOST,
} from "../../shared-heap/layout.ts";
import type { Budget } from "./budget.ts";
import { Poller } from "./poller.ts";
import { Scheduler, type SchedulerKernel } from "./scheduler.ts";
import { DEFAULT_PRIORITY, Thread } from "./thread.ts";

/** What the host's own client of an async method gets: the status, and the words that came with it. */
export interface AsyncAnswer {
  readonly status: number;
  readonly words: Int32Array;
}

/** One edge's method. */
export interface AsyncEdge {
  readonly caller: Domain;
  readonly callee: Domain;
  readonly method: Method;
  /** Starts the callee; its promise gives the status, or for a service of the host what computes it. */
  readonly start: (...args: number[]) => Promise<number | (() => number)>;
  /** Ends the callee, from what it threw or, when null, from what was noted. */
  readonly fault: (error: unknown) => void;
}

type Outcome = { readonly result: number | (() => number) } | { readonly error: unknown };

export interface ThreadKernel extends SchedulerKernel {
  readonly budget: Budget;
  /** Frees an object that nobody is left to receive. */
  discard(handle: number, owner: number): void;
}

export class Threads {
  readonly scheduler: Scheduler;
  readonly #kernel: ThreadKernel;

  constructor(kernel: ThreadKernel) {
    this.#kernel = kernel;
    this.scheduler = new Scheduler(kernel, (thread) => this.#begin(thread));
  }

  /** Whether the running code of `domain` may be suspended: nothing but its own thread is on its stack. */
  maySuspend(domain: Domain): boolean {
    const { running } = this.scheduler;
    return running !== null && running.domain === domain && this.#kernel.ledger[CORE_DEPTH >> 2] === running.base + 1;
  }

  // ── async calls ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** The `refused` of generated proxies: the fault that answers an async call before anything is moved, or 0. */
  refused(caller: Domain, callee: Domain): number {
    // A call would suspend it once more: one that dies must not be.
    if (!caller.alive) throw this.#kernel.trap;
    if (caller.id !== OWNER_HOST && !this.maySuspend(caller)) return RpcFault.cannotSuspend;
    if (callee.id === OWNER_HOST) return 0;
    if (callee.threads.full) return RpcFault.busy;
    return this.#kernel.budget.available ? 0 : RpcFault.exhausted;
  }

  /**
   * The `launch` of generated proxies. Arguments are moved and the callee's frame is pushed.
   * @returns the host's promise, or SUSPENDED
   */
  launch(
    edge: AsyncEdge,
    depth: number,
    args: readonly number[],
    restore: (() => void) | null,
    conclude: (status: number) => number,
  ): number | Promise<AsyncAnswer> {
    const { caller, callee, method } = edge;
    const { scheduler } = this;
    const { running: outer } = scheduler;
    const waiting = caller.id === OWNER_HOST ? null : outer!;
    const label = `${callee.name}.${method.name}`;
    const thread = new Thread(callee, label, waiting?.priority ?? DEFAULT_PRIORITY);
    if (callee.id !== OWNER_HOST) this.#admit(thread);
    // Before the callee runs: what it does may close a ring, or end the wait.
    const waits = waiting === null ? null : scheduler.suspend(waiting, thread, null, Infinity);
    thread.base = depth;
    scheduler.running = thread;
    const call = startCall(edge, args);
    scheduler.running = outer;
    this.#kernel.ledger[CORE_DEPTH >> 2] = depth;
    scheduler.keepWords(thread);
    const end = (outcome: Outcome, answer: (answer: AsyncAnswer) => void): void => {
      if (callee.id !== OWNER_HOST) this.#finish(thread);
      restore?.();
      scheduler.restoreResult(thread);
      // Cancelled, or dead and perhaps alive again: who asked is gone.
      const gone = waiting !== null && (waiting.waitsFor !== thread || !caller.alive);
      const status = this.#conclude(edge, outcome, gone ? null : conclude);
      if (waiting === null) answer({ status, words: this.#words(caller) });
      else if (!gone && caller.alive) this.#deliver(method, waiting, status);
      this.#kernel.settle();
    };
    const on = (answer: (answer: AsyncAnswer) => void): unknown =>
      call.then(
        (result) => end({ result }, answer),
        (error: unknown) => end({ error }, answer),
      );
    if (waits === null) return new Promise(on);
    on(() => {});
    return scheduler.park(waits);
  }

  /** The `start` of an edge to a domain. Bytes of the result are taken at its return: then they are still there. */
  starter(method: Method, implementation: Function): (...args: number[]) => Promise<number> {
    if (!resultTypes(method).some(isText)) return promising(implementation);
    const { scheduler } = this;
    const returned = (status: number): void => {
      const thread = scheduler.running!;
      scheduler.keepWords(thread);
      if (status === 0) keepTexts(thread, method);
    };
    return promising(withReturn(serverSignature(method), implementation, returned));
  }

  /** @param conclude checks and moves the result; null: nobody is left to receive it */
  #conclude(edge: AsyncEdge, outcome: Outcome, conclude: ((status: number) => number) | null): number {
    const { callee } = edge;
    let error: unknown = null;
    if ("error" in outcome) error = outcome.error;
    else if (callee.alive) {
      try {
        const status = (typeof outcome.result === "function" ? outcome.result() : outcome.result) | 0;
        if (conclude !== null) return conclude(status);
        this.#discard(edge, status);
        return RpcFault.crashed;
      } catch (thrown) {
        error = thrown;
      }
    }
    edge.fault(error);
    return RpcFault.crashed;
  }

  /** Wakes the caller; what it got is kept until it runs, because others may run before. */
  #deliver(method: Method, waiting: Thread, status: number): void {
    const { scheduler } = this;
    scheduler.keepWords(waiting);
    if (status === 0) keepTexts(waiting, method);
    scheduler.wake(waiting, status);
  }

  /** Frees the objects of a result that nobody is left to receive. */
  #discard({ method, callee }: AsyncEdge, status: number): void {
    if (isDirect(method.result)) {
      if (status >>> 0 >= FIRST_HANDLE) this.#kernel.discard(status, callee.id);
      return;
    }
    if (status !== 0) return;
    const types = resultTypes(method);
    const words = this.#words(callee);
    resultWords(types).forEach((at, i) => {
      if (types[i]!.kind === "rref") this.#kernel.discard(words[at]!, callee.id);
    });
  }

  #words(domain: Domain): Int32Array {
    const at = (DOMAINS + (domain.id << DOMAIN_SHIFT) + DOMAIN_RETURN) >> 2;
    return this.#kernel.ledger.slice(at, at + 8);
  }

  // ── spawned threads ──────────────────────────────────────────────────────────────────────────────────────────────

  /** A thread that runs `samara_thread(entry, argument)` when its turn comes; null beyond limit or budget. */
  spawn(domain: Domain, entry: number, argument: number, priority: number): Thread | null {
    const { threads } = domain;
    if (!domain.alive || threads.full || !this.#kernel.budget.available) return null;
    const thread = new Thread(domain, null, priority, entry, argument);
    this.#admit(thread);
    this.scheduler.ready(thread);
    return thread;
  }

  #begin(thread: Thread): void {
    const { threads } = thread.domain;
    threads.entry ??= promising(thread.domain.function(THREAD_ENTRY, THREAD_ENTRY_SIGNATURE)!);
    threads.entry(thread.entry, thread.argument).then(
      (code) => {
        this.#finish(thread);
        thread.domain.threads.ended(thread.id, code);
        this.#kernel.settle();
      },
      (error: unknown) => {
        this.#finish(thread);
        this.#kernel.fault(thread.domain, error);
        this.#kernel.settle();
      },
    );
  }

  #admit(thread: Thread): void {
    this.#kernel.budget.take();
    thread.domain.threads.live.set(thread.id, thread);
  }

  #finish(thread: Thread): void {
    thread.state = "ended";
    thread.domain.threads.live.delete(thread.id);
    this.#kernel.budget.give();
    for (let joiner = thread.joiners.first; joiner !== null; joiner = thread.joiners.first)
      this.scheduler.wake(joiner, 0);
  }

  // ── the life of a domain ─────────────────────────────────────────────────────────────────────────────────────────

  /** Called when a domain has started: calls its `step` from now on, if it exports one. */
  adopt(domain: Domain): void {
    const step = domain.function(STEP, STEP_SIGNATURE) as (() => number) | null;
    if (step === null || !domain.alive) return;
    domain.threads.poller = new Poller(domain, step);
    this.scheduler.poll(domain.threads.poller);
  }

  /** Wakes the domain's `step`, if it has one. */
  notify(domain: Domain): void {
    const { poller } = domain.threads;
    if (poller === null) return;
    poller.notified = true;
    this.scheduler.poll(poller);
  }

  /**
   * Ends all that a dying domain has of threads. Its suspended stacks are unwound by the loop, which comes back here
   * through `settle`.
   * @returns whether nothing is left
   */
  unwind(domain: Domain): boolean {
    const { threads } = domain;
    if (!threads.unwinding) {
      threads.unwinding = true;
      if (threads.poller !== null) this.scheduler.stopPolling(threads.poller);
      threads.poller = null;
      for (const thread of threads.live.values()) {
        if (thread.state !== "new") this.scheduler.unwind(thread);
        else {
          this.scheduler.forget(thread);
          this.#finish(thread);
        }
      }
    }
    if (threads.live.size > 0) return false;
    threads.clear();
    return true;
  }
}

function resultTypes({ result }: Method): readonly ValueType[] {
  if (result.kind === "void") return [];
  return result.kind === "value" ? [result.type] : result.fields.map((f) => f.type);
}

function isText({ kind }: ValueType): boolean {
  return kind === "str" || kind === "slice";
}

/** Notes the bytes that the words of a result point to. */
function keepTexts(thread: Thread, method: Method): void {
  const types = resultTypes(method);
  resultWords(types).forEach((word, i) => {
    const type = types[i]!;
    if (type.kind !== "str" && type.kind !== "slice") return;
    const [at, length] = [thread.words[word]! >>> 0, thread.words[word + 1]! >>> 0];
    const memory = new Uint8Array(thread.domain.memory?.buffer ?? new ArrayBuffer(0));
    // What lies outside, or is too long, is found and blamed when the result is checked.
    if (length <= type.max && at + length <= memory.length)
      thread.texts.push({ at, bytes: memory.slice(at, at + length) });
  });
}

/** A service of the host may throw at once; a promising export never does. */
function startCall(edge: AsyncEdge, args: readonly number[]): Promise<number | (() => number)> {
  try {
    return Promise.resolve(edge.start(...args));
  } catch (error) {
    return Promise.reject(error);
  }
}
