/**
 * Random numbers of the models' faults, from a seed, so that what went wrong once goes wrong again.
 *
 * Invariant: the sequence depends on the seed alone (xorshift with 32 bits, G. Marsaglia, 2003).
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    // The one state that the generator never leaves.
    this.#state = seed >>> 0 === 0 ? 0x9e37_79b9 : seed >>> 0;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state % limit;
  }
}
