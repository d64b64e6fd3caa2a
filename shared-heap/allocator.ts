/**
 * Blocks of the exchange heap: which bytes of memory 1 are in use, and by whom not (that is the ledger's business).
 *
 * Domains and devices write to memory 1, so not one byte of metadata lies there: it is all in typed arrays of fixed
 * size here. Small blocks are carved from pages of 64 KiB, one size class each; larger ones are runs of pages, merged
 * with their free neighbours when freed. An empty page goes back to the run pool, except one spare per size class,
 * and the spares go back too before any allocation fails: no class hoards.
 *
 * Invariants (`check()`): every page of an arena is free, small, or part of one large block; two free runs never
 * touch; a granule's link is ALLOCATED exactly when a block that is in use begins there. Cost: O(1), except that
 * finding a run of n pages may pass over shorter ones in [2^k, n), at most 8,192 of them.
 *
 *     address   page (15 bits) | granule in page (10 bits) | byte (6 bits)      page 0 is never given out
 */
import { HeapError } from "./errors.ts";

/** Alignment of every block, bytes. */
export const GRANULE_BYTES = 64;
const GRANULE_SHIFT = 6;
/** Unit of arenas and large blocks, bytes: the Wasm page. */
export const PAGE_BYTES = 65536;
const PAGE_SHIFT = 16;
const PAGE_GRANULE_SHIFT = PAGE_SHIFT - GRANULE_SHIFT;
const PAGE_GRANULES = 1 << PAGE_GRANULE_SHIFT;
/** Heaps end here: addresses stay positive i32. */
export const MAX_HEAP_BYTES = 2 ** 31;

/** Block sizes in granules: every one up to 512 bytes, then four to the octave, and what halves or thirds a page. */
const CLASS_GRANULES = Uint16Array.from([
  1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320,
  512,
]);
const CLASSES = CLASS_GRANULES.length;
const MAX_SMALL_GRANULES = 512;
/** Granules → smallest class that has room. */
const CLASS_OF = Uint8Array.from({ length: MAX_SMALL_GRANULES + 1 }, (_, n) => CLASS_GRANULES.findIndex((g) => g >= n));
const PER_PAGE = CLASS_GRANULES.map((granules) => Math.floor(PAGE_GRANULES / granules));

/** Page kinds: FREE, class + 1, LARGE (first page of a block), TAIL (its other pages). */
const FREE = 0;
const LARGE = 254;
const TAIL = 255;
/** Link of a granule where a block in use begins. Other links are 1 + granule in page, 0 at the end of a list. */
const ALLOCATED = 0xffff;
/** Free runs are listed by floor(log2(pages)). */
const BINS = 16;

/** A part of the heap with a purpose of its own. `base` and `bytes` are multiples of 64 KiB. */
export interface Arena {
  readonly name: string;
  readonly base: number;
  readonly bytes: number;
}

export interface ArenaStatistics {
  readonly name: string;
  readonly bytes: number;
  /** Bytes of blocks in use, and the rest. */
  readonly used: number;
  readonly free: number;
  /** Largest block that can be had now, bytes. */
  readonly largestRun: number;
}

export class Allocator {
  readonly arenas: readonly Arena[];
  /** Per granule: the link. Per page: everything else. Lists: pages of a class with room, and free runs of a bin. */
  readonly #link: Uint16Array;
  readonly #kind: Uint8Array;
  readonly #arena: Uint8Array;
  readonly #run: Uint16Array;
  readonly #used: Uint16Array;
  readonly #carved: Uint16Array;
  readonly #head: Uint16Array;
  readonly #next: Uint16Array;
  readonly #previous: Uint16Array;
  readonly #partial: Uint16Array;
  readonly #spare: Uint16Array;
  readonly #bins: Uint16Array;
  readonly #usedBytes: Float64Array;
  #blocks = 0;

