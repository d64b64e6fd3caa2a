/**
 * The loop: wakes ready threads one after another, and calls `step` of the domains that poll.
 *
 * The frame stack of the ledger holds only what runs now. To wake a thread is three jobs in a row in the microtask
 * queue with nothing between them: push its frame, resume its stack, pop. Invariants: the host gets control at least
 * every WINDOW_MS, whatever the load, so nothing chains in microtasks for ever; when nothing is ready, one host timer
 * is armed for the earliest time-out and nothing runs; a switch allocates nothing here.
 */
import type { Domain } from "../domain/domain.ts";
import type { Host } from "../host/host.ts";
import {
  CORE_DEPTH,
  CORE_EPOCH,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  FRAMES,
  RETURN_WORDS,
} from "../../shared-heap/layout.ts";
import { SUSPENDED } from "../proxy/modules.ts";
import type { Poller } from "./poller.ts";
import { ReadyQueue } from "./ready.ts";
import { Thread, type Event, type ThreadList } from "./thread.ts";
import { Timers } from "./timers.ts";

/** Milliseconds after which the host gets control. */
const WINDOW_MS = 1;
/** While threads are ready, every so many choices go to a poller; and so many steps are made without a look at them. */
const POLLER_SHARE = 16;
const STEPS = 32;

export interface SchedulerKernel {
  readonly ledger: Int32Array;
  readonly trap: WebAssembly.RuntimeError;
  readonly host: Pick<Host, "now" | "after" | "turn">;
  /** Ends a domain from what it threw. */
  fault(domain: Domain, error: unknown): void;
  /** Called whenever the stack is empty. */
  settle(): void;
}

export class Scheduler {
  /** The thread that runs; null for plain calls from the host, and for steps. */
  running: Thread | null = null;
  readonly #kernel: SchedulerKernel;
  readonly #begin: (thread: Thread) => void;
  readonly #ready = new ReadyQueue();
  readonly #timers = new Timers<Thread | Poller>();
  /** Pollers to be called again, and whose turn it is. */
  #hot: Poller[] = [];
  #turn = 0;
  #choices = 0;
  #switching: Thread | null = null;
  #parked: Promise<number> | null = null;
  /** A pass is queued or under way, or waits for the host to have had control. */
  #busy = false;
  #paused = false;
  /** A turn of the host is pending: since when. */
  #windowOpen = false;
  #windowStart = 0;
  #armed = Infinity;
  #disarm: (() => void) | null = null;

  /** @param begin first run of a thread, with its frame pushed; must not throw */
  constructor(kernel: SchedulerKernel, begin: (thread: Thread) => void) {
    this.#kernel = kernel;
    this.#begin = begin;
  }

  /** Makes a thread ready that is new or was suspended. */
  ready(thread: Thread): void {
    if (thread.state !== "new") thread.state = "ready";
    this.#ready.push(thread);
    this.#kick();
  }

  /** Takes a thread out that never ran. */
  forget(thread: Thread): void {
    if (thread.list !== null) this.#ready.remove(thread);
  }

  setPriority(thread: Thread, priority: number): void {
    const queued = thread.list !== null && (thread.state === "ready" || thread.state === "new");
    if (queued) this.#ready.remove(thread);
    thread.priority = priority;
    if (queued) this.#ready.push(thread);
  }

  /**
   * The running thread is going to be suspended on the promise that this returns: see `park`.
   * @param list where to wait; null: for the time-out or a `wake` only
   * @param deadline on the host's clock, or Infinity
   */
  suspend(thread: Thread, target: Thread | Event | null, list: ThreadList | null, deadline: number): Promise<number> {
    thread.state = "waiting";
    thread.waitsFor = target;
    thread.deadline = deadline;
    list?.push(thread);
    if (deadline !== Infinity) this.#timers.add(thread);
    if (thread.stuck) thread.domain.threads.stuck++;
    this.#rearm();
    return settleable(thread);
  }

