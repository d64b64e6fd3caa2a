/**
 * PRP entries against a plain reading of the specification: every page that a piece touches, once, in order.
 */
import { expect, test } from "vitest";
import { listBytes, writePrp } from "./prp.ts";

const PAGE = 4096;
const LIST = 0x8000;

/** The pages that a device would go to for PRP1, PRP2 and `bytes` (4.3). */
function pagesOf(heap: Int32Array, prp1: number, prp2: number, bytes: number): number[] {
  const left = bytes - (PAGE - (prp1 % PAGE));
  if (left <= 0) return [prp1];
  if (left <= PAGE) return [prp1, prp2];
  return [prp1, ...Array.from({ length: Math.ceil(left / PAGE) }, (_, i) => heap[(prp2 >> 2) + i * 2]!)];
}

test("every offset and length up to some pages", () => {
  const heap = new Int32Array(0x10000 / 4);
  for (const offset of [0, 4, 512, 2048, 4092])
    for (let bytes = 4; bytes <= 6 * PAGE; bytes += 252) {
      heap.fill(-1);
      const address = 0x100000 + offset;
      const prp2 = writePrp(heap, address, bytes, LIST);
      const touched = Math.floor((offset + bytes - 1) / PAGE) + 1;
      const expected = Array.from({ length: touched }, (_, i) => (i === 0 ? address : 0x100000 + i * PAGE));
      expect(pagesOf(heap, address, prp2, bytes)).toEqual(expected);
      if (touched === 1) expect(prp2).toBe(0);
      // Not a word beside the list.
      const entries = touched > 2 ? touched - 1 : 0;
      const words = heap.subarray(LIST >> 2, (LIST >> 2) + entries * 2);
      expect([...words].filter((_, i) => i % 2 === 1)).toEqual(Array.from({ length: entries }, () => 0));
      expect(heap.filter((w) => w !== -1)).toHaveLength(entries * 2);
    }
});

test("in the last page of the largest heap there is, nothing is written", () => {
  const heap = new Int32Array(0x10000 / 4).fill(-1);
  for (const bytes of [4, 512, PAGE]) expect(writePrp(heap, 2 ** 31 - PAGE, bytes, LIST)).toBe(0);
  expect(writePrp(heap, 2 ** 31 - 2 * PAGE, 2 * PAGE, LIST)).toBe(2 ** 31 - PAGE);
  expect(heap.every((word) => word === -1)).toBe(true);
});

test.each([
  [0, 0],
  [4096, 0],
  [4097, 16],
  [8192, 16],
  [65536, 128],
  [131072 + 512, 512],
  [2 << 20, 4096],
])("a list for %i bytes has %i", (transfer, bytes) => expect(listBytes(transfer)).toBe(bytes));

test("a list has room for the largest piece at any offset, and crosses no page", () => {
  for (let transfer = 512; transfer <= 2 << 20; transfer = transfer * 2 + 512) {
    const bytes = listBytes(Math.min(transfer, 2 << 20));
    expect(Math.log2(bytes || 1) % 1).toBe(0);
    expect(bytes).toBeLessThanOrEqual(PAGE);
    const touched = Math.ceil((4092 + Math.min(transfer, 2 << 20)) / PAGE);
    if (touched > 2) expect(bytes).toBeGreaterThanOrEqual((touched - 1) * 8);
  }
});