  /** @throws HeapError "config" for arenas that overlap, are unaligned, hold page 0 or end beyond 2 GiB. */
  constructor(arenas: readonly Arena[]) {
    const end = arenas.reduce((most, a) => Math.max(most, a.base + a.bytes), PAGE_BYTES);
    const config = (detail: string): HeapError => new HeapError("config", "arenas", detail);
    if (arenas.length === 0 || arenas.length > 254) throw config(`${arenas.length} arenas, must be 1 to 254`);
    if (!(end <= MAX_HEAP_BYTES)) throw config(`the heap ends at ${end}, must be at most ${MAX_HEAP_BYTES}`);
    const pages = Math.ceil(end / PAGE_BYTES);
    this.arenas = arenas.map((a) => ({ ...a }));
    this.#link = new Uint16Array(pages * PAGE_GRANULES);
    this.#kind = new Uint8Array(pages);
    this.#arena = new Uint8Array(pages + 1);
    this.#run = new Uint16Array(pages);
    this.#used = new Uint16Array(pages);
    this.#carved = new Uint16Array(pages);
    this.#head = new Uint16Array(pages);
    this.#next = new Uint16Array(pages);
    this.#previous = new Uint16Array(pages);
    this.#partial = new Uint16Array(arenas.length * CLASSES);
    this.#spare = new Uint16Array(arenas.length * CLASSES);
    this.#bins = new Uint16Array(arenas.length * BINS);
    this.#usedBytes = new Float64Array(arenas.length);
    arenas.forEach(({ name, base, bytes }, i) => {
      if (!(base >= PAGE_BYTES && bytes >= PAGE_BYTES) || base % PAGE_BYTES !== 0 || bytes % PAGE_BYTES !== 0)
        throw config(`"${name}" at ${base}, ${bytes} bytes: must be whole pages of ${PAGE_BYTES} above the first`);
      const page = base / PAGE_BYTES;
      const count = bytes / PAGE_BYTES;
      if (this.#arena.subarray(page, page + count).some((a) => a !== 0)) throw config(`"${name}" overlaps another`);
      this.#arena.fill(i + 1, page, page + count);
      this.#insertRun(page, count);
    });
  }

  /** Number of blocks in use. */
  get blocks(): number {
    return this.#blocks;
  }

  /** Size of the block that `alloc(bytes)` would give, or Infinity when no heap is that large. */
  roundUp(bytes: number): number {
    if (!(bytes <= MAX_HEAP_BYTES)) return Infinity;
    const granules = (bytes + GRANULE_BYTES - 1) >>> GRANULE_SHIFT;
    if (granules <= MAX_SMALL_GRANULES) return CLASS_GRANULES[CLASS_OF[granules]!]! << GRANULE_SHIFT;
    return Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES;
  }

  /**
   * A block of at least `bytes` bytes, 64-byte aligned, its content whatever it was.
   * @param arena index of the arena
   * @returns the address, or 0 when the arena has no room
   * @throws HeapError "config" when there is no such arena
   */
  alloc(bytes: number, arena = 0): number {
    if (arena >>> 0 >= this.arenas.length) throw new HeapError("config", "alloc", `there is no arena ${arena}`);
    if (!(bytes >= 0 && bytes <= MAX_HEAP_BYTES)) return 0;
    const granules = (bytes + GRANULE_BYTES - 1) >>> GRANULE_SHIFT;
    if (granules <= MAX_SMALL_GRANULES) return this.#allocSmall(arena, CLASS_OF[granules]!);
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const page = this.#takePages(arena, pages);
    if (page === 0) return 0;
    this.#kind.fill(TAIL, page, page + pages);
    this.#kind[page] = LARGE;
    this.#run[page] = pages;
    this.#link[page << PAGE_GRANULE_SHIFT] = ALLOCATED;
    this.#usedBytes[arena]! += pages * PAGE_BYTES;
    this.#blocks++;
    return page << PAGE_SHIFT;
  }

  #allocSmall(arena: number, sizeClass: number): number {
    const list = arena * CLASSES + sizeClass;
    let page = this.#partial[list]!;
    if (page === 0) {
      page = this.#takePages(arena, 1);
      if (page === 0) return 0;
      this.#kind[page] = sizeClass + 1;
      this.#used[page] = this.#carved[page] = this.#head[page] = 0;
      this.#push(this.#partial, list, page);
    }
    const first = page << PAGE_GRANULE_SHIFT;
    const head = this.#head[page]!;
    const granule = head !== 0 ? first + head - 1 : first + this.#carved[page]!++ * CLASS_GRANULES[sizeClass]!;
    if (head !== 0) this.#head[page] = this.#link[granule]!;
    this.#link[granule] = ALLOCATED;
    if (this.#spare[list] === page) this.#spare[list] = 0;
    if (++this.#used[page]! === PER_PAGE[sizeClass]) this.#remove(this.#partial, list, page);
    this.#usedBytes[arena]! += CLASS_GRANULES[sizeClass]! << GRANULE_SHIFT;
    this.#blocks++;
    return granule << GRANULE_SHIFT;
  }

  /** Gives a block back. @throws HeapError "not-allocated" unless a block in use begins at `address`. */
  free(address: number): void {
    const granule = this.#blockAt("free", address);
    const page = granule >>> PAGE_GRANULE_SHIFT;
    const arena = this.#arena[page]! - 1;
    const kind = this.#kind[page]!;
    this.#blocks--;
    if (kind === LARGE) {
      this.#link[granule] = 0;
      this.#usedBytes[arena]! -= this.#run[page]! * PAGE_BYTES;
      this.#releaseRun(page, this.#run[page]!);
      return;
    }
    const sizeClass = kind - 1;
    const list = arena * CLASSES + sizeClass;
    this.#usedBytes[arena]! -= CLASS_GRANULES[sizeClass]! << GRANULE_SHIFT;
    this.#link[granule] = this.#head[page]!;
    this.#head[page] = (granule & (PAGE_GRANULES - 1)) + 1;
    if (this.#used[page] === PER_PAGE[sizeClass]) this.#push(this.#partial, list, page);
    if (--this.#used[page]! !== 0) return;
    if (this.#spare[list] === 0) {
      this.#spare[list] = page;
      return;
    }
    this.#remove(this.#partial, list, page);
    this.#releaseRun(page, 1);
  }

  /** Size in bytes of the block in use at `address`. @throws HeapError "not-allocated" */
  blockSize(address: number): number {
    const page = this.#blockAt("blockSize", address) >>> PAGE_GRANULE_SHIFT;
    const kind = this.#kind[page]!;
    return kind === LARGE ? this.#run[page]! * PAGE_BYTES : CLASS_GRANULES[kind - 1]! << GRANULE_SHIFT;
  }

  /** Whether a block in use begins at `address`. */
  isBlock(address: number): boolean {
    return (address & (GRANULE_BYTES - 1)) === 0 && this.#link[address >>> GRANULE_SHIFT] === ALLOCATED;
  }

  #blockAt(operation: string, address: number): number {
    if (!this.isBlock(address))
      throw new HeapError("not-allocated", operation, `no block begins at address ${address}`);
    return address >>> GRANULE_SHIFT;
  }

  /** One entry per arena. Gives the spare pages back first. */
  statistics(): ArenaStatistics[] {
    return this.arenas.map(({ name, bytes }, arena) => {
      this.#trim(arena);
      let largest = 0;
      for (let bin = 0; bin < BINS; bin++)
        for (let page = this.#bins[arena * BINS + bin]!; page !== 0; page = this.#next[page]!)
          largest = Math.max(largest, this.#run[page]!);
      const used = this.#usedBytes[arena]!;
      return { name, bytes, used, free: bytes - used, largestRun: largest * PAGE_BYTES };
    });
  }

  // ── runs of pages ────────────────────────────────────────────────────────────────────────────────────────────────

  #takePages(arena: number, pages: number): number {
    const run = this.#takeRun(arena, pages);
    if (run !== 0) return run;
    this.#trim(arena);
    return this.#takeRun(arena, pages);
  }

  /** The first run of the own bin that is long enough, else one of the next bin, where every run is. */
  #takeRun(arena: number, pages: number): number {
    let bin = 31 - Math.clz32(pages);
    let run = 0;
    for (; run === 0 && bin < BINS; bin++) {
      run = this.#bins[arena * BINS + bin]!;
      while (run !== 0 && this.#run[run]! < pages) run = this.#next[run]!;
    }
    if (run === 0) return 0;
    const length = this.#run[run]!;
    this.#remove(this.#bins, this.#binOf(run, length), run);
    if (length > pages) this.#insertRun(run + pages, length - pages);
    return run;
  }

  /** Spare pages go back to the run pool. */
  #trim(arena: number): void {
    for (let list = arena * CLASSES; list < (arena + 1) * CLASSES; list++) {
      const page = this.#spare[list]!;
      if (page === 0) continue;
      this.#spare[list] = 0;
      this.#remove(this.#partial, list, page);
      this.#releaseRun(page, 1);
    }
  }

  /** Frees pages and merges them with free neighbours of the same arena. */
  #releaseRun(page: number, length: number): void {
    this.#kind.fill(FREE, page, page + length);
    let first = page;
    let end = page + length;
    if (this.#arena[page - 1] === this.#arena[page] && this.#kind[page - 1] === FREE) {
      first = page - this.#run[page - 1]!;
      this.#remove(this.#bins, this.#binOf(first, page - first), first);
    }
    if (this.#arena[end] === this.#arena[page] && this.#kind[end] === FREE) {
      const after = this.#run[end]!;
      this.#remove(this.#bins, this.#binOf(end, after), end);
      end += after;
    }
    this.#insertRun(first, end - first);
  }

  /** First and last page of a free run hold its length, so that either neighbour finds the other end. */
  #insertRun(page: number, length: number): void {
    this.#run[page] = this.#run[page + length - 1] = length;
    this.#push(this.#bins, this.#binOf(page, length), page);
  }

  #binOf(page: number, length: number): number {
    return (this.#arena[page]! - 1) * BINS + 31 - Math.clz32(length);
  }

  #push(lists: Uint16Array, list: number, page: number): void {
    const head = lists[list]!;
    this.#next[page] = head;
    this.#previous[page] = 0;
    if (head !== 0) this.#previous[head] = page;
    lists[list] = page;
  }

