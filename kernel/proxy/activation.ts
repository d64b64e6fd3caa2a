/**
 * Calls of async methods: the callee runs on a stack of its own (JSPI), and may be suspended together with its caller.
 *
 * The frame stack of the ledger holds only what runs now. Whenever a suspended domain is woken, three jobs follow each
 * other in the microtask queue with nothing between them: push its frame, resume it, pop. Invariants: a domain is in
 * one
 * activation at a time; a domain that dies while suspended is unwound by the kernel's trap, never dropped; result words
 * are kept while others run.
 */
import type { Domain } from "../domain/domain.ts";
import { isDirect, RpcFault, type Method } from "../interface/model.ts";
import {
  CORE_DEPTH,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  FRAMES,
  OWNER_HOST,
  RETURN_WORDS,
} from "../../shared-heap/layout.ts";
import { resultWords } from "./generate.ts";

/** What the host's own client of an async method gets: the status, and the words that came with it. */
export interface AsyncAnswer {
  readonly status: number;
  readonly words: Int32Array;
}

interface Waiter {
  readonly resolve: (status: number) => void;
  readonly reject: (error: unknown) => void;
}

export class Activation {
  readonly domain: Domain;
  /** Index of its frame while it runs. */
  base: number;
  /** Set while the domain is suspended in a call of its own. */
  waiter: Waiter | null = null;
  readonly words = new Int32Array(RETURN_WORDS);

  constructor(domain: Domain, base: number) {
    this.domain = domain;
    this.base = base;
  }
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

export interface ActivationKernel {
  readonly ledger: Int32Array;
  readonly trap: WebAssembly.RuntimeError;
  /** Frees an object that nobody is left to receive. */
  discard(handle: number, owner: number): void;
  settle(): void;
}

export class Activations {
  readonly #kernel: ActivationKernel;
  /** The activation that runs; null for plain calls from the host. */
  #current: Activation | null = null;

  constructor(kernel: ActivationKernel) {
    this.#kernel = kernel;
  }

  /** Whether the running code of `domain` may be suspended: nothing but its own activation is on its stack. */
  maySuspend(domain: Domain): boolean {
    const running = this.#current;
    return running !== null && running.domain === domain && this.#kernel.ledger[CORE_DEPTH >> 2] === running.base + 1;
  }

  /** The `launch` of generated proxies. Arguments are moved and the callee's frame is pushed. */
  launch(
    edge: AsyncEdge,
    depth: number,
    args: readonly number[],
    restore: (() => void) | null,
    conclude: (status: number) => number,
  ): Promise<number | AsyncAnswer> {
    const { caller, callee } = edge;
    const activation = new Activation(callee, depth);
    const outer = this.#current;
    if (callee.id !== OWNER_HOST) callee.activation = activation;
    this.#current = activation;
    const running = start(edge, args);
    this.#current = outer;
    this.#kernel.ledger[CORE_DEPTH >> 2] = depth;
    this.#keepWords(activation);
    return new Promise((resolve, reject) => {
      const waiting = caller.id === OWNER_HOST ? null : outer!;
      if (waiting !== null) waiting.waiter = { resolve, reject };
      const end = (outcome: Outcome): void => {
        if (callee.activation === activation) callee.activation = null;
        restore?.();
        this.#restoreWords(activation);
        this.#deliver(caller, waiting, resolve, this.#conclude(edge, outcome, conclude));
      };
      running.then(
        (result) => end({ result }),
        (error: unknown) => end({ error }),
      );
    });
  }

  /** Unwinds a dying domain that is suspended: its call ends in the kernel's trap. */
  unwind(domain: Domain): void {
    const activation = domain.activation;
    const waiter = activation?.waiter ?? null;
    if (activation === null || waiter === null) return;
    this.#wake(activation, () => waiter.reject(this.#kernel.trap));
  }

  #conclude(edge: AsyncEdge, outcome: Outcome, conclude: (status: number) => number): number {
    const { caller, callee } = edge;
    let error: unknown = null;
    if ("error" in outcome) error = outcome.error;
    else if (callee.alive) {
      try {
        const status = (typeof outcome.result === "function" ? outcome.result() : outcome.result) | 0;
        if (caller.alive) return conclude(status);
        this.#discard(edge, status);
        return RpcFault.crashed;
      } catch (thrown) {
        error = thrown;
      }
    }
    edge.fault(error);
    return RpcFault.crashed;
  }

  #deliver(
    caller: Domain,
    waiting: Activation | null,
    resolve: (value: number | AsyncAnswer) => void,
    status: number,
  ): void {
    // A dead caller's frame is unwound, or will be: what it waited for reaches nobody.
    if (!caller.alive) return this.#kernel.settle();
    if (waiting === null) {
      resolve({ status, words: Int32Array.from(this.#words(caller)) });
      return this.#kernel.settle();
    }
    this.#keepWords(waiting);
    this.#wake(waiting, () => resolve(status));
  }

  /** Frees the objects of a result that nobody is left to receive. */
  #discard(edge: AsyncEdge, status: number): void {
    const { result } = edge.method;
    if (isDirect(result)) return this.#kernel.discard(status, edge.callee.id);
    const types = result.kind === "fields" ? result.fields.map((f) => f.type) : [];
    const words = this.#words(edge.callee);
    resultWords(types).forEach((at, i) => {
      if (types[i]!.kind === "rref") this.#kernel.discard(words[at]!, edge.callee.id);
    });
  }

  #wake(activation: Activation, settle: () => void): void {
    const { ledger } = this.#kernel;
    queueMicrotask(() => {
      activation.waiter = null;
      activation.base = 0;
      ledger[FRAMES >> 2] = activation.domain.id;
      ledger[CORE_DEPTH >> 2] = 1;
      this.#current = activation;
      this.#restoreWords(activation);
    });
    settle();
    queueMicrotask(() => {
      this.#keepWords(activation);
      this.#current = null;
      ledger[CORE_DEPTH >> 2] = 0;
      this.#kernel.settle();
    });
  }

  #words(domain: Domain): Int32Array {
    const at = (DOMAINS + (domain.id << DOMAIN_SHIFT) + DOMAIN_RETURN) >> 2;
    return this.#kernel.ledger.subarray(at, at + RETURN_WORDS);
  }

  #keepWords(activation: Activation): void {
    activation.words.set(this.#words(activation.domain));
  }

  #restoreWords(activation: Activation): void {
    this.#words(activation.domain).set(activation.words);
  }
}

/** A service of the host may throw at once; a promising export never does. */
function start(edge: AsyncEdge, args: readonly number[]): Promise<number | (() => number)> {
  try {
    return Promise.resolve(edge.start(...args));
  } catch (error) {
    return Promise.reject(error);
  }
}
