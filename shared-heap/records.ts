/**
 * Object records of the ledger (memory 2): reading them, and the checks that every operation begins with.
 *
 * Owns the position of each record word. Changes nothing after construction: containers.ts and ledger.ts do. A handle
 * is valid only for its owner and only in its generation, and no check here depends on anything that a domain or a
 * device can write.
 *
 * Handles are i32 as Wasm has them (signed in JavaScript); both signs of the same 32 bits are accepted.
 */
import type { Allocator } from "./allocator.ts";
import { HeapError, type HeapErrorCode } from "./errors.ts";
import {
  GENERATION_BITS,
  GENERATION_MASK,
  ledgerBytes,
  LENT,
  MAX_DOMAINS,
  MAX_OBJECTS,
  OBJECT_ADDRESS,
  OBJECT_BLOCK,
  OBJECT_CHARGED,
  OBJECT_LINK,
  OBJECT_SHIFT,
  OBJECT_SIZE,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OBJECTS,
  OWNER_CONTAINED,
  OWNER_NONE,
  TYPE_MASK,
} from "./layout.ts";
import { typeWord } from "./types.ts";

/** Words of a record: `words[TAG + record]`, where a record is `index << RECORD_SHIFT`. */
export const RECORD_SHIFT = OBJECT_SHIFT - 2;
export const TAG = (OBJECTS + OBJECT_TAG) >> 2;
export const ADDRESS = (OBJECTS + OBJECT_ADDRESS) >> 2;
export const SIZE = (OBJECTS + OBJECT_SIZE) >> 2;
export const TYPE = (OBJECTS + OBJECT_TYPE) >> 2;
export const BLOCK = (OBJECTS + OBJECT_BLOCK) >> 2;
export const CHARGED = (OBJECTS + OBJECT_CHARGED) >> 2;
export const LINK = (OBJECTS + OBJECT_LINK) >> 2;
export const SLOT = (OBJECTS + OBJECT_SLOT) >> 2;

/** The next generation of a handle. */
export function bump(handle: number): number {
  return (handle & ~GENERATION_MASK) | ((handle + 1) & GENERATION_MASK);
}

/** "object 5, generation 1", for messages. */
export function describeHandle(handle: number): string {
  const [index, generation] = [handle >>> GENERATION_BITS, handle & GENERATION_MASK];
  return `handle 0x${(handle >>> 0).toString(16)} (object ${index}, generation ${generation})`;
}

export class Records {
  /** Memory 2. */
  readonly words: Int32Array;
  /** Memory 1 as bytes, as words (slots are aligned), and as doubles, which zero it fastest. */
  readonly bytes: Uint8Array;
  readonly slots: Int32Array;
  readonly doubles: Float64Array;
  readonly allocator: Allocator;
  /** Number of records, the unusable record 0 included. */
  readonly capacity: number;

