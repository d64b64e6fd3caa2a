/**
 * A fast 64-bit hash of bytes in private memory: for noticing damage, not for keeping secrets.
 *
 * Invariant: each step is a bijection of its lane for a given word and of the word for a given lane, so a change within
 * one word always changes the hash.
 */

const PRIME: u64 = 0x9e3779b185ebca87;

// @ts-ignore: decorator
@inline
function step(lane: u64, at: usize): u64 {
  return rotl<u64>(lane ^ load<u64>(at), 29) * PRIME;
}

// @ts-ignore: decorator
@inline
function mix(hash: u64): u64 {
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93;
  return hash ^ (hash >> 29);
}

/**
 * @param bytes a multiple of 32
 * @param seed makes equal bytes hash differently, by their place for instance
 */
export function hash64(pointer: usize, bytes: i32, seed: u64): u64 {
  // Four lanes: a multiplication takes longer than the processor needs to begin the next.
  let a = seed;
  let b = seed ^ PRIME;
  let c = seed + PRIME;
  let d = ~seed;
  for (let end = pointer + <usize>bytes; pointer < end; pointer += 32) {
    a = step(a, pointer);
    b = step(b, pointer + 8);
    c = step(c, pointer + 16);
    d = step(d, pointer + 24);
  }
  return mix(mix(mix(mix(a) + b) + c) + d);
}
