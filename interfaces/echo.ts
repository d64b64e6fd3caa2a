/**
 * Calls that do almost nothing, in every form that a call can have.
 *
 * Owns the contract that benchmarks and tests measure and check. Invariant: each method's cost is the crossing's own.
 */
import type { Borrow, Bytes, Deque, f64, RpcResult, RRef, Slice, Str, u32, u64 } from "./prelude.ts";

export declare enum EchoError {
  /** The method was asked to fail. */
  Asked,
}

/** A network packet of at most one Ethernet frame. */
export type Packet = {
  /** Bytes of `data` in use. */
  length: u32;
  port: u32;
  data: Bytes<1514>;
};

/** One method for each kind of crossing. */
export interface Echo {
  /** No argument, no value: the null call. */
  ping(): RpcResult<void, never>;
  /** Returns its argument plus one. */
  add(value: u32): RpcResult<u32, never>;
  /** Moves a packet there and back. */
  move(packet: RRef<Packet>): RpcResult<RRef<Packet>, EchoError>;
  /** Lends a packet; returns its `length`. */
  lend(packet: Borrow<Packet>): RpcResult<u32, never>;
  /** Moves a deque of packets there and back. */
  deque(packets: RRef<Deque<Packet, 32>>): RpcResult<RRef<Deque<Packet, 32>>, never>;
  /** Copies up to 64 bytes there; returns how many arrived. */
  bytes64(data: Slice<64>): RpcResult<u32, never>;
  /** Copies up to 1,500 bytes there; returns how many arrived. */
  bytes1500(data: Slice<1500>): RpcResult<u32, never>;
  /** Copies bytes there and back. */
  slice(data: Slice<1500>): RpcResult<Slice<1500>, EchoError>;
  /** Copies text there and back. */
  text(line: Str<256>): RpcResult<Str<256>, EchoError>;
  /** Scalars of every size in one answer. */
  scalars(small: u32, big: u64, real: f64): RpcResult<{ big: u64; small: u32; real: f64 }, EchoError>;
  /** Passes a null call on through the next `depth` domains of a chain; returns how many it reached. */
  chain(depth: u32): RpcResult<u32, EchoError>;
  /** Calls `ping` of the capability that it is given, and gives it back. */
  callback(peer: Echo): RpcResult<Echo, EchoError>;
}
