/**
 * An interface with every kind of value, for the compiler's own tests.
 */
import type {
  bool, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult,
} from "./prelude.ts";

export declare enum Color { Red, Green, Blue }
export declare enum Failure { Soft, Hard }

/** A record with every kind of field. */
export type Thing = {
  flag: bool;
  a: u8;
  b: i8;
  c: u16;
  d: i16;
  e: u32;
  f: i32;
  g: u64;
  h: i64;
  i: f32;
  j: f64;
  color: Color;
  table: Array<i16, 4>;
  flags: Array<bool, 2>;
  data: Bytes<100>;
  next: RRef<Thing>;
  queue: RRef<Deque<Thing, 4>>;
};

export interface Peer { ping(): RpcResult<void, never> }

export interface Kinds {
  nothing(): RpcResult<void, Failure>;
  narrow(flag: bool, a: u8, b: i8, c: u16, d: i16): RpcResult<i32, Failure>;
  wide(g: u64, h: i64): RpcResult<i64, never>;
  reals(i: f32, j: f64): RpcResult<{ first: u8; j: f64; i: f32; flag: bool }, never>;
  color(color: Color): RpcResult<Color, never>;
  move(thing: RRef<Thing>): RpcResult<RRef<Thing>, Failure>;
  lend(thing: Borrow<Thing>): RpcResult<u64, never>;
  queue(things: RRef<Deque<Thing, 4>>): RpcResult<{ count: u32; things: RRef<Deque<Thing, 4>> }, Failure>;
  slots(things: RRef<Array<Thing, 2>>): RpcResult<RRef<Array<Thing, 2>>, never>;
  text(before: u32, line: Str<16>, after: u32): RpcResult<Str<32>, Failure>;
  bytes(data: Slice<16>, more: Slice<16>): RpcResult<Slice<32>, Failure>;
  both(line: Str<8>, data: Slice<8>): RpcResult<{ line: Str<8>; big: u64; data: Slice<8> }, Failure>;
  peer(peer: Peer): RpcResult<Peer, Failure>;
  delete(depth: u32, data: Slice<4>): RpcResult<u32, never>;
}
