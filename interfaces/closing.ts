/**
 * What a domain does when the system ends in order.
 *
 * Owns the contract between the host program and domains that leave something behind: a device to shut down, data to
 * write. Invariant: a system that is killed calls nobody, so nothing that was promised may depend on this call.
 */
import type { RpcResult } from "./prelude.ts";

/** Called once, when everybody who uses the domain has ended, and before it ends itself. */
export interface Closing {
  close(): RpcResult<void, never>;
}
