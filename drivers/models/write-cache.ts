/**
 * A volatile write cache before a medium: what a storage device has acknowledged and would lose without power.
 *
 * Invariant: a read gives what was written last. After `flush`, everything written before is on the medium; until
 * then each sector may be there in any version since, or not, independently of all others (evictions write back when
 * the cache is full, and early ones at random when there is a seed).
 */
import type { Medium } from "./medium.ts";
import { Random } from "./random.ts";

const CHUNK_SHIFT = 12;
const CHUNK = 1 << CHUNK_SHIFT;
/** One in so many writes makes the device write a sector back early. */
const EARLY = 4;
const ZEROS = new Uint8Array(1 << 20);

interface Chunk {
  readonly data: Uint8Array;
  /** One bit for each sector that the medium has not. */
  dirty: number;
}

export class WriteCache {
  readonly #medium: Medium;
  readonly #sector: number;
  /** All bits of a chunk. */
  readonly #all: number;
  readonly #limit: number;
  readonly #chunks = new Map<number, Chunk>();
  readonly #spare: Chunk[] = [];
  readonly #early: Random | null;

  /**
   * @param sector bytes that are written whole or not at all: 512 or 4096; all offsets and lengths are multiples
   * @param limit bytes that the cache holds
   * @param seed of early write-backs; 0: none
   */
  constructor(medium: Medium, sector: number, limit: number, seed: number) {
    this.#medium = medium;
    this.#sector = sector;
    this.#all = (1 << (CHUNK / sector)) - 1;
    this.#limit = Math.max(1, limit >> CHUNK_SHIFT);
    this.#early = seed === 0 ? null : new Random(seed);
  }

  get bytes(): number {
    return this.#medium.bytes;
  }

  /** Nothing is in it: `read` and `through` take any range, not only whole sectors. */
  get empty(): boolean {
    return this.#chunks.size === 0;
  }

