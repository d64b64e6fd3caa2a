/**
 * Places for objects of the exchange heap in what lives long: fields, statics, tables.
 *
 * Owns the discipline of such places: an object is put in and taken out, so it has one name at any time. Invariant: a
 * place is empty or holds one object; putting into an occupied one ends the domain, and nothing here allocates later.
 */
import { Borrow } from "heap/modes";

/** A place for one object. */
@final
export class Owned<T> {
  private handle: u32 = 0;

  @inline get isEmpty(): bool {
    return this.handle == 0;
  }

  /** Moves `object` into the empty place. */
  @inline put(object: T): void {
    if (this.handle != 0) occupied();
    this.handle = changetype<u32>(object);
  }

  /** Takes the object out; `isNull` when there is none. */
  @inline take(): T {
    const handle = this.handle;
    this.handle = 0;
    return changetype<T>(handle);
  }

  /** What lies here, to look at or to lend; whoever uses it when the place is empty ends the domain. */
  @inline get borrowed(): Borrow<T> {
    return changetype<T>(this.handle);
  }
}

/** A fixed number of places, each for one object. An index beyond the end ends the domain. */
@final
export class OwnedArray<T> {
  private handles: StaticArray<u32>;

  constructor(length: i32) {
    this.handles = new StaticArray<u32>(length);
  }

  @inline get length(): i32 {
    return this.handles.length;
  }

  @inline has(i: i32): bool {
    return this.handles[i] != 0;
  }

  /** Moves `object` into an empty place. */
  @inline put(object: T, i: i32): void {
    const handles = this.handles;
    if (handles[i] != 0) occupied();
    unchecked((handles[i] = changetype<u32>(object)));
  }

  /** Takes the object out of a place; `isNull` when it is empty. */
  @inline take(i: i32): T {
    const handles = this.handles;
    const handle = handles[i];
    unchecked((handles[i] = 0));
    return changetype<T>(handle);
  }

  /** What lies in a place, to look at or to lend; whoever uses it when the place is empty ends the domain. */
  @inline at(i: i32): Borrow<T> {
    return changetype<T>(this.handles[i]);
  }

  /** Where the handles lie: for the bulk moves of a deque. */
  @inline get pointer(): usize {
    return changetype<usize>(this.handles);
  }
}

function occupied(): void {
  abort("the place holds an object already: take it first");
}
