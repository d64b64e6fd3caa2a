/**
 * Text between domains: UTF-8 in, UTF-8 out.
 *
 * Owns encoding and decoding. Invariant: what is encoded is always valid UTF-8 (unpaired surrogates become U+FFFD), and
 * decoding any bytes whatever ends in a string and reads nothing beyond them: another domain made them.
 */

const REPLACEMENT: u32 = 0xfffd;

/** Bytes that `encodeText` writes for this text. */
export function textLength(text: string): i32 {
  let bytes = 0;
  for (let i = 0, n = text.length; i < n; ++i) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isPair(text, i)) {
      bytes += 4;
      ++i;
    } else bytes += 3;
  }
  return bytes;
}

/**
 * Encodes as UTF-8 without allocating.
 * @returns bytes that the text takes; nothing is written when that is more than `capacity`
 */
export function encodeText(text: string, pointer: usize, capacity: i32): i32 {
  const bytes = textLength(text);
  if (bytes > capacity) return bytes;
  const replace = String.UTF8.ErrorMode.REPLACE;
  String.UTF8.encodeUnsafe(changetype<usize>(text), text.length, pointer, false, replace);
  return bytes;
}

/** Decodes `length` bytes; each malformed sequence becomes U+FFFD. Allocates the string. */
export function decodeText(pointer: usize, length: i32): string {
  const end = pointer + <usize>length;
  let units = 0;
  for (let at = pointer; at < end; ) {
    const code = decodeOne(at, end);
    units += <u32>code < 0x10000 ? 1 : 2;
    at += <usize>(code >> 32);
  }
  const text = changetype<string>(__new(units << 1, idof<string>()));
  let to = changetype<usize>(text);
  for (let at = pointer; at < end; ) {
    const decoded = decodeOne(at, end);
    const code = <u32>decoded;
    if (code < 0x10000) {
      store<u16>(to, <u16>code);
      to += 2;
    } else {
      store<u16>(to, <u16>(0xd7c0 + (code >> 10)));
      store<u16>(to, <u16>(0xdc00 | (code & 0x3ff)), 2);
      to += 4;
    }
    at += <usize>(decoded >> 32);
  }
  return text;
}

function isPair(text: string, i: i32): bool {
  if ((text.charCodeAt(i) & 0xfc00) != 0xd800 || i + 1 >= text.length) return false;
  return (text.charCodeAt(i + 1) & 0xfc00) == 0xdc00;
}

/** One code point at `at`: bytes that it takes in the upper half, code point in the lower. */
function decodeOne(at: usize, end: usize): u64 {
  const lead = <u32>load<u8>(at);
  if (lead < 0x80) return <u64>1 << 32 | lead;
  // Smallest code point of each length: shorter encodings exist for what lies below, and they are the only valid ones.
  let more = 0;
  let least: u32 = 0;
  let code: u32 = 0;
  if ((lead & 0xe0) == 0xc0) {
    more = 1;
    least = 0x80;
    code = lead & 0x1f;
  } else if ((lead & 0xf0) == 0xe0) {
    more = 2;
    least = 0x800;
    code = lead & 0x0f;
  } else if ((lead & 0xf8) == 0xf0) {
    more = 3;
    least = 0x10000;
    code = lead & 0x07;
  } else return <u64>1 << 32 | REPLACEMENT;
  for (let i = 1; i <= more; ++i) {
    const next: u32 = at + i < end ? <u32>load<u8>(at + i) : 0;
    if ((next & 0xc0) != 0x80) return <u64>i << 32 | REPLACEMENT;
    code = code << 6 | next & 0x3f;
  }
  const bytes = <u64>(more + 1) << 32;
  if (code < least || code > 0x10ffff || (code & 0xfffff800) == 0xd800) return bytes | REPLACEMENT;
  return bytes | code;
}
