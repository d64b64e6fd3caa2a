/**
 * What a shell or an init domain may ask of the kernel.
 *
 * Owns the contract of the kernel's own service. Invariant: it shows, ends and restarts domains, and gives no access to
 * their memory or objects.
 */
import type { RpcResult, Str, u32, u64 } from "./prelude.ts";

export declare enum SystemError {
  /** There is no domain at this position, or of this name. */
  NoSuchDomain,
  /** The domain is dead already. */
  NotRunning,
  /** The domain died again in its first code. */
  Died,
  /** A call into the domain has not returned yet: it lives again as soon as that has. */
  Busy,
  /** Too little of the stack is left for a restart. */
  NoRoom,
}

export declare enum SystemPage {
  /** Limits and use of a domain, its calls, and why it died last. */
  Inspect,
  /** The last calls of a domain, calls into it, and what the kernel did with it. */
  Trace,
}

export declare enum DomainState {
  /** Loaded, and not started yet. */
  Loaded,
  Running,
  /** Killed or crashed, and not yet off every stack. */
  Dying,
  /** What it owned is being reclaimed, or is. */
  Dead,
}

/** The running system, as the kernel sees it. */
export interface System {
  /** Number of domains in the manifest, dead ones included. */
  count(): RpcResult<u32, never>;
  /** Name of the domain at a position from 0 to `count() - 1`. */
  name(position: u32): RpcResult<Str<64>, SystemError>;
  /**
   * State of the domain, its generation (which of its lives it is in, from 1), its faults, and what it holds of the
   * exchange heap.
   */
  domain(
    position: u32,
  ): RpcResult<{ state: DomainState; generation: u32; faults: u32; bytes: u64; objects: u32 }, SystemError>;
  /** Why the domain died last; empty when it never did. */
  lastFault(position: u32): RpcResult<Str<512>, SystemError>;
  /** Ends a domain as if it had crashed. */
  kill(name: Str<64>): RpcResult<void, SystemError>;
  /** Ends the domain, if it lives, and begins its next life. Returns its generation. */
  restart(name: Str<64>): RpcResult<u32, SystemError>;
  /**
   * A line of a page about a domain; empty behind the last one. Line 0 makes the page, the others are of the page that
   * was made last.
   */
  page(what: SystemPage, name: Str<64>, line: u32): RpcResult<Str<512>, SystemError>;
  /** Exchange heap in use, objects in it, and calls between domains since boot. */
  statistics(): RpcResult<{ heapBytes: u64; objects: u32; domains: u32; calls: u64 }, never>;
}
