/**
 * Threads of a domain: what runs on a stack of its own and can wait.
 *
 * Owns the guest's side of the kernel's thread calls; nothing here allocates. Threads of a domain never run at the same
 * time, and change only where one waits, yields or makes an async call: no locks are needed between two such points. A
 * domain that spawns threads exports their entry: `export { samara_thread } from "os/thread";`. One that has more than
 * one at a time says so in `limits.threads` of its descriptor, with runtime "stub". Invariant: a `Fault` other than
 * `None` is the only way in which a wait fails; in a plain call from another domain every wait fails at once.
 */
import { Fault } from "os/rpc";

// @ts-ignore: decorator
@external("thread", "spawn") declare function spawnEntry(entry: u32, argument: i32, priority: i32): u32;
// @ts-ignore: decorator
@external("thread", "join") declare function join(id: u32, timeoutMs: f64): i32;
// @ts-ignore: decorator
@external("thread", "exit_code") declare function exitCode(id: u32): i32;
// @ts-ignore: decorator
@external("thread", "sleep") declare function sleepMs(ms: f64): i32;
// @ts-ignore: decorator
@external("thread", "yield") declare function yieldTurn(): i32;
// @ts-ignore: decorator
@external("thread", "cancel") declare function cancel(id: u32): i32;
// @ts-ignore: decorator
@external("thread", "self") declare function self(): u32;
// @ts-ignore: decorator
@external("thread", "set_priority") declare function setPriority(id: u32, priority: i32): i32;
// @ts-ignore: decorator
@external("thread", "event_new") declare function eventNew(): u32;
// @ts-ignore: decorator
@external("thread", "event_free") declare function eventFree(id: u32): void;
// @ts-ignore: decorator
@external("thread", "event_set") declare function eventSet(id: u32): void;
// @ts-ignore: decorator
@external("thread", "event_clear") declare function eventClear(id: u32): void;
// @ts-ignore: decorator
@external("thread", "event_notify") declare function eventNotify(id: u32, count: i32): i32;
// @ts-ignore: decorator
@external("thread", "event_wait") declare function eventWait(id: u32, timeoutMs: f64): i32;
// @ts-ignore: decorator
@external("thread", "notify") declare function notify(): void;
// @ts-ignore: decorator
@external("thread", "now") declare function nowMs(): f64;

/** As a time-out: none. */
export const FOREVER: f64 = -1;

export namespace Priority {
  export const Low: i32 = 0;
  export const Normal: i32 = 1;
  export const High: i32 = 2;
  export const Urgent: i32 = 3;
}

/** Where the kernel enters a thread. Only for export. */
export function samara_thread(entry: u32, argument: i32): i32 {
  return call_indirect<i32>(entry, argument);
}

/**
 * Starts a thread that runs `body(argument)` when its turn comes; what that returns is its exit code.
 * @returns a null thread beyond the domain's limit of threads, or the process's
 */
// @ts-ignore: decorator
@inline
export function spawn(body: (argument: i32) => i32, argument: i32 = 0, priority: i32 = Priority.Normal): Thread {
  return changetype<Thread>(spawnEntry(body.index, argument, priority));
}

/** Lets others run for so many milliseconds. */
// @ts-ignore: decorator
@inline
export function sleep(ms: f64): Fault {
  return <Fault>sleepMs(ms);
}

/** Lets the other ready threads run. */
// @ts-ignore: decorator
@inline
export function yieldNow(): Fault {
  return <Fault>yieldTurn();
}

/** Milliseconds of a monotonic clock, with fractions. */
// @ts-ignore: decorator
@inline
export function now(): f64 {
  return nowMs();
}

/** Has the domain's `step` called again, if it sleeps. */
// @ts-ignore: decorator
@inline
export function wakeStep(): void {
  notify();
}

/** A thread: `this` IS its id. */
// @ts-ignore: decorator
@unmanaged @final
export class Thread {
  private constructor() {}

  /** The running thread; null in a plain call. */
  @inline static get current(): Thread {
    return changetype<Thread>(self());
  }

  @inline get id(): u32 {
    return changetype<u32>(this);
  }

  @inline get isNull(): bool {
    return changetype<u32>(this) == 0;
  }

  /** Waits for its end. `Dead`: there was no such thread, or it ended long ago. `Deadlock`: it waits for this one. */
  @inline join(timeoutMs: f64 = FOREVER): Fault {
    return <Fault>join(changetype<u32>(this), timeoutMs);
  }

  /** What its body returned; 0 while it runs, and long after. */
  @inline get exitCode(): i32 {
    return exitCode(changetype<u32>(this));
  }

  /** Ends its wait, or else its next one, with `Cancelled`. False: there is no such thread. */
  @inline cancel(): bool {
    return cancel(changetype<u32>(this)) != 0;
  }

  /** False: there is no such thread. */
  @inline setPriority(priority: i32): bool {
    return setPriority(changetype<u32>(this), priority) != 0;
  }
}

/** Something that happens once: whoever waits goes on when it is set, until it is cleared. `this` IS its id. */
// @ts-ignore: decorator
@unmanaged @final
export class Event {
  private constructor() {}

  /** Null beyond the kernel's limit. */
  @inline static create(): Event {
    return changetype<Event>(eventNew());
  }

  @inline get isNull(): bool {
    return changetype<u32>(this) == 0;
  }

  @inline set(): void {
    eventSet(changetype<u32>(this));
  }

  @inline clear(): void {
    eventClear(changetype<u32>(this));
  }

  @inline wait(timeoutMs: f64 = FOREVER): Fault {
    return <Fault>eventWait(changetype<u32>(this), timeoutMs);
  }

  /** Those that wait get `Dead`. */
  @inline free(): void {
    eventFree(changetype<u32>(this));
  }
}

/**
 * A condition variable: wait in a loop that looks at the condition. There is no lock, because nothing else of the
 * domain runs between the look and the wait. `this` IS its id.
 */
// @ts-ignore: decorator
@unmanaged @final
export class Condition {
  private constructor() {}

  /** Null beyond the kernel's limit. */
  @inline static create(): Condition {
    return changetype<Condition>(eventNew());
  }

  @inline get isNull(): bool {
    return changetype<u32>(this) == 0;
  }

  @inline wait(timeoutMs: f64 = FOREVER): Fault {
    return <Fault>eventWait(changetype<u32>(this), timeoutMs);
  }

  /** Wakes the one that has waited longest. */
  @inline notifyOne(): void {
    eventNotify(changetype<u32>(this), 1);
  }

  @inline notifyAll(): void {
    eventNotify(changetype<u32>(this), i32.MAX_VALUE);
  }

  /** Those that wait get `Dead`. */
  @inline free(): void {
    eventFree(changetype<u32>(this));
  }
}
