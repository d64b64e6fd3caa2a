/**
 * Objects in slots of other objects: records with RRef fields, arrays, deques.
 *
 * Owns the slot, head and length words, which lie in memory 1 below an object's visible bytes. No domain reaches them,
 * but a device might, so nothing in them is believed: an object lies in a slot only when its own record says so.
 *
 * Containment has no cycles. `put(x, c)` needs x and c owned by the caller, so both are roots (a contained object's
 * owner is OWNER_CONTAINED, and no caller is that). Trees of two different roots have no object in common, hence
 * hanging one into the other closes no circle; only `put(x, x)` would, and it is refused.
 */
import { bump, LINK, RECORD_SHIFT, Records, SLOT, TAG, TYPE } from "./records.ts";
import { GENERATION_BITS, OWNER_CONTAINED, TYPE_ELEMENT, TYPE_KIND, TYPE_SLOTS, TypeKind } from "./layout.ts";

const KIND = TYPE_KIND >> 2;
const SLOTS = TYPE_SLOTS >> 2;
const ELEMENT = TYPE_ELEMENT >> 2;

export class Containers extends Records {
  /** Slot of a record or array. @returns its word index in `slots` */
  #slot(operation: string, container: number, record: number, slot: number): number {
    const type = this.typeOf(record);
    if (this.words[type + KIND] === TypeKind.deque)
      throw this.refuse("wrong-type", operation, container, "is a deque, not a record or array");
    const slots = this.words[type + SLOTS]!;
    if (slot >>> 0 >= slots) throw this.refuse("range", operation, container, `has ${slots} slots, not ${slot >>> 0}`);
    return this.slotBase(record) - (slot >>> 0);
  }

  /** Number of slots of a deque, whose head and length words (below the slots) are checked. */
  #ring(operation: string, deque: number, record: number): number {
    const type = this.typeOf(record);
    if (this.words[type + KIND] !== TypeKind.deque) throw this.refuse("wrong-type", operation, deque, "is no deque");
    const slots = this.words[type + SLOTS]!;
    const head = this.slotBase(record) - slots;
    if (this.slots[head]! >>> 0 < slots && this.slots[head - 1]! >>> 0 <= slots) return slots;
    throw this.refuse("corrupt", operation, deque, "has a head or length beyond its slots");
  }

  /** Checks that an object may go into a slot of `container`; all but that the slot is empty. @returns its record */
  #element(operation: string, handle: number, owner: number, container: number, slot: number): number {
    const record = this.exclusive(operation, handle, owner);
    if (record === container) throw this.refuse("cycle", operation, handle, "cannot lie in itself");
    const type = this.typeOf(container);
    const element = this.words[type + ELEMENT]!;
    const wanted = this.words[type + KIND] === TypeKind.record ? this.words[(element >> 2) + (slot >>> 0)]! : element;
    if (this.words[TYPE + record] !== wanted)
      throw this.refuse("wrong-type", operation, handle, `has type ${this.words[TYPE + record]}, the slot ${wanted}`);
    return record;
  }

  // ── containers ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Moves an object into an empty slot of a record or array.
   * @throws HeapError range, stale, not-owner, lent, wrong-type, cycle, occupied
   */
  put(handle: number, container: number, slot: number, owner: number): void {
    const outer = this.exclusive("put", container, owner);
    const at = this.#slot("put", container, outer, slot);
    const record = this.#element("put", handle, owner, outer, slot);
    if (this.slots[at] !== 0) throw this.refuse("occupied", "put", container, `holds an object in slot ${slot}`);
    this.#insert(record, handle, outer, slot, at);
  }

  /**
   * Takes the object out of a slot of a record or array.
   * @returns its new handle, or 0 when the slot is empty
   * @throws HeapError range, stale, not-owner, lent, wrong-type, corrupt
   */
  take(container: number, slot: number, owner: number): number {
    const outer = this.exclusive("take", container, owner);
    const at = this.#slot("take", container, outer, slot);
    return this.slots[at] === 0 ? 0 : this.#extract("take", container, outer, slot, at, owner);
  }

  /** Whether a slot of a record or array holds an object; the container may be borrowed. @throws as `take` */
  has(container: number, slot: number, owner: number): boolean {
    return this.slots[this.#slot("has", container, this.owned("has", container, owner), slot)] !== 0;
  }

  /**
   * Moves an object to the back of a deque.
   * @returns false when the deque is full: the object stays the caller's
   * @throws HeapError range, stale, not-owner, lent, wrong-type, cycle, corrupt
   */
  push(handle: number, deque: number, owner: number): boolean {
    const outer = this.exclusive("push", deque, owner);
    const slots = this.#ring("push", deque, outer);
    const record = this.#element("push", handle, owner, outer, 0);
    const base = this.slotBase(outer);
    const length = this.slots[base - slots - 1]!;
    if (length === slots) return false;
    const position = (this.slots[base - slots]! + length) % slots;
    if (this.slots[base - position] !== 0) throw this.refuse("corrupt", "push", deque, "holds more than its length");
    this.#insert(record, handle, outer, position, base - position);
    this.slots[base - slots - 1] = length + 1;
    return true;
  }

  /**
   * Takes the object at the front of a deque.
   * @returns its new handle, or 0 when the deque is empty
   * @throws HeapError range, stale, not-owner, lent, wrong-type, corrupt
   */
  pop(deque: number, owner: number): number {
    const outer = this.exclusive("pop", deque, owner);
    const slots = this.#ring("pop", deque, outer);
    const base = this.slotBase(outer);
    const length = this.slots[base - slots - 1]!;
    if (length === 0) return 0;
    const head = this.slots[base - slots]!;
    const handle = this.#extract("pop", deque, outer, head, base - head, owner);
    this.slots[base - slots] = (head + 1) % slots;
    this.slots[base - slots - 1] = length - 1;
    return handle;
  }

  /**
   * Number of objects in a deque, which may be borrowed. @throws HeapError range, stale, not-owner, wrong-type,
   * corrupt
   */
  len(deque: number, owner: number): number {
    const record = this.owned("len", deque, owner);
    const slots = this.#ring("len", deque, record);
    return this.slots[this.slotBase(record) - slots - 1]!;
  }

  /**
   * Where bytes of a contained object lie, for reading them in place; the container may be borrowed.
   * @param slot slot of a record or array, or position in a deque from its front
   * @returns address of the first of `bytes` bytes at `offset`
   * @throws HeapError range (slot, or bytes beyond the object), stale, not-owner, empty, corrupt
   */
  peek(container: number, slot: number, offset: number, bytes: number, owner: number): number {
    const outer = this.owned("peek", container, owner);
    const deque = this.words[this.typeOf(outer) + KIND] === TypeKind.deque;
    let position = slot >>> 0;
    if (deque) {
      const slots = this.#ring("peek", container, outer);
      const head = this.slotBase(outer) - slots;
      if (position >= this.slots[head - 1]!) throw this.refuse("range", "peek", container, `has no object ${position}`);
      position = (this.slots[head]! + position) % slots;
    } else this.#slot("peek", container, outer, slot);
    const handle = this.slots[this.slotBase(outer) - position]!;
    if (handle === 0) throw this.refuse("empty", "peek", container, `has no object in slot ${position}`);
    const record = this.contained(handle, outer, position);
    if (record < 0) throw this.refuse("corrupt", "peek", container, `has a forged handle in slot ${position}`);
    return this.within("peek", handle, record, offset, bytes);
  }

  #insert(record: number, handle: number, container: number, slot: number, at: number): void {
    this.words[TAG + record] = handle ^ (OWNER_CONTAINED << GENERATION_BITS);
    this.words[LINK + record] = container >> RECORD_SHIFT;
    this.words[SLOT + record] = slot;
    this.slots[at] = handle;
  }

  #extract(operation: string, container: number, outer: number, slot: number, at: number, owner: number): number {
    const handle = this.slots[at]!;
    const record = this.contained(handle, outer, slot);
    if (record < 0) throw this.refuse("corrupt", operation, container, `has a forged handle in slot ${slot}`);
    const next = bump(handle);
    this.words[TAG + record] = next ^ (owner << GENERATION_BITS);
    this.words[LINK + record] = this.words[SLOT + record] = 0;
    this.slots[at] = 0;
    return next;
  }
}
