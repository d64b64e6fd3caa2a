/**
 * What devices have: objects without an owner that could use them, and blocks without a handle.
 */
import { expect, test } from "vitest";
import { OWNER_DEVICE } from "./layout.ts";
import { LINK, RECORD_SHIFT, SLOT } from "./records.ts";
import { A, B, codeOf, sound, testHeap } from "./test/support.ts";

const recordOf = (handle: number): number => (handle >>> 10) << RECORD_SHIFT;

test("an object that a device has is nobody's to use, and comes back under a new handle", () => {
  const { heap, types } = testHeap();
  const handle = heap.create(types.packet, A);
  heap.toDevice(recordOf(handle), handle, 7, (3 << 16) | 9);
  sound(heap);
  expect(heap.isDevices(handle >>> 10, 7, (3 << 16) | 9)).toBe(true);
  expect(heap.isDevices(handle >>> 10, 7, (3 << 16) | 8)).toBe(false);
  for (const stale of [handle, handle + 1])
    for (const owner of [A, B]) {
      expect(["stale", "not-owner"]).toContain(codeOf(() => heap.free(stale, owner)));
      expect(["stale", "not-owner"]).toContain(codeOf(() => heap.move(stale, owner, B)));
      expect(["stale", "not-owner"]).toContain(codeOf(() => heap.access(stale, 0, 4, owner)));
    }
  const back = heap.fromDevice(recordOf(handle), B);
  expect([heap.ownerOf(back), heap.ownerOf(handle)]).toEqual([B, 0]);
  expect([heap.at(LINK, back >>> 10), heap.at(SLOT, back >>> 10)]).toEqual([0, 0]);
  // A made it, and goes on paying for it.
  expect([heap.charged(A).objects, heap.charged(B).objects]).toEqual([1, 0]);
  sound(heap);
  heap.free(back, B);
  expect(heap.live).toBe(0);
});

test("who paid for it dies: the device is charged, then whoever gets it", () => {
  const { heap, types } = testHeap();
  const handle = heap.create(types.packet, A);
  heap.toDevice(recordOf(handle), handle, 0, 1);
  heap.reclaim(A);
  expect([heap.charged(A).objects, heap.charged(OWNER_DEVICE).objects]).toEqual([0, 1]);
  heap.fromDevice(recordOf(handle), B);
  expect([heap.charged(B).objects, heap.charged(OWNER_DEVICE).objects]).toEqual([1, 0]);
  sound(heap);
});

test("freed by its index, with all that lies in it", () => {
  const { heap, types } = testHeap();
  const array = heap.create(types.array, A);
  heap.put(heap.create(types.packet, A), array, 1, A);
  heap.toDevice(recordOf(array), array, 0, 1);
  heap.freeAt(array >>> 10);
  expect([heap.live, heap.charged(A).bytes]).toEqual([0, 0]);
  sound(heap);
});

test("reserved blocks are zero, charged, and nobody's object", () => {
  const { heap } = testHeap();
  heap.setLimits(A, 10_000, 10);
  const block = heap.reserve(4096, A, 0);
  expect(heap.bytes.subarray(block, block + 4096).every((b) => b === 0)).toBe(true);
  expect([heap.charged(A), heap.live]).toEqual([{ objects: 0, bytes: 4096 }, 0]);
  sound(heap);
  expect(heap.reserve(8192, A, 0)).toBe(0);
  heap.bytes.fill(0xff, block, block + 4096);
  heap.rechargeReserved(block, OWNER_DEVICE);
  expect([heap.charged(A).bytes, heap.charged(OWNER_DEVICE).bytes]).toEqual([0, 4096]);
  sound(heap);
  heap.unreserve(block);
  expect(heap.charged(OWNER_DEVICE).bytes).toBe(0);
  expect(heap.reserve(4096, A, 0)).toBe(block);
  expect(heap.bytes[block]).toBe(0);
  sound(heap);
});

test("the checker sees two objects of one command, and a reserved block that is gone", () => {
  const { heap, types } = testHeap();
  const [a, b] = [heap.create(types.packet, A), heap.create(types.packet, A)];
  heap.toDevice(recordOf(a), a, 1, 5);
  heap.toDevice(recordOf(b), b, 1, 5);
  expect(heap.check().map((v) => v.reason)).toEqual([expect.stringMatching(/^is in device\/command 1\/5, as object/)]);
  heap.toDevice(recordOf(b), b, 1, 6);
  const block = heap.reserve(64, A, 0);
  heap.allocator.free(block);
  expect(heap.check().map((v) => v.reason)).toContainEqual(expect.stringMatching(/no block begins at the reserved/));
});

test("arenas by name", () => {
  const { heap } = testHeap();
  expect([heap.arena("main"), heap.arena("dma")]).toEqual([0, -1]);
});
