/**
 * One epoch of the store's log: records in the blocks of one half of the disk.
 *
 *     block     CRC-32, epoch, index in the log, end of the records, CRC-32 and end before the last write (u32 each);
 *               then the records
 *     record    key length (u16), value length (u16; 0xffff: the key was deleted), key, value; never across two blocks
 *
 * The checksum covers epoch, index, end, and the records. A block is written again and again while it is being filled,
 * and a loss of power may leave parts of two versions. Both begin with the same records, so the header of either one
 * is enough to find those of the older version whole: the newer header repeats the older checksum and end.
 *
 * Invariants: a block that is read is believed only when its checksum, epoch and index are right; the last block is in
 * `tail`, and what is on the disk of it is a prefix; at most one write of a block is not settled. The device writes
 * sectors of 512 bytes whole or not at all.
 */
import { Slice } from "os/slice";
import { crc32 } from "./crc32";
import { BLOCK, Disk } from "./disk";

/** What an operation answers. */
export enum Answer {
  Ok,
  NotFound,
  BadKey,
  Full,
  /** The disk failed or is gone; a write may have happened or not. */
  Io,
  /** A checksum does not match: the block is lost. */
  Corrupt,
}

/** Value length of a record that says that its key was deleted. */
export const DELETED: u32 = 0xffff;
/** No place; what ends a search in the table. Block 0 is a superblock, so no record has it. */
export const NOWHERE: u32 = 0;
const HEADER: u32 = 24;
const RECORD: u32 = 4;

/** Bytes of a record. */
export function recordSize(keyLength: u32, valueLength: u32): u32 {
  return RECORD + keyLength + (valueLength == DELETED ? 0 : valueLength);
}

/** The checksum that a block should have; never the one that it has when its end is none. */
function checksum(block: Slice): u32 {
  const end = block.read<u32>(12);
  if (end < HEADER || end > <u32>BLOCK) return ~block.read<u32>(0);
  return crc32(block, HEADER, end, crc32(block, 4, 16));
}

/** Whether a block is whole, or was before its last write, which is then taken back. */
function isWhole(block: Slice): bool {
  if (block.read<u32>(0) == checksum(block)) return true;
  block.write<u32>(0, block.read<u32>(16));
  block.write<u32>(12, block.read<u32>(20));
  return block.read<u32>(0) == checksum(block);
}

export class Log {
  epoch: u32 = 0;
  /** First block of the half, and how many blocks it has. */
  first: u32 = 0;
  blocks: u32 = 0;
  /** Index of the block that is being filled. */
  index: u32 = 0;
  private used: u32 = HEADER;
  /** End of the records, and checksum, of the version that the disk holds for certain; 0: none. */
  private settled: u32 = 0;
  private settledSum: u32 = 0;
  /** Whether `tail` holds more than that. */
  private dirty: bool = false;
  private tail: Slice = Slice.allocate(BLOCK);
  /** The block that was read last, and its number; NOWHERE when there is none. */
  private page: Slice = Slice.allocate(BLOCK);
  private pageBlock: u32 = NOWHERE;

  /** The record that `locate` or `next` has found: the bytes of its block, and where its parts are. */
  bytes: Slice = this.tail;
  at: u32 = 0;
  keyLength: u32 = 0;
  valueLength: u32 = 0;

  constructor(private disk: Disk) {
    this.tail.setLength(BLOCK);
    this.page.setLength(BLOCK);
  }

  get keyAt(): u32 {
    return this.at + RECORD;
  }

  get valueAt(): u32 {
    return this.at + RECORD + this.keyLength;
  }

  get size(): u32 {
    return recordSize(this.keyLength, this.valueLength);
  }

  /** An empty log. What the blocks held before has another epoch. */
  start(first: u32, blocks: u32, epoch: u32): void {
    this.first = first;
    this.blocks = blocks;
    this.epoch = epoch;
    this.pageBlock = NOWHERE;
    this.startBlock(0);
  }

  // ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Finds the record at a place. */
  locate(place: u32): Answer {
    const answer = this.open(place / BLOCK);
    if (answer == Answer.Ok) this.seek(place % BLOCK);
    return answer;
  }

  /**
   * Epoch of the log that was written last to these blocks, whole or not: every log writes its first block first. 0
   * when there was none, u32.MAX_VALUE when the disk failed.
   */
  static lastEpoch(disk: Disk, first: u32, blocks: u32, page: Slice): u32 {
    for (let i: u32 = 0; i < blocks; i++) {
      if (!disk.read(first + i, page)) return u32.MAX_VALUE;
      // Never written: a block of zeros is no whole one.
      if (page.read<u64>(0) == 0) return 0;
      if (isWhole(page) && page.read<u32>(8) == i) return page.read<u32>(4);
    }
    return 0;
  }

