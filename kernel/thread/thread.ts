/**
 * Threads: what runs on a stack of its own and may be suspended, and what each domain has of them.
 *
 * A thread is an async method call in progress, or one that a domain spawned. Invariants: a thread is in at most one
 * list (a ready queue, the waiters of an event, the joiners of a thread); an id is given again in one domain's
 * lives only after 2^31 others, so a stale one finds nothing, and never while it is in use.
 */
import type { Domain } from "../domain/domain.ts";
import { RETURN_WORDS } from "../../shared-heap/layout.ts";
import type { Poller } from "./poller.ts";
import type { Timed } from "./timers.ts";

/** Priorities are 0 … 3, the highest first; unwinding goes before all. */
export const PRIORITIES = 4;
export const DEFAULT_PRIORITY = 1;

/** Threads in the order of their arrival, linked through the threads themselves. */
export class ThreadList {
  #head: Thread | null = null;
  #tail: Thread | null = null;

  get first(): Thread | null {
    return this.#head;
  }

  push(thread: Thread): void {
    thread.list = this;
    thread.previous = this.#tail;
    if (this.#tail === null) this.#head = thread;
    else this.#tail.next = thread;
    this.#tail = thread;
  }

  remove(thread: Thread): void {
    const { previous, next } = thread;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    thread.list = thread.previous = thread.next = null;
  }

  shift(): Thread | null {
    const thread = this.#head;
    if (thread !== null) this.remove(thread);
    return thread;
  }
}

/** An event of one domain: waiters, and whether it is set. As a condition variable it is never set, only notified. */
export class Event {
  set = false;
  readonly waiters = new ThreadList();
}

/** new: its first code has not run. switching: taken by the loop, its stack is about to go on. */
export type ThreadState = "new" | "ready" | "switching" | "running" | "waiting" | "ended";

export class Thread implements Timed {
  readonly domain: Domain;
  readonly id: number;
  /** As people read it: `kv/thread 3`, `disk.read`. */
  readonly label: string;
  priority: number;
  state: ThreadState;
  /** Index of its frame while it runs. */
  base = 0;
  /** Its result words while others run. */
  readonly words = new Int32Array(RETURN_WORDS);
  /** Text and bytes of its result, or that were delivered to it: where, and what; while others may overwrite them. */
  readonly texts: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  /** Argument of `samara_thread`, of a spawned one. */
  readonly entry: number;
  readonly argument: number;
  /** Settle the promise that it is suspended on. */
  resolve: ((status: number) => void) | null = null;
  reject: ((error: unknown) => void) | null = null;
  /** The status that its wait ends with, and the one that it ends with at the deadline. */
  outcome = 0;
  timeOut = 0;
  /** It goes on by the kernel's trap. */
  unwinding = false;
  /** Its next wait ends at once. */
  cancelled = false;
  waitsFor: Thread | Event | null = null;
  readonly joiners = new ThreadList();
  deadline = Infinity;
  heapIndex = -1;
  list: ThreadList | null = null;
  previous: Thread | null = null;
  next: Thread | null = null;

  constructor(domain: Domain, label: string | null, priority: number, entry = 0, argument = 0) {
    this.domain = domain;
    this.id = domain.threads.nextId();
    this.label = label ?? `${domain.name}/thread ${this.id}`;
    this.priority = priority;
    this.state = label === null ? "new" : "running";
    this.entry = entry;
    this.argument = argument;
  }

  /** Whether it can only be woken by a thread of its own domain: no time-out, and no call that will end. */
  get stuck(): boolean {
    const target = this.waitsFor;
    if (this.state !== "waiting" || this.deadline !== Infinity || target === null) return false;
    return target instanceof Event || target.domain === this.domain;
  }
}

const MAX_ID = 0x7fffffff;
/** The most that a domain can have of them. */
const MAX_EVENTS = 65_536;

/** What one domain has of threads and events. */
export class DomainThreads {
  /** Threads at once, suspended ones included; less while children have some of them. */
  limit: number;
  readonly live = new Map<number, Thread>();
  /** How many of them are `stuck`. */
  stuck = 0;
  /** Its threads have been told to unwind. */
  unwinding = false;
  poller: Poller | null = null;
  /** `samara_thread`, made to run on a stack of its own. */
  entry: ((entry: number, argument: number) => Promise<number>) | null = null;
  readonly #events = new Map<number, Event>();
  /** Exit codes of the last `limit` threads that ended, oldest first. */
  readonly #ended = new Map<number, number>();
  #serial: number;

  /** @param serial the last id that was given */
  constructor(limit: number, serial = 0) {
    this.limit = limit;
    this.#serial = serial;
  }

  /** Numbers come around one day: one that is in use is not given again: its thread would be lost. */
  nextId(): number {
    do this.#serial = (this.#serial + 1) & MAX_ID || 1;
    while (this.live.has(this.#serial) || this.#events.has(this.#serial));
    return this.#serial;
  }

  get full(): boolean {
    return this.live.size >= this.limit;
  }

  ended(id: number, code: number): void {
    if (this.#ended.size >= this.limit) for (const oldest of this.#ended.keys()) return this.#replace(oldest, id, code);
    this.#ended.set(id, code);
  }

  /** Exit code of one of the last threads that ended. */
  exitCode(id: number): number | undefined {
    return this.#ended.get(id);
  }

  event(id: number): Event | null {
    return this.#events.get(id) ?? null;
  }

  /** Id of a new event, or 0 when there are too many. */
  newEvent(): number {
    if (this.#events.size >= MAX_EVENTS) return 0;
    const id = this.nextId();
    this.#events.set(id, new Event());
    return id;
  }

  freeEvent(id: number): void {
    this.#events.delete(id);
  }

  /** Nothing is left for the next life but the ids. */
  clear(): void {
    this.#events.clear();
    this.#ended.clear();
    this.entry = null;
    this.stuck = 0;
    this.unwinding = false;
  }

  #replace(oldest: number, id: number, code: number): void {
    this.#ended.delete(oldest);
    this.#ended.set(id, code);
  }
}
