/**
 * What a block shadow remembers of the requests that a driver has: all it takes to make them again.
 *
 * A slot holds block, operation, the client's tag, and for writes a copy of the data in private memory, where no driver
 * reaches. Requests carry a mark as their tag: the slot's number, and how often it was used, so that an answer which
 * nobody asked for is noticed. Invariants: `lost` is the number of slots in that state; nothing is allocated here but
 * objects for what was lost.
 */
import { Borrow } from "heap/modes";
import { BlockOperation, BlockRequest } from "idl/block-device";

/** Requests in flight. A power of two; slot numbers fit a byte. */
export const DEPTH: i32 = 128;
/** The slot of `read` and `write`, which are never in flight. */
export const PLAIN: i32 = DEPTH;
export const BLOCK: i32 = 4096;

/** States of a slot. */
export const FREE: u8 = 0;
/** In the outbox: the device had no room yet. */
export const QUEUED: u8 = 1;
export const SENT: u8 = 2;
/** Gone with the driver: an object must be made, and submitted. */
export const LOST: u8 = 3;

export class Slots {
  blocks: StaticArray<u64> = new StaticArray<u64>(DEPTH + 1);
  operations: StaticArray<BlockOperation> = new StaticArray<BlockOperation>(DEPTH + 1);
  /** What the client had put into `tag`. */
  tags: StaticArray<u32> = new StaticArray<u32>(DEPTH + 1);
  /** The tag that a request carries on its way. */
  marks: StaticArray<u32> = new StaticArray<u32>(DEPTH);
  states: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  /** How often an answer to it was disbelieved. */
  doubts: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  /** When a look has first found it sent, ms; 0: none has yet. */
  sentAt: StaticArray<f64> = new StaticArray<f64>(DEPTH);
  lost: i32 = 0;
  freeCount: i32 = DEPTH;
  private free: StaticArray<u8> = new StaticArray<u8>(DEPTH);
  private data: StaticArray<u8> = new StaticArray<u8>((DEPTH + 1) * BLOCK);

  constructor() {
    for (let i = 0; i < DEPTH; i++) this.free[i] = <u8>(DEPTH - 1 - i);
  }

  /** A free slot, with a new mark. */
  take(): i32 {
    const slot = <i32>this.free[--this.freeCount];
    this.marks[slot] = ((this.marks[slot] & ~0xff) + 0x100) | slot;
    this.doubts[slot] = 0;
    return slot;
  }

  release(slot: i32): void {
    this.states[slot] = FREE;
    this.free[this.freeCount++] = <u8>slot;
  }

  /** The slot of a request that the driver has, by its mark; -1 when there is none. */
  @inline of(mark: u32): i32 {
    const slot = mark & 0xff;
    return slot < <u32>DEPTH && this.states[slot] == SENT && this.marks[slot] == mark ? <i32>slot : -1;
  }

  /** Where the copy of what a slot writes lies. */
  @inline copyOf(slot: i32): usize {
    return changetype<usize>(this.data) + <usize>(slot * BLOCK);
  }

  @inline remember(slot: i32, request: Borrow<BlockRequest>, operation: BlockOperation): void {
    this.blocks[slot] = request.block;
    this.tags[slot] = request.tag;
    this.operations[slot] = operation;
    if (operation == BlockOperation.Write) request.dataCopyOut(this.copyOf(slot), BLOCK);
  }

  /** A new object for a request that was lost; `isNull` when there is no room for it. */
  remake(slot: i32): BlockRequest {
    const request = BlockRequest.tryCreate();
    if (request.isNull) return request;
    request.block = this.blocks[slot];
    request.tag = this.tags[slot];
    request.operation = this.operations[slot];
    if (this.operations[slot] == BlockOperation.Write) request.dataCopyIn(this.copyOf(slot), BLOCK);
    return request;
  }

  lose(slot: i32): void {
    this.states[slot] = LOST;
    this.lost++;
  }

  /** The requests of all slots in this state are gone. */
  loseAll(state: u8): void {
    for (let slot = 0; slot < DEPTH; slot++) if (this.states[slot] == state) this.lose(slot);
  }
}
