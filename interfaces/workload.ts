/**
 * Loops over a block device, so that a benchmark times many requests with one entry from the host.
 *
 * Owns the contract between the recovery benchmark and its client of the disk. Invariant: a loop does nothing but the
 * requests, and says how many of them succeeded.
 */
import type { BlockOperation } from "./block-device.ts";
import type { RpcResult, u32 } from "./prelude.ts";

export declare enum WorkloadError {
  /** The device does not say how large it is. */
  NoDevice,
}

/** A client of a block device that chooses blocks at random. */
export interface Workload {
  /** Reads or writes `count` random blocks, one at a time. Returns how many the device answered with ok. */
  plain(operation: BlockOperation, count: u32): RpcResult<u32, WorkloadError>;
  /** The same with up to `depth` (at most 32) requests in flight. */
  inFlight(operation: BlockOperation, count: u32, depth: u32): RpcResult<u32, WorkloadError>;
}
