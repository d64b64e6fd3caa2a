/**
 * A model of the top of the operand stack: which entries are the value of which local.
 *
 * Invariant: an entry names a local only while that local still has the entry's value. Entries below the model, and
 * beyond its size, are unknown; unknown is always right.
 */
const SIZE = 32;
const UNKNOWN = -1;

export class StackModel {
  readonly #entries = new Int32Array(SIZE);
  #height = 0;

  clear(): void {
    this.#height = 0;
  }

  push(local: number): void {
    if (this.#height === SIZE) {
      this.#entries.copyWithin(0, SIZE / 2);
      this.#height = SIZE / 2;
    }
    this.#entries[this.#height++] = local;
  }

  /** The local that holds the same value, or -1. */
  pop(): number {
    return this.#height > 0 ? this.#entries[--this.#height]! : UNKNOWN;
  }

  drop(count: number): void {
    this.#height = Math.max(0, this.#height - count);
  }

  /** `local` gets another value. */
  forget(local: number): void {
    for (let i = 0; i < this.#height; i++) if (this.#entries[i] === local) this.#entries[i] = UNKNOWN;
  }
}
