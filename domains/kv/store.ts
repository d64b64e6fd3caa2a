/**
 * The store on its disk: a log in one half, compacted into the other half when it is full.
 *
 *     block 0, 1   superblocks: "SAMARAKV", version, epoch, half, blocks, CRC-32; block h holds that of half h
 *     rest         two halves; the log of the newest epoch fills the half that its superblock names
 *
 * Invariants: the superblock of a new epoch is written when all its blocks are settled, so that a crash at any moment
 * leaves one whole epoch; no epoch number is used twice, so that what a compaction that failed has left behind is never
 * believed; the table names the newest record of every key and nothing else.
 */
import { Slice } from "os/slice";
import { crc32 } from "./crc32";
import { BLOCK, Disk } from "./disk";
import { Answer, DELETED, Log, NOWHERE, recordSize } from "./log";
import { Table, hashKey } from "./table";

const MAGIC: u64 = 0x564b4152414d4153; // "SAMARAKV"
const VERSION: u32 = 2;
const SUPERBLOCKS: u32 = 2;
const SUPER_CRC_AT = 24;
/** Fewest blocks of a disk that can hold a store: the superblocks and one block for each half. */
const MIN_BLOCKS: u32 = 4;

export class Store {
  private table: Table = new Table();
  private log: Log;
  /** The log that the next compaction fills. */
  private spare: Log;
  private superblock: Slice = Slice.allocate(BLOCK);
  private blocks: u32 = 0;
  /** Highest epoch that the disk has seen, whether its superblock was written or not. */
  private lastEpoch: u32 = 0;
  /** Bytes of records that the table names, and of those that a compaction would drop. */
  private live: u64 = 0;
  private garbage: u64 = 0;
  /** Hash of the key that was looked up last, and its entry in the table, or where it would go. */
  private hash: u32 = 0;
  private entry: i32 = 0;
  /** Blocks whose content was lost when the store was opened. */
  damaged: i32 = 0;

  constructor(private disk: Disk) {
    this.log = new Log(disk);
    this.spare = new Log(disk);
    this.superblock.setLength(BLOCK);
  }

  get count(): i32 {
    return this.table.count;
  }

  get usedBytes(): u64 {
    return this.live + this.garbage;
  }

  get liveBytes(): u64 {
    return this.live;
  }

  // ── opening ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Finds the newest whole epoch and reads its log; makes an empty store on an empty disk. */
  open(): Answer {
    this.blocks = this.disk.blocks();
    if (this.blocks < MIN_BLOCKS) return this.blocks == 0 ? Answer.Io : Answer.Full;
    // What is read from here on, and built upon, must not be lost later.
    if (!this.disk.settle()) return Answer.Io;
    let blank = true;
    let epoch: u32 = 0;
    let half: u32 = 0;
    for (let i: u32 = 0; i < SUPERBLOCKS; i++) {
      if (!this.disk.read(i, this.superblock)) return Answer.Io;
      for (let k = 0; k < BLOCK; k++) if (this.superblock.get(k) != 0) blank = false;
      if (!this.isSuperblock() || this.superblock.read<u32>(12) <= epoch) continue;
      epoch = this.superblock.read<u32>(12);
      half = this.superblock.read<u32>(16) & 1;
    }
    if (epoch == 0 && !blank) return Answer.Corrupt;
    if (!this.findLastEpoch(epoch)) return Answer.Io;
    this.table = new Table();
    this.live = 0;
    this.garbage = 0;
    this.damaged = 0;
    if (epoch != 0) {
      this.startLog(this.log, half, epoch);
      return this.replay();
    }
    this.startLog(this.log, 0, ++this.lastEpoch);
    return this.writeSuperblock(this.lastEpoch, 0) ? Answer.Ok : Answer.Io;
  }

  /** A compaction that ended half way, maybe before a restart, has used up its epoch too. */
  private findLastEpoch(epoch: u32): bool {
    const blocks = (this.blocks - SUPERBLOCKS) / 2;
    this.lastEpoch = epoch;
    for (let half: u32 = 0; half < 2; half++) {
      const seen = Log.lastEpoch(this.disk, SUPERBLOCKS + half * blocks, blocks, this.superblock);
      if (seen == u32.MAX_VALUE) return false;
      this.lastEpoch = max(this.lastEpoch, seen);
    }
    return true;
  }

