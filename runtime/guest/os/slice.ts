/**
 * A stretch of bytes in the domain's own memory: how text and bytes are passed by value.
 *
 * Owns views for parameters and results, and buffers that a domain makes itself. Invariant: every access is checked
 * against the length; nothing here is collected, so a slice that the domain made lives until it frees it, and one
 * that a call brought is valid until that call (or the next call of the same method) is over.
 */
import { decodeText, encodeText } from "os/text";

/** Bytes of the header in front of the bytes of an allocated slice. */
const HEADER: usize = 16;

// @ts-ignore: decorator
@unmanaged @final
export class Slice {
  /** First byte, in the domain's own memory. */
  ptr: usize;
  /** Bytes in use. */
  length: i32;
  /** Bytes that there is room for. */
  capacity: i32;

  private constructor() {}

  /** A new empty buffer: make it once and keep it. */
  static allocate(capacity: i32): Slice {
    if (capacity < 0) abort("Slice.allocate: negative capacity");
    const slice = changetype<Slice>(heap.alloc(HEADER + <usize>capacity));
    slice.ptr = changetype<usize>(slice) + HEADER;
    slice.length = 0;
    slice.capacity = capacity;
    return slice;
  }

  /** A view of an array, which must live as long as the view. */
  static of(array: StaticArray<u8>): Slice {
    const slice = changetype<Slice>(heap.alloc(HEADER));
    slice.ptr = changetype<usize>(array);
    slice.length = array.length;
    slice.capacity = array.length;
    return slice;
  }

  /** Gives back what `allocate` or `of` took. Never for slices that a call brought. */
  free(): void {
    heap.free(changetype<usize>(this));
  }

  /** Changes the number of bytes in use, within the capacity; bytes that come in keep what they held. */
  setLength(length: i32): void {
    if (<u32>length > <u32>this.capacity) abort("Slice.setLength: beyond the capacity");
    this.length = length;
  }

  @inline get(i: i32): u8 {
    if (<u32>i >= <u32>this.length) outOfRange();
    return load<u8>(this.ptr + <usize>i);
  }

  @inline set(i: i32, byte: u8): void {
    if (<u32>i >= <u32>this.length) outOfRange();
    store<u8>(this.ptr + <usize>i, byte);
  }

  /** Reads a scalar at a byte offset, little-endian, at any alignment. */
  @inline read<T>(at: i32): T {
    if (<u64><u32>at + sizeof<T>() > <u64>this.length) outOfRange();
    return load<T>(this.ptr + <usize>at);
  }

  /** Writes a scalar at a byte offset, little-endian, at any alignment. */
  @inline write<T>(at: i32, value: T): void {
    if (<u64><u32>at + sizeof<T>() > <u64>this.length) outOfRange();
    store<T>(this.ptr + <usize>at, value);
  }

  fill(byte: u8): void {
    memory.fill(this.ptr, byte, <usize>this.length);
  }

  /** Copies all bytes into `into` from index `at` on; returns how many. */
  copyTo(into: StaticArray<u8>, at: i32 = 0): i32 {
    if (at < 0 || at > into.length || this.length > into.length - at) outOfRange();
    memory.copy(changetype<usize>(into) + <usize>at, this.ptr, <usize>this.length);
    return this.length;
  }

  /** Makes this a copy of the first `length` bytes of an array. */
  copyFrom(from: StaticArray<u8>, length: i32): void {
    if (<u32>length > <u32>from.length) outOfRange();
    this.setLength(length);
    memory.copy(this.ptr, changetype<usize>(from), <usize>length);
  }

  /** Makes this a copy of another slice. */
  assign(from: Slice): void {
    this.setLength(from.length);
    memory.copy(this.ptr, from.ptr, <usize>from.length);
  }

  /** A copy that the collector owns. Allocates. */
  toArray(): StaticArray<u8> {
    const array = new StaticArray<u8>(this.length);
    this.copyTo(array);
    return array;
  }

  equals(other: Slice): bool {
    return this.length == other.length && memory.compare(this.ptr, other.ptr, <usize>this.length) == 0;
  }

  /** Makes this the UTF-8 of a text. False when there is not enough room: nothing changes then. */
  setText(text: string): bool {
    const bytes = encodeText(text, this.ptr, this.capacity);
    if (bytes > this.capacity) return false;
    this.length = bytes;
    return true;
  }

  /** The bytes as text. Allocates. */
  toText(): string {
    return decodeText(this.ptr, this.length);
  }
}

function outOfRange(): void {
  abort("Slice: index or length out of range");
}
