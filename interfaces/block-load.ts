/**
 * Load on a block device: loops that a benchmark enters once for many requests.
 *
 * Owns the contract between the recovery benchmark and its working domain. Invariant: an answer that is ok means that
 * every request was answered, and with the block that was asked for.
 */
import type { BlockOperation } from "./block-device.ts";
import type { RpcResult, u32 } from "./prelude.ts";

export declare enum LoadError {
  /** A request met an error or a fault. */
  Failed,
  /** A block held another one's contents. */
  Wrong,
}

/** The working side of the recovery benchmark. */
export interface BlockLoad {
  /** Reads or writes `count` random blocks, one after the other. */
  run(operation: BlockOperation, count: u32): RpcResult<void, LoadError>;
}
