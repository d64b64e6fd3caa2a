/**
 * A model's way to memory: the windows of the exchange heap that its device may reach, while bus mastering is on.
 *
 * Invariant: an access outside one window, or with bus mastering off, reaches nothing and is reported.
 */
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import type { Dma } from "../model.ts";

const PAGE = 4096;
/** Faults that are told of one by one after each time that bus mastering went on. */
const REPORTED = 16;

export class HeapDma implements Dma {
  #bytes: Uint8Array = new Uint8Array(0);
  #windows: readonly DmaWindow[] = [];
  /** Views of whole pages that were asked for before, by page of the heap: most accesses are to such. */
  #pages: (Uint8Array | undefined)[] = [];
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
    this.#pages = Array.from({ length: Math.ceil(memory.byteLength / PAGE) }, () => undefined);
  }

  view(iova: number, bytes: number, write: boolean): Uint8Array | null {
    if ((this.#mastering() & 1) === 0) return this.#refuse(iova, bytes, write, "bus mastering is off");
    const page = bytes === PAGE && iova % PAGE === 0 ? iova / PAGE : -1;
    if (page >= 0 && this.#pages[page] !== undefined) return this.#pages[page];
    for (const window of this.#windows) {
      if (iova < window.iova || iova + bytes > window.iova + window.bytes) continue;
      const view = this.#bytes.subarray(iova, iova + bytes);
      if (page >= 0) this.#pages[page] = view;
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
