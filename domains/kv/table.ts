/**
 * The index of the store: where on the disk the newest record of each key lies.
 *
 * Open addressing with linear probing over the hash of the key; keys themselves stay on the disk, so a caller compares
 * the key of each place that it gets. Invariants: at most 3/4 full; a removed entry leaves no hole, because the entries
 * behind it move up.
 */
import { Slice } from "os/slice";
import { NOWHERE } from "./log";

const FIRST_CAPACITY = 64;

/** FNV-1a over the key's bytes. */
export function hashKey(bytes: Slice, start: u32, length: u32): u32 {
  let h: u32 = 0x811c9dc5;
  for (let i: u32 = 0; i < length; i++) h = (h ^ bytes.get(start + i)) * 0x01000193;
  return h;
}

export class Table {
  /** Number of keys. */
  count: i32 = 0;
  private hashes: StaticArray<u32> = new StaticArray<u32>(FIRST_CAPACITY);
  private places: StaticArray<u32> = new StaticArray<u32>(FIRST_CAPACITY);

  get capacity(): i32 {
    return this.places.length;
  }

  /** First entry that may hold a key of this hash. */
  first(hash: u32): i32 {
    return this.settle(<i32>hash & (this.capacity - 1), hash);
  }

  /** The next such entry; an entry whose place is NOWHERE ends the search and is where the key would go. */
  next(entry: i32, hash: u32): i32 {
    return this.settle((entry + 1) & (this.capacity - 1), hash);
  }

  place(entry: i32): u32 {
    return this.places[entry];
  }

  /** Adds a key that is not there yet. */
  add(hash: u32, place: u32): void {
    let entry = this.first(hash);
    while (this.places[entry] != NOWHERE) entry = this.next(entry, hash);
    this.set(entry, hash, place);
  }

  /** Place of the n-th key in the table's own order; NOWHERE behind the last one. */
  nth(n: u32): u32 {
    let left = n;
    for (let i = 0; i < this.places.length; i++) {
      if (this.places[i] == NOWHERE) continue;
      if (left-- == 0) return this.places[i];
    }
    return NOWHERE;
  }

  /** How many keys have their record in a block. */
  countIn(block: u32, blockBytes: u32): i32 {
    let count = 0;
    for (let i = 0; i < this.places.length; i++) {
      if (this.places[i] != NOWHERE && this.places[i] / blockBytes == block) count++;
    }
    return count;
  }

  /** Whether an entry of this hash has this place. */
  has(hash: u32, place: u32): bool {
    let entry = this.first(hash);
    while (this.places[entry] != NOWHERE && this.places[entry] != place) entry = this.next(entry, hash);
    return this.places[entry] == place;
  }

  /** Fills or changes an entry that `first` or `next` has given. May move all entries. */
  set(entry: i32, hash: u32, place: u32): void {
    if (this.places[entry] == NOWHERE) this.count++;
    this.hashes[entry] = hash;
    this.places[entry] = place;
    if (this.count * 4 > this.capacity * 3) this.grow();
  }

  remove(entry: i32): void {
    const mask = this.capacity - 1;
    let hole = entry;
    for (let i = (hole + 1) & mask; this.places[i] != NOWHERE; i = (i + 1) & mask) {
      // An entry may move up to the hole only when its search begins at or before the hole.
      const home = <i32>this.hashes[i] & mask;
      if (((i - home) & mask) < ((i - hole) & mask)) continue;
      this.hashes[hole] = this.hashes[i];
      this.places[hole] = this.places[i];
      hole = i;
    }
    this.places[hole] = NOWHERE;
    this.count--;
  }

  private settle(start: i32, hash: u32): i32 {
    const mask = this.capacity - 1;
    let i = start;
    while (this.places[i] != NOWHERE && this.hashes[i] != hash) i = (i + 1) & mask;
    return i;
  }

  private grow(): void {
    const hashes = this.hashes;
    const places = this.places;
    this.hashes = new StaticArray<u32>(places.length * 2);
    this.places = new StaticArray<u32>(places.length * 2);
    const mask = this.capacity - 1;
    for (let i = 0; i < places.length; i++) {
      if (places[i] == NOWHERE) continue;
      let to = <i32>hashes[i] & mask;
      while (this.places[to] != NOWHERE) to = (to + 1) & mask;
      this.hashes[to] = hashes[i];
      this.places[to] = places[i];
    }
  }
}
