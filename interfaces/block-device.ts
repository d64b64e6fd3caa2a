/**
 * Block devices: storage in blocks of 4 KiB.
 *
 * Owns the contract between a disk (RAM disk, NVMe driver, shadow) and what stores data on it. Invariant: a request
 * is an object that the caller gives away with the call and gets back with the answer, so nothing is copied.
 */
import type { Bytes, RpcResult, RRef, u32, u64 } from "./prelude.ts";

export declare enum BlockError {
  /** The device failed. */
  Io,
  /** The block number is not below the capacity. */
  OutOfRange,
}

/** One block on its way to or from a device. */
export type BlockRequest = {
  /** Number of the block, from 0. */
  block: u64;
  /** For the client's own use; the device leaves it as it is. */
  tag: u32;
  /** The block's contents. */
  data: Bytes<4096>;
};

/** A device of fixed size; all numbers of blocks are below `capacity`. */
export interface BlockDevice {
  /** Fills `data` with the contents of `block`. On an error the request is gone. */
  read(request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, BlockError>;
  /** Makes `data` the contents of `block`. On an error the request is gone. */
  write(request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, BlockError>;
  /** Returns when all blocks written so far are where a restart finds them. */
  flush(): RpcResult<void, BlockError>;
  /** Number of blocks. */
  capacity(): RpcResult<u64, BlockError>;
  /** How many blocks were read and written, and how many requests failed, since the device started. */
  statistics(): RpcResult<{ reads: u64; writes: u64; errors: u64 }, never>;
}
