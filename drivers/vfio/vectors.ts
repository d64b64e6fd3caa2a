/**
 * From eventfds to a callback for each vector.
 *
 * Invariant: `fired` runs in the event loop; after `close` it is not called any more.
 */
import type { Native, NativeInterrupts } from "./native.ts";

export class Vectors {
  readonly count: number;
  /** What a device or a peer is told to signal. */
  readonly native: NativeInterrupts;
  readonly #fired: (vector: number) => void;
  #open = true;

  /** @param fired called with the number of a vector */
  constructor(native: Native, count: number, fired: (vector: number) => void) {
    this.count = count;
    this.#fired = fired;
    this.native = new native.Interrupts(count, () => this.#deliver());
  }

  #deliver(): void {
    for (let word = 0; word * 32 < this.count; word++) {
      for (let bits = this.native.take(word); bits !== 0; bits &= bits - 1) {
        if (!this.#open) return;
        this.#fired(word * 32 + 31 - Math.clz32(bits & -bits));
      }
    }
  }

  /** The device or peer must have been told before. */
  close(): void {
    this.#open = false;
    this.native.close();
  }
}