  /** Brings the block of an index in, for `next`. */
  openIndex(index: u32): Answer {
    const answer = this.open(this.first + index);
    this.at = 0;
    return answer;
  }

  /** Goes to the block's next record (the first one after `openIndex`); false at its end. */
  next(): bool {
    const at = this.at == 0 ? HEADER : this.at + this.size;
    const end = this.bytes == this.tail ? this.used : this.bytes.read<u32>(12);
    if (at + RECORD > end) return false;
    this.seek(at);
    return this.at + this.size <= end;
  }

  /** Place of the record that `next` has found in the block of an index. */
  placeIn(index: u32): u32 {
    return (this.first + index) * BLOCK + this.at;
  }

  /** Makes the block that was read last the one that is being filled. Only while the log is replayed. */
  adopt(index: u32): void {
    if (this.bytes == this.tail) return;
    const tail = this.tail;
    this.tail = this.page;
    this.page = tail;
    this.pageBlock = NOWHERE;
    this.index = index;
    this.used = this.tail.read<u32>(12);
    this.settled = this.used;
    this.settledSum = this.tail.read<u32>(0);
    this.bytes = this.tail;
  }

  private seek(at: u32): void {
    this.at = at;
    this.keyLength = this.bytes.read<u16>(at);
    this.valueLength = this.bytes.read<u16>(at + 2);
  }

  private open(block: u32): Answer {
    this.bytes = this.tail;
    if (block == this.first + this.index && this.used > HEADER) return Answer.Ok;
    const answer = this.load(block);
    if (answer == Answer.Ok) this.bytes = this.page;
    return answer;
  }

  private load(block: u32): Answer {
    if (this.pageBlock == block) return Answer.Ok;
    this.pageBlock = NOWHERE;
    if (!this.disk.read(block, this.page)) return Answer.Io;
    const page = this.page;
    if (!isWhole(page)) return Answer.Corrupt;
    if (page.read<u32>(4) != this.epoch || page.read<u32>(8) != block - this.first) return Answer.Corrupt;
    this.pageBlock = block;
    return Answer.Ok;
  }

  // ── writing ──────────────────────────────────────────────────────────────────────────────────────────────────────

  hasRoom(size: u32): bool {
    return this.used + size <= <u32>BLOCK || this.index + 1 < this.blocks;
  }

  /**
   * Adds a record; there is room. Without `flush` it is only in memory.
   * @returns its place, or NOWHERE when a full block could not be written.
   */
  append(key: Slice, keyAt: u32, keyLength: u32, value: Slice, valueAt: u32, valueLength: u32): u32 {
    const size = recordSize(keyLength, valueLength);
    if (this.used + size > <u32>BLOCK) {
      // The first block of an epoch shows that the number is used: before anything of it that follows.
      if (!this.write() || (this.index == 0 && !this.disk.settle())) return NOWHERE;
      this.startBlock(this.index + 1);
    }
    const at = this.used;
    this.tail.write<u16>(at, <u16>keyLength);
    this.tail.write<u16>(at + 2, <u16>valueLength);
    copy(key, keyAt, this.tail, at + RECORD, keyLength);
    if (valueLength != DELETED) copy(value, valueAt, this.tail, at + RECORD + keyLength, valueLength);
    this.used = at + size;
    this.dirty = true;
    return (this.first + this.index) * BLOCK + at;
  }

  /** Writes the block that is being filled, if there is anything new in it, so that a loss of power cannot undo it. */
  flush(): bool {
    if (!this.dirty) return true;
    this.dirty = !this.write() || !this.disk.settle();
    if (this.dirty) return false;
    this.settled = this.used;
    this.settledSum = this.tail.read<u32>(0);
    return true;
  }

  private write(): bool {
    if (!this.dirty) return true;
    const tail = this.tail;
    tail.write<u32>(4, this.epoch);
    tail.write<u32>(8, this.index);
    tail.write<u32>(12, this.used);
    tail.write<u32>(16, this.settledSum);
    tail.write<u32>(20, this.settled);
    tail.write<u32>(0, checksum(tail));
    return this.disk.write(this.first + this.index, tail);
  }

  /** Takes the last `append` back, whose `flush` failed. */
  retract(size: u32): void {
    this.used -= size;
  }

  private startBlock(index: u32): void {
    this.tail.fill(0);
    this.index = index;
    this.used = HEADER;
    this.settled = 0;
    this.settledSum = 0;
    this.dirty = false;
    // A block of this number may have been read before it was this log's.
    if (this.pageBlock == this.first + index) this.pageBlock = NOWHERE;
  }
}

function copy(from: Slice, fromAt: u32, to: Slice, toAt: u32, length: u32): void {
  for (let i: u32 = 0; i < length; i++) to.set(toAt + i, from.get(fromAt + i));
}