  /** The same until its turn comes again. */
  pause(thread: Thread): Promise<number> {
    const promise = settleable(thread);
    thread.outcome = 0;
    this.ready(thread);
    return promise;
  }

  /** What an async entry of the bridge returns to be suspended on `promise`. */
  park(promise: Promise<number>): number {
    this.#parked = promise;
    return SUSPENDED;
  }

  /** The suspending import of all bridges. */
  readonly parked = (): Promise<number> => this.#parked!;

  /** Ends a thread's wait. Does nothing for one that does not wait. */
  wake(thread: Thread, outcome: number): void {
    if (thread.state !== "waiting") return;
    if (thread.stuck) thread.domain.threads.stuck--;
    thread.list?.remove(thread);
    this.#timers.remove(thread);
    thread.waitsFor = null;
    thread.outcome = outcome;
    this.ready(thread);
  }

  /** A suspended thread goes on by the kernel's trap. */
  unwind(thread: Thread): void {
    if (thread.state === "ready") this.#ready.remove(thread);
    else if (thread.state !== "waiting") return;
    thread.unwinding = true;
    if (thread.state === "ready") this.ready(thread);
    else this.wake(thread, 0);
  }

  /** From now on the domain's `step` is called. */
  poll(poller: Poller): void {
    this.#timers.remove(poller);
    poller.idleMs = 0;
    if (poller.hot) return;
    poller.hot = true;
    this.#hot.push(poller);
    this.#kick();
  }

  stopPolling(poller: Poller): void {
    this.#timers.remove(poller);
    if (poller.hot) this.#cool(poller);
    this.#rearm();
  }

