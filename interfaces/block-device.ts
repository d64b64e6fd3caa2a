/**
 * Block devices: storage in blocks of 4 KiB.
 *
 * Owns the contract between a disk (RAM disk, NVMe driver, shadow) and what stores data on it. Invariants: a request
 * is an object that the caller gives away and gets back with the answer, so nothing is copied; a device that lives
 * keeps none that it was given through `submit`, and loses none.
 */
import type { Bytes, Deque, RpcResult, RRef, u32, u64 } from "./prelude.ts";

export declare enum BlockError {
  /** The device failed. */
  Io,
  /** The block number is not below the capacity. */
  OutOfRange,
  /** The block's contents are not what was written last. */
  Corrupt,
}

export declare enum BlockOperation {
  /** Fills `data` with the contents of `block`. */
  Read,
  /** Makes `data` the contents of `block`. */
  Write,
}

/** How a request of `submit` ended: ok, or as `BlockError`. */
export declare enum BlockStatus {
  Ok,
  Io,
  OutOfRange,
  Corrupt,
  /** The operation is none that the device knows. */
  Unsupported,
}

/** One block on its way to or from a device. */
export type BlockRequest = {
  /** The block's contents; first, so that they begin on a cache line. */
  data: Bytes<4096>;
  /** Number of the block, from 0. */
  block: u64;
  /** For the client's own use; it comes back as it was. */
  tag: u32;
  /** What `submit` shall do; `read` and `write` do not look at it. */
  operation: BlockOperation;
  /** Set by `poll`. */
  status: BlockStatus;
};

/**
 * A device of fixed size; all numbers of blocks are below `capacity`.
 *
 * Two ways to use it: one block at a time (`read`, `write`), or with many requests in flight (`submit`, `poll`).
 * Requests that are in flight together take effect in any order: whoever wants one after the other waits for the first.
 * A write is acknowledged when it comes back with ok. One that failed may have changed the block, also in parts.
 * There is one queue: whoever polls gets what is done, so one client submits and polls, however many read and write.
 */
export interface BlockDevice {
  /** Fills `data` with the contents of `block`. On an error the request is gone. */
  read(request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, BlockError>;
  /** Makes `data` the contents of `block`. On an error the request is gone. */
  write(request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, BlockError>;
  /**
   * Takes requests, from the front, and gives the deque back: empty, or with those for which the device has no room
   * until others were polled. Never an error: what is wrong with a request stands in its `status` when it comes back.
   */
  submit(requests: RRef<Deque<BlockRequest, 32>>): RpcResult<RRef<Deque<BlockRequest, 32>>, never>;
  /**
   * Appends requests that are done, each once, in any order, as many as there is room for, and gives the deque back.
   * Never waits: when none is done, nothing is appended.
   */
  poll(done: RRef<Deque<BlockRequest, 32>>): RpcResult<RRef<Deque<BlockRequest, 32>>, never>;
  /** Returns when all writes acknowledged so far are where a restart finds them. */
  flush(): RpcResult<void, BlockError>;
  /** Number of blocks. */
  capacity(): RpcResult<u64, BlockError>;
  /**
   * Milliseconds after which a request has come back, whatever happens to the device: whoever has waited longer may
   * take the one who promised this for dead.
   */
  patience(): RpcResult<u32, never>;
  /** How many blocks were read and written, and how many requests failed, since the device started. */
  statistics(): RpcResult<{ reads: u64; writes: u64; errors: u64 }, never>;
}
