/**
 * Load on a block device: loops that a benchmark enters once for many requests.
 *
 * Owns the contract between the recovery benchmark and its working domain. Invariant: an answer that is ok means that
 * every request was answered, and with the block that was asked for.
 */
import type { BlockOperation } from "./block-device.ts";
import type { bool, RpcResult, u32 } from "./prelude.ts";

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

/** In which order blocks are asked for. */
export declare enum LoadPattern {
  Random,
  /** One after the other, from the first on again after the last. */
  Sequential,
}

/** The working side of the benchmarks of queues. */
export interface QueueLoad {
  /**
   * Takes its buffers, and asks the disk for its size. Failed: the disk is not ready yet.
   * @param known whether the disk holds nothing but zeros and what `run` wrote, so that reads can be looked at
   */
  open(known: bool): RpcResult<void, LoadError>;
  /**
   * Reads or writes `count` blocks, with up to `depth` (1 to 128) requests in flight, of which up to `batch` (1 to 32)
   * are submitted with one call.
   */
  run(operation: BlockOperation, pattern: LoadPattern, depth: u32, batch: u32, count: u32): RpcResult<void, LoadError>;
}