  /** Takes a poller out of the round. */
  #cool(poller: Poller): void {
    poller.hot = false;
    this.#hot.splice(this.#hot.indexOf(poller), 1);
  }

  keepWords(thread: Thread): void {
    const at = words(thread.domain);
    for (let i = 0; i < RETURN_WORDS; i++) thread.words[i] = this.#kernel.ledger[at + i]!;
  }

  /** Puts words and texts back to where they were. */
  restoreResult(thread: Thread): void {
    const at = words(thread.domain);
    for (let i = 0; i < RETURN_WORDS; i++) this.#kernel.ledger[at + i] = thread.words[i]!;
    for (const text of thread.texts) new Uint8Array(thread.domain.memory!.buffer).set(text.bytes, text.at);
    thread.texts.length = 0;
  }

  // ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────

  #kick(): void {
    if (this.#busy) return;
    this.#busy = true;
    queueMicrotask(this.#pass);
  }

  /** One choice. Runs with an empty stack; what the last thread has caused in microtasks is done. */
  readonly #pass = (): void => {
    const { host } = this.#kernel;
    const now = host.now();
    if (!this.#windowOpen) {
      this.#windowOpen = true;
      this.#windowStart = now;
      host.turn(this.#hostTurned);
    } else if (now - this.#windowStart >= WINDOW_MS) {
      this.#paused = true;
      return;
    }
    this.#expire(now);
    const toPoller = this.#hot.length > 0 && ++this.#choices % POLLER_SHARE === 0;
    const thread = toPoller ? null : this.#ready.shift();
    if (thread !== null) return this.#switchTo(thread);
    if (this.#hot.length === 0) return this.#sleep();
    this.#steps();
    queueMicrotask(this.#pass);
  };

  readonly #hostTurned = (): void => {
    this.#windowOpen = false;
    if (!this.#paused) return;
    this.#paused = false;
    this.#pass();
  };

  #sleep(): void {
    this.#busy = false;
    this.#rearm();
  }

  /** Arms the host's timer for the earliest time-out. While the loop is busy, it looks at the time itself. */
  #rearm(): void {
    const earliest = this.#timers.first?.deadline ?? Infinity;
    if (this.#busy || earliest === this.#armed) return;
    this.#disarm?.();
    this.#disarm = null;
    this.#armed = earliest;
    const { host } = this.#kernel;
    if (earliest !== Infinity) this.#disarm = host.after(Math.max(0, earliest - host.now()), this.#timeOut);
  }

  readonly #timeOut = (): void => {
    this.#armed = Infinity;
    this.#disarm = null;
    this.#kick();
  };

  #expire(now: number): void {
    for (let first = this.#timers.first; first !== null && first.deadline <= now; first = this.#timers.first) {
      if (first instanceof Thread) this.wake(first, first.timeOut);
      else {
        this.#timers.remove(first);
        first.hot = true;
        this.#hot.push(first);
      }
    }
  }

  #switchTo(thread: Thread): void {
    this.#switching = thread;
    if (thread.state === "new") {
      this.#push();
      this.#begin(thread);
      this.#pop();
      return;
    }
    thread.state = "switching";
    const { resolve, reject } = thread;
    thread.resolve = thread.reject = null;
    queueMicrotask(this.#push);
    if (thread.unwinding) reject!(this.#kernel.trap);
    else resolve!(thread.outcome);
    queueMicrotask(this.#pop);
  }

  readonly #push = (): void => {
    const { ledger } = this.#kernel;
    const thread = this.#switching!;
    thread.state = "running";
    thread.base = 0;
    ledger[FRAMES >> 2] = thread.domain.id;
    ledger[CORE_DEPTH >> 2] = 1;
    // Killed when it was too late to reject its promise: it must not run on beyond the next tick.
    if (!thread.domain.alive) ledger[CORE_EPOCH >> 2] = 1;
    this.running = thread;
    this.restoreResult(thread);
  };

  readonly #pop = (): void => {
    this.keepWords(this.#switching!);
    this.#switching = null;
    this.running = null;
    this.#kernel.ledger[CORE_DEPTH >> 2] = 0;
    this.#kernel.settle();
    // Not at once: a call that has just ended is concluded first, before anything else runs in its domain.
    queueMicrotask(this.#pass);
  };

  // ── domains that poll ────────────────────────────────────────────────────────────────────────────────────────────

  #steps(): void {
    const { host } = this.#kernel;
    for (let i = 0; i < STEPS && this.#hot.length > 0; i++) {
      this.#turn = this.#turn < this.#hot.length ? this.#turn : 0;
      const poller = this.#hot[this.#turn]!;
      const did = this.#step(poller);
      if (did > 0) {
        poller.idleMs = 0;
        this.#turn++;
      } else if (poller.hot) {
        // Its place may be another now: who died in its step has left the round.
        this.#cool(poller);
        if (did === 0 && poller.domain.alive) this.#timers.add(poller.rest(host.now()));
      }
      if (this.#ready.size > 0 || host.now() - this.#windowStart >= WINDOW_MS) return;
    }
  }

  /** Enters a domain as a plain call does. */
  #step(poller: Poller): number {
    const { ledger } = this.#kernel;
    const { domain } = poller;
    if (!domain.alive) return -1;
    poller.notified = false;
    let did = -1;
    ledger[FRAMES >> 2] = domain.id;
    ledger[CORE_DEPTH >> 2] = 1;
    try {
      did = poller.step();
    } catch (error) {
      ledger[CORE_DEPTH >> 2] = 0;
      this.#kernel.fault(domain, error);
    }
    ledger[CORE_DEPTH >> 2] = 0;
    this.#kernel.settle();
    return did <= 0 && poller.notified ? 1 : did;
  }
}

function words(domain: Domain): number {
  return (DOMAINS + (domain.id << DOMAIN_SHIFT) + DOMAIN_RETURN) >> 2;
}

function settleable(thread: Thread): Promise<number> {
  return new Promise((resolve, reject) => {
    thread.resolve = resolve;
    thread.reject = reject;
  });
}
