/**
 * The map from byte offsets of a lowered module back to the original's, for traps and stack traces.
 *
 * Invariant: pairs ascend in the lowered offset. A pair whose original offset has INSERTED set stands for code that
 * the loader added: all of it maps to the call or loop that it was added for.
 */
const INSERTED = 0x8000_0000;

export class OffsetMap {
  readonly #pairs: number[] = [];

  /** Source bytes from `original` on were copied to `lowered` on. */
  copied(lowered: number, original: number): void {
    this.#pairs.push(lowered, original);
  }

  /** What begins at `lowered` was added for the instruction at `original`. */
  inserted(lowered: number, original: number): void {
    this.#pairs.push(lowered, original + INSERTED);
  }

  /** Position for `shift`. */
  get length(): number {
    return this.#pairs.length;
  }

  /** Adds `by` to the lowered offsets of all pairs from position `from` on. */
  shift(from: number, by: number): void {
    for (let i = from; i < this.#pairs.length; i += 2) this.#pairs[i]! += by;
  }

  finish(): Uint32Array {
    return Uint32Array.from(this.#pairs);
  }
}

/** A run of lowered bytes: a copy of the original ones from `original` on, or code added for what is there. */
export interface OffsetRange {
  readonly lowered: number;
  /** First lowered byte behind the run. */
  readonly end: number;
  readonly original: number;
  readonly copied: boolean;
}

/** All runs, ascending; the last ends at Infinity. */
export function* offsetRanges(offsets: Uint32Array): Iterable<OffsetRange> {
  for (let i = 0; i < offsets.length; i += 2) {
    const copied = offsets[i + 1]! < INSERTED;
    const original = copied ? offsets[i + 1]! : offsets[i + 1]! - INSERTED;
    yield { lowered: offsets[i]!, end: offsets[i + 2] ?? Infinity, original, copied };
  }
}

/** The byte in the original module that the byte at `lowered` came from or was added for; -1 before all code. */
export function translateOffset(offsets: Uint32Array, lowered: number): number {
  let low = 0;
  let high = offsets.length / 2;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (offsets[middle * 2]! <= lowered) low = middle + 1;
    else high = middle;
  }
  if (low === 0) return -1;
  const original = offsets[low * 2 - 1]!;
  return original >= INSERTED ? original - INSERTED : original + (lowered - offsets[low * 2 - 2]!);
}