  private startLog(log: Log, half: u32, epoch: u32): void {
    const blocks = (this.blocks - SUPERBLOCKS) / 2;
    log.start(SUPERBLOCKS + half * blocks, blocks, epoch);
  }

  private isSuperblock(): bool {
    const block = this.superblock;
    if (block.read<u64>(0) != MAGIC || block.read<u32>(8) != VERSION) return false;
    if (block.read<u32>(20) != this.blocks) return false;
    return block.read<u32>(SUPER_CRC_AT) == crc32(block, 0, SUPER_CRC_AT);
  }

  private writeSuperblock(epoch: u32, half: u32): bool {
    const block = this.superblock;
    block.fill(0);
    block.write<u64>(0, MAGIC);
    block.write<u32>(8, VERSION);
    block.write<u32>(12, epoch);
    block.write<u32>(16, half);
    block.write<u32>(20, this.blocks);
    block.write<u32>(SUPER_CRC_AT, crc32(block, 0, SUPER_CRC_AT));
    return this.disk.write(half, block) && this.disk.settle();
  }

  /** Reads the log from its start. It ends at the first block that is not of its epoch, nor is the next one. */
  private replay(): Answer {
    const log = this.log;
    let lost = 0;
    for (let i: u32 = 0; i < log.blocks; i++) {
      const answer = log.openIndex(i);
      if (answer == Answer.Io) return answer;
      if (answer == Answer.Corrupt) {
        // Damage in the middle loses one block, not the log: what follows is newer and whole.
        if (++lost > 1) break;
        continue;
      }
      this.damaged += lost;
      lost = 0;
      log.adopt(i);
      const replayed = this.replayBlock(i);
      if (replayed != Answer.Ok) return replayed;
    }
    return Answer.Ok;
  }

  private replayBlock(index: u32): Answer {
    const log = this.log;
    let answer = log.openIndex(index);
    while (answer == Answer.Ok && log.next()) {
      const at = log.at;
      const deleted = log.valueLength == DELETED;
      const size = log.size;
      const place = log.placeIn(index);
      const key = log.bytes;
      const found = this.find(key, log.keyAt, log.keyLength);
      if (found != Answer.Ok && found != Answer.NotFound) return found;
      if (found == Answer.Ok) this.bury(log.size);
      if (!deleted) {
        this.live += size;
        this.table.set(this.entry, this.hash, place);
      } else {
        this.garbage += size;
        if (found == Answer.Ok) this.table.remove(this.entry);
      }
      // The search has moved the log's position.
      answer = log.locate(place);
    }
    return answer;
  }

  /** A record that the table named is dead. */
  private bury(size: u32): void {
    this.live -= size;
    this.garbage += size;
  }

  // ── looking up ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** Finds a key's newest record: the log's position is there afterwards, and the table's entry known. */
  find(key: Slice, keyAt: u32, keyLength: u32): Answer {
    const log = this.log;
    this.hash = hashKey(key, keyAt, keyLength);
    this.entry = this.table.first(this.hash);
    while (this.table.place(this.entry) != NOWHERE) {
      const answer = log.locate(this.table.place(this.entry));
      if (answer != Answer.Ok) return answer;
      if (log.keyLength == keyLength && sameBytes(log.bytes, log.keyAt, key, keyAt, keyLength)) return Answer.Ok;
      this.entry = this.table.next(this.entry, this.hash);
    }
    return Answer.NotFound;
  }

  /** Copies a key's value. `into` has room for the longest value. */
  get(key: Slice, into: Slice): Answer {
    const answer = this.find(key, 0, key.length);
    if (answer == Answer.Ok) copyOut(this.log.bytes, this.log.valueAt, this.log.valueLength, into);
    return answer;
  }

  /** The n-th key, in no order that means anything; NotFound behind the last one. */
  keyAt(n: u32, into: Slice): Answer {
    const place = this.table.nth(n);
    if (place == NOWHERE) return Answer.NotFound;
    const answer = this.log.locate(place);
    if (answer == Answer.Ok) copyOut(this.log.bytes, this.log.keyAt, this.log.keyLength, into);
    return answer;
  }

