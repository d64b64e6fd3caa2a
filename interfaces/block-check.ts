/**
 * A client of a block device that knows what every block must hold.
 *
 * Owns the contract between the fault campaign and its client domain. Invariant: `errors` counts what a client notices
 * by itself (errors, faults, answers to nothing it asked, requests that do not come back), `wrong` what it would have
 * believed.
 */
import type { RpcResult, u32 } from "./prelude.ts";

export declare enum CheckError {
  /** A block could not be written or read. */
  Failed,
  /** A block was written and read, and held something else. */
  Wrong,
}

/** Load with known contents. */
export interface BlockCheck {
  /**
   * Writes every block, and reads each back: whatever was in doubt is certain then. Returns how many blocks there are.
   */
  repair(seed: u32): RpcResult<u32, CheckError>;
  /** Submits `count` reads and writes, at most 32, of random blocks, and does not wait for them. */
  start(count: u32): RpcResult<{ errors: u32; wrong: u32 }, never>;
  /**
   * Waits for what is in flight, `patience` polls at most, makes `count` reads and writes, one after the other, and
   * reads every block. Gives up after the eighth error. `lost`: requests that never came back.
   */
  finish(count: u32, patience: u32): RpcResult<{ errors: u32; wrong: u32; lost: u32 }, never>;
  /** Reads every block. */
  verify(): RpcResult<{ errors: u32; wrong: u32 }, never>;
}
