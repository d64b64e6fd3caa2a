/**
 * Byte-level encoders of the Wasm binary format.
 *
 * Owns LEB128, names and vectors. Results are plain arrays of byte values, so that tests can splice, cut and spoil
 * them. Nothing here refuses a value: `overlong` and friends exist to write what a decoder must reject.
 */

export type Code = readonly number[];

/** Unsigned LEB128 of `n` (0 … 2^53), shortest form. */
export function u32(n: number): number[] {
  if (n < 128) return [n];
  const out: number[] = [];
  let rest = n;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    out.push(rest > 0 ? low | 0x80 : low);
  } while (rest > 0);
  return out;
}

/** Unsigned LEB128 in exactly `bytes` bytes, padded with continuation bytes (legal up to 5 for an u32). */
export function padded(n: number, bytes: number): number[] {
  const out: number[] = [];
  let rest = n;
  for (let i = 0; i < bytes; i++) {
    out.push((rest % 128) | (i < bytes - 1 ? 0x80 : 0));
    rest = Math.floor(rest / 128);
  }
  return out;
}

/** Signed LEB128 of an i32. */
export function s32(n: number): number[] {
  const out: number[] = [];
  let rest = n | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...out, low];
    out.push(low | 0x80);
  }
}

/** Signed LEB128 of an i64. */
export function s64(n: bigint): number[] {
  const out: number[] = [];
  let rest = BigInt.asIntN(64, n);
  for (;;) {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    if ((rest === 0n && (low & 0x40) === 0) || (rest === -1n && (low & 0x40) !== 0)) return [...out, low];
    out.push(low | 0x80);
  }
}

/** Little-endian bytes of an f64. */
export function f64Bytes(value: number): number[] {
  return [...new Uint8Array(new Float64Array([value]).buffer)];
}

/** Little-endian bytes of an f32. */
export function f32Bytes(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

const UTF8 = new TextEncoder();
/** Names are few, and generators write millions of modules with them. */
const names = new Map<string, Code>();

/** A name: UTF-8 length and bytes. */
export function name(text: string): Code {
  let bytes = names.get(text);
  if (bytes === undefined) {
    const utf8 = UTF8.encode(text);
    bytes = [...u32(utf8.length), ...utf8];
    if (names.size < 1000) names.set(text, bytes);
  }
  return bytes;
}

/** A vector: count and the encoded items. */
export function vec(items: readonly Code[]): number[] {
  return [...u32(items.length), ...items.flat()];
}

/** Appends `bytes` to `out` without spreading, which a body of a few hundred KiB would overflow the stack with. */
export function append(out: number[], bytes: Code): void {
  for (let i = 0; i < bytes.length; i++) out.push(bytes[i]!);
}

/** A section: id, size, contents. `claim` overrides the size field. */
export function section(id: number, contents: Code, claim = contents.length): number[] {
  const out = [id, ...u32(claim)];
  append(out, contents);
  return out;
}

/** `\0asm` and the version. */
export const HEADER: Code = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
