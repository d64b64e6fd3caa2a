/**
 * CRC-32 (IEEE 802.3, reflected, polynomial 0xEDB88320), as zlib and Ethernet compute it.
 *
 * Invariant: the checksum of "123456789" is 0xCBF43926.
 */
import { Slice } from "os/slice";

const TABLE = makeTable();

function makeTable(): StaticArray<u32> {
  const table = new StaticArray<u32>(256);
  for (let i: u32 = 0; i < 256; i++) {
    let c = i;
    for (let bit = 0; bit < 8; bit++) c = (c & 1) != 0 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    table[i] = c;
  }
  return table;
}

/** Checksum of bytes `start` … `end - 1`, or of them behind those whose checksum is `before`. */
export function crc32(bytes: Slice, start: i32, end: i32, before: u32 = 0): u32 {
  let c = ~before;
  for (let i = start; i < end; i++) c = TABLE[(c ^ bytes.get(i)) & 0xff] ^ (c >>> 8);
  return ~c;
}
