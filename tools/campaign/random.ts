/**
 * Random numbers that are the same for the same seed, so that a fault can be made again.
 */

export type Random = (below: number) => number;

/** mulberry32. @returns whole numbers from 0 to `below - 1` */
export function random(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** An independent sequence for each number. */
export function fork(seed: number, index: number): Random {
  return random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
}
