/**
 * The kernel calls of threads, import module `thread`.
 *
 * Invariants: a domain names only threads and events of its own; nobody is suspended who cannot be (it gets a code),
 * nor who dies; no exception but the kernel's trap object enters a domain.
 */
import type { Domain } from "../domain/domain.ts";
import { RpcFault } from "../interface/model.ts";
import { bridge, makeBridge } from "../proxy/modules.ts";
import { THREAD_CALLS, THREAD_ENTRY, THREAD_ENTRY_SIGNATURE } from "../wasm/intrinsics.ts";
import { importKey } from "../wasm/policy.ts";
import { findRing, isLast } from "./deadlock.ts";
import { PRIORITIES, type Event, type Thread, type ThreadList } from "./thread.ts";
import type { Threads } from "./threads.ts";

export interface ThreadCallKernel {
  readonly trap: WebAssembly.RuntimeError;
  readonly threads: Threads;
  readonly probe: (never: 0) => void;
  now(): number;
  blame(domain: Domain, message: string): never;
  /** Tells the host of a wait that was refused. */
  deadlock(ring: string): void;
}

const SUSPENDING = ["join", "sleep", "yield", "event_wait"] as const;
const ENTRIES = SUSPENDING.map((name) => ({ signature: THREAD_CALLS[name]!, async: true }));
let guard: WebAssembly.Module | undefined;

/** Adds the functions behind `THREAD_CALLS` for one instance. */
export function threadCalls(kernel: ThreadCallKernel, domain: Domain, calls: Map<string, Function>): void {
  const waits = suspendingCalls(kernel, domain);
  guard ??= makeBridge(ENTRIES);
  const guarded = bridge(
    guard,
    SUSPENDING.map((name) => guardedWait(kernel, domain, waits[name])),
    kernel.threads.scheduler.parked,
  );
  SUSPENDING.forEach((name, i) => calls.set(importKey("thread", name), guarded[i]!));
  for (const [name, f] of Object.entries({ ...threadControl(kernel, domain), ...eventControl(kernel, domain) }))
    calls.set(importKey("thread", name), (a: number, b: number, c: number) => {
      kernel.probe(0);
      return f(a, b, c);
    });
}

type Call = (a: number, b: number, c: number) => number | void;

function threadControl(kernel: ThreadCallKernel, domain: Domain): Record<string, Call> {
  const { threads } = kernel;
  const { scheduler } = threads;
  const { live } = domain.threads;
  const priorityOf = (priority: number): number =>
    priority >>> 0 < PRIORITIES ? priority : kernel.blame(domain, `thread: ${priority} is no priority`);
  return {
    spawn(entry, argument, priority) {
      if (domain.function(THREAD_ENTRY, THREAD_ENTRY_SIGNATURE) === null)
        return kernel.blame(domain, `thread.spawn: it does not export ${THREAD_ENTRY}(i32, i32) → i32`);
      return threads.spawn(domain, entry, argument, priorityOf(priority))?.id ?? 0;
    },
    exit_code: (id) => domain.threads.exitCode(id) ?? 0,
    cancel(id) {
      const thread = live.get(id);
      if (thread === undefined) return 0;
      if (thread.state === "waiting") scheduler.wake(thread, RpcFault.cancelled);
      else thread.cancelled = true;
      return 1;
    },
    self() {
      const { running } = scheduler;
      return running !== null && threads.maySuspend(domain) ? running.id : 0;
    },
    set_priority(id, priority) {
      const thread = live.get(id);
      if (thread === undefined) return 0;
      scheduler.setPriority(thread, priorityOf(priority));
      return 1;
    },
    notify: () => threads.notify(domain),
    now: () => kernel.now(),
  };
}

function eventControl(kernel: ThreadCallKernel, domain: Domain): Record<string, Call> {
  const { scheduler } = kernel.threads;
  const event = (name: string, id: number): Event =>
    domain.threads.event(id) ?? kernel.blame(domain, `thread.${name}: ${id} is no event of its own`);
  const wake = ({ waiters }: Event, count: number, status: number): number => {
    let woken = 0;
    for (; woken < count && waiters.first !== null; woken++) scheduler.wake(waiters.first, status);
    return woken;
  };
  return {
    event_new: () => domain.threads.newEvent(),
    event_free(id) {
      wake(event("event_free", id), Infinity, RpcFault.dead);
      domain.threads.freeEvent(id);
    },
    event_set(id) {
      const it = event("event_set", id);
      it.set = true;
      wake(it, Infinity, 0);
    },
    event_clear(id) {
      event("event_clear", id).set = false;
    },
    event_notify: (id, count) => wake(event("event_notify", id), count >>> 0, 0),
  };
}

/** A status, when there is nothing to wait for, or what the running thread is suspended on. */
type Wait = (thread: Thread, a: number, b: number) => number | Promise<number>;

/** Waits in a thread that can be suspended, lives, and was not cancelled. */
function guardedWait({ probe, trap, threads }: ThreadCallKernel, domain: Domain, wait: Wait): Function {
  return (a: number, b: number): number => {
    probe(0);
    if (!threads.maySuspend(domain)) return RpcFault.cannotSuspend;
    if (!domain.alive) throw trap;
    const thread = threads.scheduler.running!;
    if (thread.cancelled) {
      thread.cancelled = false;
      return RpcFault.cancelled;
    }
    const status = wait(thread, a, b);
    return typeof status === "number" ? status : threads.scheduler.park(status);
  };
}

function suspendingCalls(kernel: ThreadCallKernel, domain: Domain): Record<(typeof SUSPENDING)[number], Wait> {
  const { scheduler } = kernel.threads;
  const deadlock = (ring: string): number => {
    kernel.deadlock(ring);
    return RpcFault.deadlock;
  };
  const wait = (
    thread: Thread,
    target: Thread | Event,
    list: ThreadList,
    timeout: number,
  ): number | Promise<number> => {
    if (timeout === 0) return RpcFault.timedOut;
    thread.timeOut = RpcFault.timedOut;
    return scheduler.suspend(thread, target, list, timeout > 0 ? kernel.now() + timeout : Infinity);
  };
  return {
    join(thread, id, timeout) {
      const target = domain.threads.live.get(id);
      if (target === undefined) return domain.threads.exitCode(id) === undefined ? RpcFault.dead : 0;
      const ring = timeout >= 0 ? null : findRing(thread, target);
      return ring === null ? wait(thread, target, target.joiners, timeout) : deadlock(ring);
    },
    sleep(thread, ms) {
      if (!(ms > 0)) return scheduler.pause(thread);
      thread.timeOut = 0;
      return scheduler.suspend(thread, null, null, kernel.now() + ms);
    },
    yield: (thread) => scheduler.pause(thread),
    event_wait(thread, id, timeout) {
      const event = domain.threads.event(id);
      if (event === null) return kernel.blame(domain, `thread.event_wait: ${id} is no event of its own`);
      if (event.set) return 0;
      if (!(timeout >= 0) && isLast(thread))
        return deadlock(`${thread.label} waits for an event that nobody is left to set`);
      return wait(thread, event, event.waiters, timeout);
    },
  };
}