  /**
   * @param words all of memory 2, zeroed
   * @param bytes all of memory 1
   * @param capacity number of records; a power of two is not needed
   * @throws HeapError "config"
   */
  constructor(words: Int32Array, bytes: Uint8Array, allocator: Allocator, capacity: number) {
    const config = (detail: string): HeapError => new HeapError("config", "ledger", detail);
    if (!Number.isInteger(capacity) || capacity < 2 || capacity > MAX_OBJECTS)
      throw config(`${capacity} objects, must be 2 to ${MAX_OBJECTS}`);
    if (words.byteLength < ledgerBytes(capacity))
      throw config(`${words.byteLength} bytes cannot hold ${capacity} objects, needs ${ledgerBytes(capacity)}`);
    for (const arena of allocator.arenas)
      if (arena.base + arena.bytes > bytes.length) throw config(`arena "${arena.name}" ends beyond the heap`);
    this.words = words;
    this.bytes = bytes;
    this.slots = new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4));
    this.doubles = new Float64Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 8));
    this.allocator = allocator;
    this.capacity = capacity;
    // A zero tag would equal `handle ^ owner << 10` for the forged handle `owner << 10`: no record that such a handle
    // reaches may have one, not even behind the last in the memory's last page.
    for (let i = 1; i < MAX_DOMAINS && TAG + (i << RECORD_SHIFT) < words.length; i++)
      words[TAG + (i << RECORD_SHIFT)] = i << GENERATION_BITS;
  }

  // ── checks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Record of an object that `owner` owns, borrowed or not. */
  protected owned(operation: string, handle: number, owner: number): number {
    const index = handle >>> GENERATION_BITS;
    if (index === 0 || index >= this.capacity) throw this.refuse("range", operation, handle, "is no object's");
    const record = index << RECORD_SHIFT;
    const difference = this.words[TAG + record]! ^ handle;
    if (difference === owner << GENERATION_BITS) return record;
    if ((difference & GENERATION_MASK) !== 0)
      throw this.refuse("stale", operation, handle, "was moved, taken or freed");
    throw this.refuse("not-owner", operation, handle, `belongs to ${difference >>> GENERATION_BITS}, not to ${owner}`);
  }

  /** Record of an object that `owner` owns and nobody borrows. */
  protected exclusive(operation: string, handle: number, owner: number): number {
    const record = this.owned(operation, handle, owner);
    if ((this.words[TYPE + record]! & LENT) !== 0) throw this.refuse("lent", operation, handle, "is borrowed");
    return record;
  }

  /** Checks that `owner` is somebody who can hold an object. */
  protected holder(operation: string, owner: number): void {
    if (owner > OWNER_NONE && owner < MAX_DOMAINS && owner !== OWNER_CONTAINED) return;
    throw new HeapError("bad-owner", operation, `owner ${owner}`);
  }

  protected refuse(code: HeapErrorCode, operation: string, handle: number, why: string): HeapError {
    return new HeapError(code, operation, `${describeHandle(handle)} ${why}`);
  }

  /** Word index of the type of a live record. */
  protected typeOf(record: number): number {
    return typeWord(this.words[TYPE + record]! & TYPE_MASK);
  }

  /** Word index in `slots` of slot 0 of a live record; slot i lies i words below. */
  protected slotBase(record: number): number {
    return (this.words[ADDRESS + record]! >>> 2) - 1;
  }

  /**
   * Record of the object whose handle stands in a slot, or -1 unless the ledger says that it lies in just that
   * slot.
   */
  protected contained(handle: number, container: number, slot: number): number {
    const index = handle >>> GENERATION_BITS;
    if (index === 0 || index >= this.capacity) return -1;
    const record = index << RECORD_SHIFT;
    const { words } = this;
    const there =
      (words[TAG + record]! ^ handle) === OWNER_CONTAINED << GENERATION_BITS &&
      words[LINK + record] === container >> RECORD_SHIFT &&
      words[SLOT + record] === slot;
    return there ? record : -1;
  }

  // ── questions ────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Where bytes of an object lie, for the owner or borrower to read and write.
   * @returns address in memory 1 of the first of `bytes` bytes at `offset`
   * @throws HeapError range (also for bytes beyond the visible size), stale, not-owner
   */
  access(handle: number, offset: number, bytes: number, owner: number): number {
    return this.within("access", handle, this.owned("access", handle, owner), offset, bytes);
  }

  protected within(operation: string, handle: number, record: number, offset: number, bytes: number): number {
    const size = this.words[SIZE + record]!;
    if ((offset >>> 0) + (bytes >>> 0) <= size) return (this.words[ADDRESS + record]! >>> 0) + (offset >>> 0);
    throw this.refuse("range", operation, handle, `has ${size} bytes, not ${bytes >>> 0} at ${offset >>> 0}`);
  }

  /** Visible bytes. @throws HeapError range, stale, not-owner */
  size(handle: number, owner: number): number {
    return this.words[SIZE + this.owned("size", handle, owner)]!;
  }

  /** Type id. @throws HeapError range, stale, not-owner */
  type(handle: number, owner: number): number {
    return this.words[TYPE + this.owned("type", handle, owner)]! & TYPE_MASK;
  }

  /** Whether the object is borrowed. @throws HeapError range, stale, not-owner */
  isLent(handle: number, owner: number): boolean {
    return (this.words[TYPE + this.owned("isLent", handle, owner)]! & LENT) !== 0;
  }

  /** Owner that a handle is valid for; OWNER_NONE when it is stale, forged or free. Never throws. */
  ownerOf(handle: number): number {
    const index = handle >>> GENERATION_BITS;
    if (index === 0 || index >= this.capacity) return OWNER_NONE;
    const difference = this.words[TAG + (index << RECORD_SHIFT)]! ^ handle;
    return (difference & GENERATION_MASK) === 0 ? difference >>> GENERATION_BITS : OWNER_NONE;
  }

  /** One word of the record `index`, by the constants above. */
  at(word: number, index: number): number {
    return this.words[word + (index << RECORD_SHIFT)]!;
  }

  /** Owner of the record `index`, whatever its generation. */
  ownerAt(index: number): number {
    return (this.at(TAG, index) >>> GENERATION_BITS) ^ index;
  }

  /** The first record from `from` that `owner` owns or is charged for; `end` when there is none before it. */
  nextOf(owner: number, from: number, end: number): number {
    const { words } = this;
    for (let index = from, record = from << RECORD_SHIFT; index < end; index++, record += 1 << RECORD_SHIFT)
      if (((words[TAG + record]! >>> GENERATION_BITS) ^ index) === owner || words[CHARGED + record] === owner)
        return index;
    return end;
  }
}
