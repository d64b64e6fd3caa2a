/**
 * Objects in the exchange heap: what every generated record and container class inherits.
 *
 * Owns typed access to objects. `this` IS the handle (a 32-bit number, never a pointer into private memory), so all
 * of it costs nothing at run time. Invariant: nothing here allocates in private memory or keeps a handle. A handle
 * that was moved, freed or put into a container is stale: using it ends the domain.
 */
import { Borrow } from "heap/modes";
import * as intrinsics from "heap/intrinsics";

/** Loads a T (any scalar) at a byte offset; the kernel's code checks owner, generation and bounds. */
// @ts-ignore: decorator
@inline
export function loadField<T>(handle: u32, offset: u32): T {
  if (isFloat<T>()) {
    if (sizeof<T>() == 8) return <T>intrinsics.load_f64(handle, offset);
    return <T>intrinsics.load_f32(handle, offset);
  }
  if (isBoolean<T>()) return <T>(intrinsics.load_u8(handle, offset) != 0);
  if (sizeof<T>() == 1) {
    if (isSigned<T>()) return <T>intrinsics.load_i8(handle, offset);
    return <T>intrinsics.load_u8(handle, offset);
  }
  if (sizeof<T>() == 2) {
    if (isSigned<T>()) return <T>intrinsics.load_i16(handle, offset);
    return <T>intrinsics.load_u16(handle, offset);
  }
  if (sizeof<T>() == 4) return <T>intrinsics.load_i32(handle, offset);
  return <T>intrinsics.load_i64(handle, offset);
}

/** Stores a T (any scalar) at a byte offset, with the same checks. */
// @ts-ignore: decorator
@inline
export function storeField<T>(value: T, handle: u32, offset: u32): void {
  if (isFloat<T>()) {
    if (sizeof<T>() == 8) intrinsics.store_f64(<f64>value, handle, offset);
    else intrinsics.store_f32(<f32>value, handle, offset);
  } else if (sizeof<T>() == 1) intrinsics.store_i8(<i32>value, handle, offset);
  else if (sizeof<T>() == 2) intrinsics.store_i16(<i32>value, handle, offset);
  else if (sizeof<T>() == 4) intrinsics.store_i32(<i32>value, handle, offset);
  else intrinsics.store_i64(<i64>value, handle, offset);
}

/** Loads a T (any scalar) of the object in a container's slot; the container may be borrowed. */
// @ts-ignore: decorator
@inline
export function peekField<T>(container: u32, slot: u32, offset: u32): T {
  if (isFloat<T>()) {
    if (sizeof<T>() == 8) return <T>reinterpret<f64>(intrinsics.peek_i64(container, slot, offset));
    return <T>reinterpret<f32>(intrinsics.peek_i32(container, slot, offset));
  }
  if (isBoolean<T>()) return <T>(intrinsics.peek_u8(container, slot, offset) != 0);
  if (sizeof<T>() == 1) return <T>intrinsics.peek_u8(container, slot, offset);
  if (sizeof<T>() == 2) return <T>intrinsics.peek_u16(container, slot, offset);
  if (sizeof<T>() == 4) return <T>intrinsics.peek_i32(container, slot, offset);
  return <T>intrinsics.peek_i64(container, slot, offset);
}

/** Ends the domain unless `length` bytes or elements at `at` lie within `limit`. */
// @ts-ignore: decorator
@inline
export function checkRange(at: u32, length: u32, limit: u32): void {
  if (at > limit || length > limit - at) outOfRange();
}

function outOfRange(): void {
  abort("index or length beyond the field");
}

/** Ends the domain with a message that names the type; `create` calls it when no object can be had. */
export function exhausted(name: string): void {
  abort(name + ": no object left: the domain's quota or the heap is exhausted");
}

// @ts-ignore: decorator
@unmanaged
export class HeapObject {
  protected constructor() {}

  /** The handle as a number: for messages and tables only. */
  @inline get handle(): u32 {
    return changetype<u32>(this);
  }

  /** Whether this is no object at all, as `take` and `pop` answer for an empty slot or deque. */
  @inline get isNull(): bool {
    return changetype<u32>(this) == 0;
  }

  /** Visible bytes. */
  @inline get size(): u32 {
    return intrinsics.size(changetype<u32>(this));
  }

  /** Frees the object and all that it contains. Only the owner can, and not while it is lent. */
  @inline free(): void {
    intrinsics.free(changetype<u32>(this));
  }

  /** Changes the visible size; growth reads as zero. False beyond what the object's block holds, or below its type. */
  @inline resize(bytes: u32): bool {
    return intrinsics.resize(changetype<u32>(this), bytes) != 0;
  }

  /** Copies `length` bytes from another object (or this one; overlap is fine). Offsets count from the first byte. */
  @inline copyFrom(from: Borrow<HeapObject>, fromAt: u32, length: u32, at: u32): void {
    intrinsics.copy(changetype<u32>(from), fromAt, length, changetype<u32>(this), at);
  }
}
