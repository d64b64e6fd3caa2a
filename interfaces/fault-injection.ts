/**
 * Crashes on request, in the middle of the work: how recovery is tested.
 *
 * Owns the contract between a domain with fault points and who arms them. Invariant: a domain that nobody armed behaves
 * as one without fault points, and a new life begins unarmed.
 */
import type { RpcResult, u32 } from "./prelude.ts";

/** The right to crash a domain at one of its fault points. */
export interface FaultInjection {
  /** The domain traps when it passes its `after`-th fault point from now; 0: not any more. */
  arm(after: u32): RpcResult<void, never>;
}
