/**
 * A model's way to memory: the windows of the exchange heap that its device may reach, while bus mastering is on.
 *
 * Invariant: an access outside one window, or with bus mastering off, reaches nothing and is reported.
 */
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import type { Dma } from "../model.ts";

/** Faults that are told of one by one after each time that bus mastering went on. */
const REPORTED = 16;

export class HeapDma implements Dma {
  epoch = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #windows: readonly DmaWindow[] = [];
  readonly #mastering: () => boolean;
  readonly #report: (text: string) => void;
  #faults = 0;

  /**
   * @param mastering whether bus mastering is on: asked at each access
   * @param report hears of refused accesses
   */
  constructor(mastering: () => boolean, report: (text: string) => void) {
    this.#mastering = mastering;
    this.#report = report;
  }

  map(memory: ArrayBufferLike, windows: readonly DmaWindow[]): void {
    this.#bytes = new Uint8Array(memory);
    this.#windows = windows;
    this.changed();
  }

  view(iova: number, bytes: number, write: boolean): Uint8Array | null {
    if (!this.#mastering()) return this.#refuse(iova, bytes, write, "bus mastering is off");
    for (const window of this.#windows)
      if (iova >= window.iova && iova + bytes <= window.iova + window.bytes)
        return this.#bytes.subarray(iova, iova + bytes);
    return this.#refuse(iova, bytes, write, "it is outside the device's windows");
  }

  /** Bus mastering was switched, or the memory: what was answered so far is forgotten. */
  changed(): void {
    this.epoch++;
    this.#faults = 0;
  }

  #refuse(iova: number, bytes: number, write: boolean, why: string): null {
    if (++this.#faults <= REPORTED) {
      const last = this.#faults === REPORTED ? "; further ones are not reported" : "";
      this.#report(`a ${write ? "write" : "read"} of ${bytes} bytes at 0x${iova.toString(16)}: ${why}${last}`);
    }
    return null;
  }
}
