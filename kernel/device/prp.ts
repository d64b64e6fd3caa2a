/**
 * Physical Region Pages (NVM Express 1.4, 4.3): how a command names a piece of memory that is contiguous on the bus.
 *
 * Invariant: the entries name just the pages that the piece touches. PRP2 is 0, a page, or the address of a list
 * that was written here; no driver has a say in which.
 */
const PAGE_SHIFT = 12;
const PAGE_BYTES = 1 << PAGE_SHIFT;
const ENTRY_BYTES = 8;

/**
 * Bytes of a list for pieces of at most `transfer` bytes at any offset: a power of two, so that a list at a multiple of
 * it crosses no page. At most one page, for 2 MiB.
 */
export function listBytes(transfer: number): number {
  const entries = Math.ceil(transfer / PAGE_BYTES);
  return entries <= 1 ? 0 : Math.max(16, 2 ** Math.ceil(Math.log2(entries * ENTRY_BYTES)));
}

/**
 * PRP2 for a piece whose PRP1 is `address`, with the list if it needs one.
 * @param heap the exchange heap as words
 * @param address of the first byte, a multiple of 4
 * @param bytes at least 1
 * @param list address of room for the list, of `listBytes` for as many bytes
 */
export function writePrp(heap: Int32Array, address: number, bytes: number, list: number): number {
  // Not by a shift: behind the heap's last page is 2^31.
  const second = ((address >>> PAGE_SHIFT) + 1) * PAGE_BYTES;
  const end = address + bytes;
  if (end <= second) return 0;
  if (end - second <= PAGE_BYTES) return second;
  for (let page = second, at = list >> 2; page < end; page += PAGE_BYTES, at += 2) {
    heap[at] = page;
    heap[at + 1] = 0;
  }
  return list;
}
