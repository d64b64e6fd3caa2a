/**
 * A fixed number of slots for objects in the exchange heap: `RRef<Array<T, N>>`.
 *
 * Owns the typed view; the generated class for each N adds `create`. Invariant: a slot is empty or holds one object,
 * and a put never overwrites: putting into an occupied slot ends the domain.
 */
import { HeapObject, peekField } from "heap/object";
import * as intrinsics from "heap/intrinsics";

// @ts-ignore: decorator
@unmanaged
export class HeapArray<T> extends HeapObject {
  protected constructor() {
    super();
  }

  /** Whether the slot holds an object; a borrowed array can be asked too. */
  @inline has(slot: u32): bool {
    return intrinsics.has(changetype<u32>(this), slot) != 0;
  }

  /** Moves `object` into an empty slot. */
  @inline put(object: T, slot: u32): void {
    intrinsics.put(changetype<u32>(object), changetype<u32>(this), slot);
  }

  /** Takes the object out of the slot; `isNull` when the slot is empty. */
  @inline take(slot: u32): T {
    return changetype<T>(intrinsics.take(changetype<u32>(this), slot));
  }

  /** Reads a scalar of the object in the slot in place: `array.peek<u32>(0, Packet.lengthAt)`. */
  @inline peek<V>(slot: u32, offset: u32): V {
    return peekField<V>(changetype<u32>(this), slot, offset);
  }
}
