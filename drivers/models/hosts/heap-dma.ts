/**
 * A model's way to memory: the windows of the exchange heap that its device may reach, while bus mastering is on.
 *
 * Invariant: an access outside one window, or with bus mastering off, reaches nothing and is reported.
 */
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import type { Dma } from "../model.ts";

const VIEW_BITS = 10;
/** Spreads addresses over the views (D. Knuth, multiplicative hashing). */
const HASH = 0x9e37_79b1;
/** Faults that are told of one by one after each time that bus mastering went on. */
const REPORTED = 16;

export class HeapDma implements Dma {
  #bytes: Uint8Array = new Uint8Array(0);
  #windows: readonly DmaWindow[] = [];
  /** Views that were asked for before, by a hash of their address: drivers use the same buffers again and again. */
  readonly #views: (Uint8Array | undefined)[] = Array.from({ length: 1 << VIEW_BITS }, () => undefined);
  readonly contiguous = true;
  readonly #mastering: () => number;
  readonly #report: (text: string) => void;
  #faults = 0;
  /** The value of `mastering` that the count of faults belongs to. */
  #faultsOf = 0;

  /**
   * @param mastering goes up whenever bus mastering is switched, and is odd while it is on: asked at each access
   * @param report hears of refused accesses
   */
  constructor(mastering: () => number, report: (text: string) => void) {
    this.#mastering = mastering;
    this.#report = report;
  }

  get epoch(): number {
    return this.#mastering();
  }

  /** While bus mastering is off. */
  map(memory: ArrayBufferLike, windows: readonly DmaWindow[]): void {
    this.#bytes = new Uint8Array(memory);
    this.#windows = windows;
    this.#views.fill(undefined);
  }

  view(iova: number, bytes: number, write: boolean): Uint8Array | null {
    if ((this.#mastering() & 1) === 0) return this.#refuse(iova, bytes, write, "bus mastering is off");
    const slot = Math.imul(iova >>> 4, HASH) >>> (32 - VIEW_BITS);
    const known = this.#views[slot];
    if (known !== undefined && known.byteOffset === iova && known.length === bytes) return known;
    for (const window of this.#windows) {
      if (iova < window.iova || iova + bytes > window.iova + window.bytes) continue;
      const view = this.#bytes.subarray(iova, iova + bytes);
      this.#views[slot] = view;
      return view;
    }
    return this.#refuse(iova, bytes, write, "it is outside the device's windows");
  }

  #refuse(iova: number, bytes: number, write: boolean, why: string): null {
    const now = this.#mastering();
    if (now !== this.#faultsOf) this.#faults = 0;
    this.#faultsOf = now;
    if (++this.#faults <= REPORTED) {
      const last = this.#faults === REPORTED ? "; further ones are not reported" : "";
      this.#report(`a ${write ? "write" : "read"} of ${bytes} bytes at 0x${iova.toString(16)}: ${why}${last}`);
    }
    return null;
  }
}
