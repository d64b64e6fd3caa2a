/**
 * The namespace's data: a medium behind the write cache, in bytes and in the controller's terms.
 *
 * Invariant: with the cache off, or FUA, what was acknowledged is lasting; with it on, after a flush.
 */
import { FileMedium } from "../file-medium.ts";
import { MemoryMedium } from "../medium.ts";
import type { Random } from "../random.ts";
import { WriteCache } from "../write-cache.ts";
import { DEFAULT_BYTES, type NvmeOptions } from "./options.ts";

const CACHE_BYTES = 16 << 20;

export class Store {
  readonly blocks: number;
  readonly lbaBytes: number;
  readonly lbaShift: number;
  /** Volatile write cache enable, feature 06h. */
  cached: boolean;
  /** Power fails in the middle of what is written now: nothing is lasting. */
  tearing = false;
  readonly #cache: WriteCache;

  /** @throws Error when the file cannot be had, or memory */
  constructor(options: NvmeOptions) {
    const { file, bytes, lbaBytes } = options;
    const medium =
      file === ""
        ? new MemoryMedium(bytes === 0 ? DEFAULT_BYTES : bytes)
        : new FileMedium(file, bytes, DEFAULT_BYTES, lbaBytes);
    this.#cache = new WriteCache(medium, lbaBytes, CACHE_BYTES, options.seed);
    this.lbaBytes = lbaBytes;
    this.lbaShift = Math.log2(lbaBytes);
    this.blocks = medium.bytes / lbaBytes;
    this.cached = options.writeCache;
  }

  /** Whether a part of a block can be read; and written, with or without FUA. */
  get readsParts(): boolean {
    return this.#cache.empty;
  }

  writesParts(lasting: boolean): boolean {
    return (lasting || !this.cached) && !this.tearing && this.#cache.empty;
  }

  /** All of these: @throws Error when the medium fails. Offsets and lengths are whole blocks, or parts if they may. */
  read(offset: number, into: Uint8Array): void {
    this.#cache.read(offset, into);
  }

  /** @param lasting FUA: `sync` has to follow before the command is acknowledged, as with the cache off */
  write(offset: number, from: Uint8Array, lasting: boolean): void {
    if ((lasting || !this.cached) && !this.tearing) this.#cache.through(offset, from);
    else this.#cache.write(offset, from);
  }

  zero(offset: number, bytes: number, lasting: boolean): void {
    this.#cache.zero(offset, bytes, (this.cached && !lasting) || this.tearing);
  }

  /** Ends a command that wrote. */
  settle(lasting: boolean): void {
    if ((lasting || !this.cached) && !this.tearing) this.#cache.sync();
  }

  flush(): void {
    if (!this.tearing) this.#cache.flush();
  }

  powerCut(random: Random): void {
    this.tearing = false;
    this.#cache.powerCut(random);
  }

  close(): void {
    this.#cache.flush();
    this.#cache.close();
  }
}
