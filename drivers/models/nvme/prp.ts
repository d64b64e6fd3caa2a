/**
 * Physical region pages: from a command's two entries to the pieces of memory that it names (NVMe 1.4, 4.3).
 *
 * Invariant: the walk ends: each entry covers at least one byte, but for the pointer at the end of a list page; only
 * the first list can be in a page with nothing but its pointer, since the others begin where a page begins.
 */
import type { Dma } from "../model.ts";
import { Status } from "./spec.ts";

/** The memory page size: CAP.MPSMIN and CAP.MPSMAX are 0. */
export const PAGE = 4096;
/** The longest transfer is so many pages, as a power of two (MDTS); it may begin within a page. */
export const MDTS = 7;
export const MAX_TRANSFER = PAGE << MDTS;
export const MAX_PIECES = (1 << MDTS) + 1;

/**
 * A 64-bit address; one above 2^53 loses low bits, and is refused by every host. Remainders are taken with `&`, which
 * has the low bits of such numbers too: `%` of what is no small integer is a call of a slow function.
 */
export function address(low: number, high: number): number {
  return (low >>> 0) + (high >>> 0) * 0x1_0000_0000;
}

/** The pieces of one transfer; made once, filled for each. Neighbours are one piece where memory is contiguous. */
export class PrpWalk {
  readonly addresses = new Float64Array(MAX_PIECES);
  readonly lengths = new Int32Array(MAX_PIECES);
  count = 0;
  #merge = false;

  /**
   * @param words the command
   * @param bytes length of the transfer, 1 to MAX_TRANSFER
   * @returns a status
   */
  fill(dma: Dma, words: Int32Array, bytes: number): number {
    const first = address(words[6]!, words[7]!);
    const offset = first & (PAGE - 1);
    this.count = 0;
    this.#merge = dma.contiguous === true;
    if ((offset & 3) !== 0) return Status.INVALID_PRP_OFFSET;
    const covered = Math.min(bytes, PAGE - offset);
    this.#add(first, covered);
    const rest = bytes - covered;
    if (rest === 0) return Status.SUCCESS;
    const second = address(words[8]!, words[9]!);
    if (rest > PAGE) return this.#list(dma, second, rest);
    if ((second & (PAGE - 1)) !== 0) return Status.INVALID_PRP_OFFSET;
    this.#add(second, rest);
    return Status.SUCCESS;
  }

  #add(iova: number, bytes: number): void {
    const last = this.count - 1;
    const end = last < 0 ? -1 : this.addresses[last]! + this.lengths[last]!;
    if (this.#merge && end === iova) {
      this.lengths[last] = this.lengths[last]! + bytes;
      return;
    }
    this.addresses[this.count] = iova;
    this.lengths[this.count++] = bytes;
  }

  /** A list begins anywhere in a page at a multiple of 8; its last entry in the page points on if more are needed. */
  #list(dma: Dma, list: number, bytes: number): number {
    let [at, rest] = [list, bytes];
    if ((at & 7) !== 0) return Status.INVALID_PRP_OFFSET;
    while (rest > 0) {
      const size = PAGE - (at & (PAGE - 1));
      const view = dma.view(at, size, false);
      if (view === null) return Status.DATA_TRANSFER_ERROR;
      const entries = new DataView(view.buffer, view.byteOffset, size);
      const last = size / 8 - 1;
      for (let i = 0; rest > 0; i++) {
        const entry = address(entries.getUint32(i * 8, true), entries.getUint32(i * 8 + 4, true));
        if ((entry & (PAGE - 1)) !== 0) return Status.INVALID_PRP_OFFSET;
        if (i === last && rest > PAGE) {
          at = entry;
          break;
        }
        const covered = Math.min(rest, PAGE);
        this.#add(entry, covered);
        rest -= covered;
      }
    }
    return Status.SUCCESS;
  }
}