  #remove(lists: Uint16Array, list: number, page: number): void {
    const next = this.#next[page]!;
    const previous = this.#previous[page]!;
    if (next !== 0) this.#previous[next] = previous;
    if (previous !== 0) this.#next[previous] = next;
    else lists[list] = next;
  }

  // ── invariants ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** What is wrong, in words; empty when all invariants hold. Costs time in the order of the heap's granules. */
  check(): string[] {
    const wrong: string[] = [];
    let blocks = 0;
    for (let arena = 0; arena < this.arenas.length; arena++) {
      const listed = new Set<number>();
      this.#checkLists(arena, this.#partial, CLASSES, listed, wrong);
      this.#checkLists(arena, this.#bins, BINS, listed, wrong);
      blocks += this.#checkArena(arena, listed, wrong);
    }
    if (blocks !== this.#blocks) wrong.push(`${blocks} blocks in use, counted ${this.#blocks}`);
    return wrong;
  }

  #checkLists(arena: number, lists: Uint16Array, size: number, listed: Set<number>, wrong: string[]): void {
    for (let list = arena * size; list < (arena + 1) * size; list++)
      for (let page = lists[list]!, before = 0; page !== 0; before = page, page = this.#next[page]!) {
        const kind = this.#kind[page]!;
        const right = kind === FREE ? this.#binOf(page, this.#run[page]!) : arena * CLASSES + kind - 1;
        if ((kind === FREE) !== (lists === this.#bins) || right !== list) wrong.push(`page ${page}: in a wrong list`);
        if (this.#previous[page] !== before) wrong.push(`page ${page}: not linked both ways`);
        if (listed.has(page)) return void wrong.push(`page ${page}: listed twice`);
        listed.add(page);
      }
  }

  /** @returns the number of blocks in use in the arena */
  #checkArena(arena: number, listed: Set<number>, wrong: string[]): number {
    const { name, base, bytes } = this.arenas[arena]!;
    const end = (base + bytes) / PAGE_BYTES;
    let blocks = 0;
    let used = 0;
    for (let page = base / PAGE_BYTES, length = 1; page < end; page += length) {
      const kind = this.#kind[page]!;
      const run = kind === FREE || kind === LARGE;
      length = run ? this.#run[page]! : 1;
      if (length === 0 || page + length > end) {
        wrong.push(`page ${page}: a run of ${length} pages`);
        break;
      }
      const inUse = run ? this.#checkRun(page, length, wrong) : this.#checkSmall(page, wrong);
      used += inUse * (kind === LARGE ? length * PAGE_BYTES : (CLASS_GRANULES[kind - 1] ?? 0) * GRANULE_BYTES);
      blocks += inUse;
      const hasRoom = kind === FREE || (kind !== LARGE && this.#used[page]! < PER_PAGE[kind - 1]!);
      if (listed.has(page) !== hasRoom) wrong.push(`page ${page}: listed ${listed.has(page)}, has room ${hasRoom}`);
    }
    if (used !== this.#usedBytes[arena]) wrong.push(`${name}: ${used} bytes in use, counted ${this.#usedBytes[arena]}`);
    return blocks;
  }

  /** @returns the number of blocks in use that begin in this run: 1 for a large block, 0 for free pages. */
  #checkRun(page: number, length: number, wrong: string[]): number {
    const large = this.#kind[page] === LARGE;
    for (let p = page + 1; p < page + length; p++)
      if (this.#kind[p] !== (large ? TAIL : FREE)) wrong.push(`page ${p}: kind ${this.#kind[p]} within a run`);
    if (!large && this.#run[page + length - 1] !== length) wrong.push(`page ${page}: two lengths of one run`);
    if (!large && this.#arena[page + length] === this.#arena[page] && this.#kind[page + length] === FREE)
      wrong.push(`page ${page}: a free run touches the next`);
    if (this.#countBlocks(page, page + length) !== (large ? 1 : 0)) wrong.push(`page ${page}: blocks within a run`);
    return large ? 1 : 0;
  }

  #checkSmall(page: number, wrong: string[]): number {
    const sizeClass = this.#kind[page]! - 1;
    const granules = CLASS_GRANULES[sizeClass];
    if (granules === undefined) {
      wrong.push(`page ${page}: kind ${sizeClass + 1}`);
      return 0;
    }
    let free = 0;
    for (let at = this.#head[page]!; at !== 0 && at !== ALLOCATED && free <= PAGE_GRANULES; free++) {
      if ((at - 1) % granules !== 0) wrong.push(`page ${page}: free block at granule ${at - 1}`);
      at = this.#link[(page << PAGE_GRANULE_SHIFT) + at - 1]!;
    }
    const inUse = this.#countBlocks(page, page + 1);
    if (inUse !== this.#used[page]) wrong.push(`page ${page}: ${inUse} blocks in use, counted ${this.#used[page]}`);
    if (inUse + free !== this.#carved[page])
      wrong.push(`page ${page}: ${inUse} + ${free} ≠ ${this.#carved[page]} blocks`);
    if (inUse === 0 && this.#spare[(this.#arena[page]! - 1) * CLASSES + sizeClass] !== page)
      wrong.push(`page ${page}: empty and not the spare`);
    return inUse;
  }

  #countBlocks(page: number, end: number): number {
    let count = 0;
    for (const link of this.#link.subarray(page * PAGE_GRANULES, end * PAGE_GRANULES)) if (link === ALLOCATED) count++;
    return count;
  }
}
