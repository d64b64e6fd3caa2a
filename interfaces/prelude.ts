/**
 * The words that interface files are written with, as TypeScript types, so that any editor checks and navigates them.
 *
 * Owns nothing at run time: the IDL compiler knows these names itself and reads the interface files' text, not these
 * types. Invariant: what the compiler accepts, `tsc` accepts too.
 */

/* Scalars, little-endian. */
export type bool = boolean;
export type u8 = number;
export type i8 = number;
export type u16 = number;
export type i16 = number;
export type u32 = number;
export type i32 = number;
export type u64 = bigint;
export type i64 = bigint;
export type f32 = number;
export type f64 = number;

declare const brand: unique symbol;

/** Moves an object in the exchange heap to the other side; in a record, a slot that holds one. */
export interface RRef<T> {
  readonly [brand]: ["rref", T];
}

/** Lends an object for the duration of the call. Parameters only. */
export interface Borrow<T> {
  readonly [brand]: ["borrow", T];
}

/** A queue of at most N objects: `RRef<Deque<Packet, 32>>`. */
export interface Deque<T, N extends number> {
  readonly [brand]: ["deque", T, N];
}

/** In a record, N scalars in place. As `RRef<Array<T, N>>`, N slots for objects. */
interface FixedArray<T, N extends number> {
  readonly [brand]: ["array", T, N];
}
export type { FixedArray as Array };

/** N bytes in place, in a record. */
export interface Bytes<N extends number> {
  readonly [brand]: ["bytes", N];
}

/** UTF-8 text of at most N bytes, copied between the private memories. */
export interface Str<N extends number> {
  readonly [brand]: ["str", N];
}

/** At most N bytes, copied between the private memories. */
export interface Slice<N extends number> {
  readonly [brand]: ["slice", N];
}

/** What every method returns: T, or a member of the enum E, or a fault that only the kernel can produce. */
export interface RpcResult<T, E> {
  readonly [brand]: ["result", T, E];
}