  read(offset: number, into: Uint8Array): void {
    if (this.#chunks.size === 0) return this.#medium.read(offset, into);
    const whole = this.#whole(offset, into.length);
    if (whole !== undefined) {
      const at = offset & (CHUNK - 1);
      into.set(at === 0 && into.length === CHUNK ? whole : whole.subarray(at, at + into.length));
      return;
    }
    this.#medium.read(offset, into);
    this.#overlay(offset, into);
  }

  /** Into the cache. */
  write(offset: number, from: Uint8Array): void {
    let done = 0;
    while (done < from.length) {
      const at = (offset + done) & (CHUNK - 1);
      const bytes = Math.min(CHUNK - at, from.length - done);
      const chunk = this.#chunk(Math.floor((offset + done) / CHUNK));
      chunk.data.set(bytes === from.length ? from : from.subarray(done, done + bytes), at);
      chunk.dirty |= this.#bits(at, bytes);
      done += bytes;
    }
    if (this.#chunks.size > this.#limit) this.#writeBack();
    if (this.#early !== null && this.#early.below(EARLY) === 0) this.#writeBackOne(this.#early);
  }

  /** To the medium, past the cache; lasting after `sync`. */
  through(offset: number, from: Uint8Array): void {
    this.#medium.write(offset, from);
    if (this.#chunks.size === 0) return;
    for (let done = 0; done < from.length;) {
      const at = (offset + done) & (CHUNK - 1);
      const bytes = Math.min(CHUNK - at, from.length - done);
      const chunk = this.#chunks.get(Math.floor((offset + done) / CHUNK));
      if (chunk !== undefined) chunk.dirty &= ~this.#bits(at, bytes);
      done += bytes;
    }
  }

  /** Writes zeros. @param cached into the cache, or past it */
  zero(offset: number, bytes: number, cached: boolean): void {
    for (let done = 0; done < bytes;) {
      const piece = ZEROS.subarray(0, Math.min(ZEROS.length, bytes - done));
      if (cached) this.write(offset + done, piece);
      else this.through(offset + done, piece);
      done += piece.length;
    }
  }

  /** What `through` wrote is lasting after this. */
  sync(): void {
    this.#medium.sync();
  }

  /** Everything is lasting after this. */
  flush(): void {
    this.#writeBack();
    this.#medium.sync();
  }

  /** Each sector that the cache alone has is on the medium or lost, at random; then the cache is empty. */
  powerCut(random: Random): void {
    for (const [index, chunk] of this.#chunks) {
      let kept = 0;
      for (let bit = 1; bit <= this.#all; bit <<= 1) if (random.below(2) === 0) kept |= bit;
      this.#put(index, chunk, chunk.dirty & kept);
    }
    this.#chunks.clear();
    this.#medium.sync();
  }

  close(): void {
    this.#medium.close();
  }

  /** The bytes of the one chunk that has all of the range, if it is so. */
  #whole(offset: number, bytes: number): Uint8Array | undefined {
    const at = offset & (CHUNK - 1);
    if (at + bytes > CHUNK) return undefined;
    const chunk = this.#chunks.get(Math.floor(offset / CHUNK));
    const bits = this.#bits(at, bytes);
    return chunk !== undefined && (chunk.dirty & bits) === bits ? chunk.data : undefined;
  }

  #overlay(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length;) {
      const at = (offset + done) & (CHUNK - 1);
      const bytes = Math.min(CHUNK - at, into.length - done);
      const chunk = this.#chunks.get(Math.floor((offset + done) / CHUNK));
      if (chunk !== undefined) this.#copyDirty(chunk, at, into.subarray(done, done + bytes));
      done += bytes;
    }
  }

  #copyDirty(chunk: Chunk, at: number, into: Uint8Array): void {
    for (let i = 0; i < into.length; i += this.#sector) {
      const from = at + i;
      if ((chunk.dirty & this.#bits(from, this.#sector)) === 0) continue;
      into.set(chunk.data.subarray(from, from + this.#sector), i);
    }
  }

  #bits(at: number, bytes: number): number {
    return ((1 << (bytes / this.#sector)) - 1) << (at / this.#sector);
  }

  #chunk(index: number): Chunk {
    let chunk = this.#chunks.get(index);
    if (chunk !== undefined) return chunk;
    chunk = this.#spare.pop() ?? { data: new Uint8Array(CHUNK), dirty: 0 };
    chunk.dirty = 0;
    this.#chunks.set(index, chunk);
    return chunk;
  }

  #writeBack(): void {
    for (const [index, chunk] of this.#chunks) {
      this.#put(index, chunk, chunk.dirty);
      chunk.dirty = 0;
      // Only now: a medium that failed leaves the rest in the cache.
      this.#chunks.delete(index);
      if (this.#spare.length < this.#limit) this.#spare.push(chunk);
    }
  }

  #writeBackOne(random: Random): void {
    let skip = random.below(Math.max(1, this.#chunks.size));
    for (const [index, chunk] of this.#chunks) {
      if (skip-- > 0) continue;
      const bit = 1 << random.below(CHUNK / this.#sector);
      this.#put(index, chunk, chunk.dirty & bit);
      chunk.dirty &= ~bit;
      return;
    }
  }

  /** Writes the sectors of `bits` to the medium, runs of them at once. */
  #put(index: number, chunk: Chunk, bits: number): void {
    const base = index * CHUNK;
    if (bits === this.#all) return this.#medium.write(base, chunk.data);
    const count = CHUNK / this.#sector;
    for (let i = 0; i < count; i++) {
      if ((bits & (1 << i)) === 0) continue;
      const first = i;
      while (i + 1 < count && (bits & (1 << (i + 1))) !== 0) i++;
      this.#medium.write(
        base + first * this.#sector,
        chunk.data.subarray(first * this.#sector, (i + 1) * this.#sector),
      );
    }
  }
}
