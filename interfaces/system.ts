/**
 * What a shell or an init domain may ask of the kernel.
 *
 * Owns the contract of the kernel's own service. Invariant: it shows and ends domains, and gives no access to their
 * memory or objects.
 */
import type { RpcResult, Str, u32, u64 } from "./prelude.ts";

export declare enum SystemError {
  /** There is no domain at this position, or of this name. */
  NoSuchDomain,
  /** The domain is dead already. */
  NotRunning,
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
  /** Exchange heap in use, objects in it, and calls between domains since boot. */
  statistics(): RpcResult<{ heapBytes: u64; objects: u32; domains: u32; calls: u64 }, never>;
}
