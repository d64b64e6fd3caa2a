/**
 * A queue of objects in the exchange heap: `RRef<Deque<T, N>>`.
 *
 * Owns the typed view; the generated class for each N adds `create`. Invariant: moving a deque moves all that is in it,
 * at the price of one object; what is in it has no handle until it is popped.
 */
import { Offer } from "heap/modes";
import { HeapObject, peekField } from "heap/object";
import { OwnedArray } from "heap/owned";
import * as intrinsics from "heap/intrinsics";

// @ts-ignore: decorator
@unmanaged
export class Deque<T> extends HeapObject {
  protected constructor() {
    super();
  }

  /** Number of objects in it; a borrowed deque can be asked too. */
  @inline get length(): i32 {
    return intrinsics.len(changetype<u32>(this));
  }

  /** Moves `object` to the back. False when the deque is full: the object stays the caller's. */
  @inline push(object: Offer<T>): bool {
    return intrinsics.push(changetype<u32>(object), changetype<u32>(this)) != 0;
  }

  /** Moves `object` to the back; ends the domain when the deque is full. */
  @inline append(object: T): void {
    if (intrinsics.push(changetype<u32>(object), changetype<u32>(this)) == 0) full();
  }

  /** Takes the object at the front; `isNull` when the deque is empty. */
  @inline pop(): T {
    return changetype<T>(intrinsics.pop(changetype<u32>(this)));
  }

  /** Moves the first `count` objects of `from` to the back; returns how many found room. */
  pushN(from: OwnedArray<T>, count: i32): i32 {
    if (<u32>count > <u32>from.length) abort("pushN: count beyond the array");
    const moved = intrinsics.push_n(from.pointer, count, changetype<u32>(this));
    for (let i = 0; i < moved; i++) from.take(i);
    return moved;
  }

  /** Takes up to `count` objects into the first places, which must be empty; returns how many there were. */
  popN(into: OwnedArray<T>, count: i32): i32 {
    if (<u32>count > <u32>into.length) abort("popN: count beyond the array");
    for (let i = 0; i < count; i++) if (into.has(i)) abort("popN: a place of the array is occupied");
    return intrinsics.pop_n(into.pointer, count, changetype<u32>(this));
  }

  /** Reads a scalar of the i-th object from the front in place: `deque.peek<u32>(0, Packet.lengthAt)`. */
  @inline peek<V>(i: u32, offset: u32): V {
    return peekField<V>(changetype<u32>(this), i, offset);
  }
}

function full(): void {
  abort("append: the deque is full");
}
