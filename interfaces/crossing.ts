/**
 * Loops around the calls of `Echo`, so that a benchmark times many crossings with one entry from the host.
 *
 * Owns the contract between the crossing benchmark and its calling domain. Invariant: a loop does nothing but the call
 * that it is named after.
 */
import type { RpcResult, u32 } from "./prelude.ts";

export declare enum CrossingCase {
  /** `ping`. */
  Null,
  /** `add`. */
  Arg1,
  /** `move`, one packet there and back. */
  RRef,
  /** `lend`. */
  Borrow,
  /** `deque` with 32 packets in it. */
  Deque32,
  /** `bytes64` with as many bytes as the argument says. */
  Bytes64,
  /** `bytes1500` with as many bytes as the argument says. */
  Bytes1500,
  /** `chain`, as deep as the argument says. */
  Chain,
  /** `ping` of as many objects in turn as the argument says. */
  Domains,
}

export declare enum CrossingError {
  /** A call answered an error or a fault, or not what it should. */
  Failed,
  /** No such case, or an argument beyond what the domain can do. */
  Unknown,
}

/** The calling side of the crossing benchmark. */
export interface Crossing {
  /** Makes `rounds` calls; returns how many it made. */
  run(what: CrossingCase, argument: u32, rounds: u32): RpcResult<u32, CrossingError>;
}
