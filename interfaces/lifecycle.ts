/**
 * The right to watch, restart and end one domain.
 *
 * Owns the contract between whoever looks after a domain and the kernel. Invariant: an object of this interface is one
 * domain of the manifest (`supervisor.NAME`) in all its lives, and gives no right to another.
 */
import type { RpcResult, u32 } from "./prelude.ts";
import type { DomainState } from "./system.ts";

export declare enum LifecycleError {
  /** The domain died again in its first code. */
  Died,
  /** A call into the domain has not returned yet: it lives again as soon as that has. */
  Busy,
  /** Too little of the stack is left for a restart. */
  NoRoom,
  /** The domain is dead already. */
  NotRunning,
}

/** One domain in all its lives. */
export interface Lifecycle {
  /** Its state, which of its lives it is in (from 1), and how many of them ended. */
  state(): RpcResult<{ state: DomainState; generation: u32; faults: u32 }, never>;
  /**
   * Ends the domain, if it lives, and begins its next life: with its first memory, and owning nothing. Capabilities to
   * what it provides work again. Allowed in the middle of a call. Returns its generation.
   */
  restart(): RpcResult<u32, LifecycleError>;
  /** Ends the domain as if it had crashed. */
  kill(): RpcResult<void, LifecycleError>;
}
