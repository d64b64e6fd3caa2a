/**
 * What a block device stores on: the platters, so to speak, which keep their contents when the driver dies.
 *
 * Owns the contract between a driver and its medium. Invariant: every transfer is whole or has not happened, and no
 * object of the medium's ever leaves it; so whatever happens to a driver, a block holds what was last transferred.
 */
import type { BlockRequest } from "./block-device.ts";
import type { Borrow, RpcResult, RRef, u32, u64 } from "./prelude.ts";

export declare enum MediumError {
  /** No such block, or bytes beyond its end. */
  OutOfRange,
}

/** A medium of fixed size. */
export interface BlockMedium {
  /** Copies bytes `at` … `at + length` of a block to the same place of the request. On an error the request is gone. */
  read(block: u64, at: u32, length: u32, request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, MediumError>;
  /** Copies bytes `at` … `at + length` of the request to the same place of a block. */
  write(block: u64, at: u32, length: u32, request: Borrow<BlockRequest>): RpcResult<void, MediumError>;
  /** Number of blocks. */
  capacity(): RpcResult<u64, never>;
}
