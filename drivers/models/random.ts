/**
 * Random numbers of the models' faults, from a seed, so that what went wrong once goes wrong again.
 *
 * Invariant: the sequence depends on the seed alone (xorshift with 32 bits, G. Marsaglia, 2003).
 */
export class Random {
  #state: number;

  constructor(seed: number) {
    // Small seeds are spread over all bits; 0 is the one state that the generator never leaves.
    const spread = Math.imul(seed, 0x9e37_79b1) >>> 0;
    this.#state = spread === 0 ? 0x9e37_79b1 : spread;
  }

  /** A whole number below `limit`. */
  below(limit: number): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    // The high bits: the low ones of neighbouring seeds are alike.
    return Math.floor((this.#state / 0x1_0000_0000) * limit);
  }
}