  // ── changing ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Stores a value. Io: it may be found after the store is opened again, or not. */
  put(key: Slice, value: Slice): Answer {
    const size = recordSize(key.length, value.length);
    const room = this.makeRoom(size);
    if (room != Answer.Ok) return room;
    const found = this.find(key, 0, key.length);
    if (found != Answer.Ok && found != Answer.NotFound) return found;
    const dead: u32 = found == Answer.Ok ? this.log.size : 0;
    const place = this.write(key, value, value.length);
    if (place == NOWHERE) return Answer.Io;
    this.bury(dead);
    this.live += size;
    this.table.set(this.entry, this.hash, place);
    return Answer.Ok;
  }

  delete(key: Slice): Answer {
    const found = this.find(key, 0, key.length);
    if (found != Answer.Ok) return found;
    const dead = this.log.size;
    const size = recordSize(key.length, DELETED);
    if (this.log.hasRoom(size)) {
      if (this.write(key, key, DELETED) == NOWHERE) return Answer.Io;
      this.table.remove(this.entry);
      this.bury(dead);
      this.garbage += size;
      return Answer.Ok;
    }
    // No room even to say that it is gone: write a log without it.
    const place = this.table.place(this.entry);
    const hash = this.hash;
    this.table.remove(this.entry);
    const compacted = this.compact();
    if (compacted == Answer.Ok) this.live -= dead;
    else this.table.add(hash, place);
    return compacted;
  }

  /** Appends and flushes one record; NOWHERE when the disk failed: then nothing has changed here. */
  private write(key: Slice, value: Slice, valueLength: u32): u32 {
    const place = this.log.append(key, 0, key.length, value, 0, valueLength);
    if (place == NOWHERE || this.log.flush()) return place;
    this.log.retract(recordSize(key.length, valueLength));
    return NOWHERE;
  }

  private makeRoom(size: u32): Answer {
    if (this.log.hasRoom(size)) return Answer.Ok;
    if (this.garbage < size) return Answer.Full;
    const answer = this.compact();
    if (answer != Answer.Ok) return answer;
    return this.log.hasRoom(size) ? Answer.Ok : Answer.Full;
  }

  /**
   * Copies what lives into the other half, as a new epoch. Until its superblock is written the old epoch stands. It
   * always fits: records are packed in their order, and leaving some out never takes more blocks.
   */
  private compact(): Answer {
    const from = this.log;
    const to = this.spare;
    const half: u32 = from.first == SUPERBLOCKS ? 1 : 0;
    this.startLog(to, half, ++this.lastEpoch);
    const table = new Table();
    for (let i: u32 = 0; i <= from.index; i++) {
      const answer = from.openIndex(i);
      if (answer == Answer.Io) return answer;
      if (answer == Answer.Corrupt) {
        // What the table names must be there; a block that was lost before the store was opened holds nothing of it.
        if (this.table.countIn(from.first + i, BLOCK) > 0) return answer;
        continue;
      }
      while (from.next()) {
        const hash = hashKey(from.bytes, from.keyAt, from.keyLength);
        if (!this.table.has(hash, from.placeIn(i))) continue;
        const bytes = from.bytes;
        const place = to.append(bytes, from.keyAt, from.keyLength, bytes, from.valueAt, from.valueLength);
        if (place == NOWHERE) return Answer.Io;
        table.add(hash, place);
      }
    }
    if (!to.flush() || !this.writeSuperblock(to.epoch, half)) return Answer.Io;
    this.log = to;
    this.spare = from;
    this.table = table;
    this.garbage = 0;
    return Answer.Ok;
  }
}

function sameBytes(a: Slice, aAt: u32, b: Slice, bAt: u32, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) if (a.get(aAt + i) != b.get(bAt + i)) return false;
  return true;
}

function copyOut(from: Slice, at: u32, length: u32, into: Slice): void {
  into.setLength(length);
  for (let i: u32 = 0; i < length; i++) into.set(i, from.get(at + i));
}
