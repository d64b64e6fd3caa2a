/**
 * The checker itself: every kind of damage is seen, and blamed on the right record.
 */
import { describe, expect, test } from "vitest";
import { CORE_DEPTH, DOMAIN_BYTES, DOMAIN_OBJECTS, DOMAIN_SHIFT, DOMAINS, LENT, MAX_DOMAINS } from "./layout.ts";
import type { ExchangeHeap } from "./heap.ts";
import { ADDRESS, BLOCK, CHARGED, LINK, SIZE, SLOT, TAG, TYPE } from "./records.ts";
import { A, B, sound, testHeap, type TestHeap } from "./test/support.ts";

/** 1: packet of A; 2: array; 3: packet in its slot 1; 4: deque; 5, 6: packets in it; 7: free; 8: free; 9: pair. */
function world(): TestHeap & { array: number; deque: number } {
  const built = testHeap();
  const { heap, types } = built;
  heap.create(types.packet, A);
  const array = heap.create(types.array, A);
  heap.put(heap.create(types.packet, A), array, 1, A);
  const deque = heap.create(types.deque, A);
  for (let i = 0; i < 2; i++) heap.push(heap.create(types.packet, A), deque, A);
  const gone = [heap.create(types.note, A), heap.create(types.note, A)];
  heap.create(types.pair, B);
  for (const handle of gone) heap.free(handle, A);
  sound(heap);
  return { ...built, array, deque };
}

const set = (heap: ExchangeHeap, word: number, index: number, value: number): void => {
  heap.words[word + (index << 3)] = value;
};
const slotWord = (heap: ExchangeHeap, index: number, slot: number): number => (heap.at(ADDRESS, index) >> 2) - 1 - slot;

describe("sees", () => {
  test.each<[string, number, RegExp, (w: ReturnType<typeof world>) => void]>([
    ["record 0 in use", 0, /record 0/, ({ heap }) => set(heap, SLOT, 0, 1)],
    ["an owner beyond all ids", 1, /owner/, ({ heap }) => set(heap, TAG, 1, (1 << 10) ^ (MAX_DOMAINS << 10))],
    ["a type that is not defined", 1, /type 999/, ({ heap }) => set(heap, TYPE, 1, 999)],
    ["a type beyond the table", 1, /type/, ({ heap }) => set(heap, TYPE, 1, 0x7fff)],
    ["an address in no block", 1, /no block/, ({ heap }) => set(heap, ADDRESS, 1, heap.at(ADDRESS, 1) + 64)],
    ["an address within a block", 1, /no block/, ({ heap }) => set(heap, ADDRESS, 1, heap.at(ADDRESS, 1) + 4)],
    ["two objects in one block", 3, /shares/, ({ heap }) => set(heap, ADDRESS, 3, heap.at(ADDRESS, 1))],
    ["another block size", 1, /allocated otherwise/, ({ heap }) => set(heap, BLOCK, 1, 192)],
    ["a visible size beyond the block", 1, /do not fit/, ({ heap }) => set(heap, SIZE, 1, 129)],
    ["a negative visible size", 1, /do not fit/, ({ heap }) => set(heap, SIZE, 1, -1)],
    ["a size that leaves no room for the slots", 9, /do not fit/, ({ heap }) => set(heap, SIZE, 9, 128)],
    ["a charge to nobody", 1, /charged to 0/, ({ heap }) => set(heap, CHARGED, 1, 0)],
    ["a charge to the contained", 1, /charged to 2/, ({ heap }) => set(heap, CHARGED, 1, 2)],
    ["a charge to another", 0, /domain 4: charged/, ({ heap }) => set(heap, CHARGED, 1, B)],
    ["a root with a link", 1, /root/, ({ heap }) => set(heap, LINK, 1, 2)],
    ["a root with a slot", 1, /root/, ({ heap }) => set(heap, SLOT, 1, 2)],
    ["lent while nobody runs", 1, /nobody runs/, ({ heap }) => set(heap, TYPE, 1, heap.at(TYPE, 1) | LENT)],
    ["lent and contained", 3, /lent, and/, ({ heap }) => set(heap, TYPE, 3, heap.at(TYPE, 3) | LENT)],
    ["a container that does not exist", 3, /does not exist/, ({ heap }) => set(heap, LINK, 3, 60)],
    ["a free container", 3, /does not exist/, ({ heap }) => set(heap, LINK, 3, 7)],
    ["a slot beyond the container's", 3, /slot 4 of 4/, ({ heap }) => set(heap, SLOT, 3, 4)],
    ["the wrong slot", 3, /slot 2 of object 2/, ({ heap }) => set(heap, SLOT, 3, 2)],
    ["an emptied slot word", 3, /slot 1 of object 2/, ({ heap }) => (heap.slots[slotWord(heap, 2, 1)] = 0)],
    ["another generation in a slot word", 3, /slot 1/, ({ heap }) => heap.slots[slotWord(heap, 2, 1)]!++],
    ["a forged slot word", 2, /object 1, which/, ({ heap }) => (heap.slots[slotWord(heap, 2, 0)] = 1 << 10)],
    ["a slot word without index", 2, /object 0, which/, ({ heap }) => (heap.slots[slotWord(heap, 2, 0)] = 5)],
    ["an object in a slot for another type", 3, /slot for type/, ({ heap, types }) => set(heap, TYPE, 3, types.note)],
    ["a deque's head", 4, /head 3/, ({ heap }) => (heap.slots[slotWord(heap, 4, 3)] = 3)],
    ["a deque's negative head", 4, /head -1/, ({ heap }) => (heap.slots[slotWord(heap, 4, 3)] = -1)],
    ["a deque's length", 4, /length 4/, ({ heap }) => (heap.slots[slotWord(heap, 4, 4)] = 4)],
    ["a deque that is longer than its content", 4, /slot 2: occ/, ({ heap }) => (heap.slots[slotWord(heap, 4, 4)] = 3)],
    [
      "a deque that is shorter than its content",
      4,
      /slot 1: occ/,
      ({ heap }) => (heap.slots[slotWord(heap, 4, 4)] = 1),
    ],
    ["a turned ring", 4, /slot 0: occ/, ({ heap }) => (heap.slots[slotWord(heap, 4, 3)] = 1)],
    ["a free record with content", 7, /free record/, ({ heap }) => set(heap, SIZE, 7, 8)],
    ["a free list in circles", 0, /circles/, ({ heap }) => set(heap, LINK, 7, 8)],
    ["a free list that is cut", 0, /2 free records, 1/, ({ heap }) => set(heap, LINK, 8, 0)],
    ["a live record in the free list", 1, /by mistake/, ({ heap }) => set(heap, LINK, 8, 1)],
    ["a free list that leaves the ledger", 9999, /by mistake/, ({ heap }) => set(heap, LINK, 8, 9999)],
    ["a free record that lost its owner's mark", 7, /type 0/, ({ heap }) => set(heap, TAG, 7, (7 << 10) ^ (A << 10))],
    ["writing to a record never used", 20, /never used/, ({ heap }) => set(heap, SIZE, 20, 1)],
    ["a zero tag where a forged handle reaches", 20, /never used/, ({ heap }) => set(heap, TAG, 20, 0)],
    [
      "bytes charged too much",
      0,
      /domain 4/,
      ({ heap }) => heap.words[(DOMAINS + (A << DOMAIN_SHIFT) + DOMAIN_BYTES) >> 2]!++,
    ],
    [
      "objects charged too few",
      0,
      /domain 5/,
      ({ heap }) => heap.words[(DOMAINS + (B << DOMAIN_SHIFT) + DOMAIN_OBJECTS) >> 2]!--,
    ],
    ["a block that no object has", 0, /blocks in use/, ({ heap }) => heap.allocator.alloc(64)],
    ["a block that an object has no longer", 1, /no block/, ({ heap }) => heap.allocator.free(heap.at(ADDRESS, 1))],
    ["a live object lost", 0, /live objects/, ({ heap }) => set(heap, TAG, 1, 1 << 10)],
  ])("%s", (_what, index, reason, damage) => {
    const built = world();
    damage(built);
    const found = built.heap.check();
    expect(found.filter((v) => v.index === index && reason.test(v.reason))).not.toEqual([]);
  });
});

test("allows loans while somebody runs", () => {
  const { heap, types } = testHeap();
  heap.lend(heap.create(types.packet, A), A, B);
  expect(heap.check()).not.toEqual([]);
  heap.words[CORE_DEPTH >> 2] = 1;
  expect(heap.check()).toEqual([]);
});

test("statistics count objects and blocks by type, and the arenas", () => {
  const { heap } = world();
  const statistics = heap.statistics();
  expect([...statistics.types].toSorted()).toEqual([
    ["Array<Packet,4>", { objects: 1, bytes: 64 }],
    ["Deque<Packet,3>", { objects: 1, bytes: 64 }],
    ["Packet", { objects: 4, bytes: 512 }],
    ["Pair", { objects: 1, bytes: 128 }],
  ]);
  expect([statistics.objects, statistics.bytes]).toEqual([7, 768]);
  expect(statistics.arenas).toEqual([
    {
      name: "main",
      bytes: (1 << 20) - 65536,
      used: 768,
      free: (1 << 20) - 65536 - 768,
      largestRun: expect.any(Number),
    },
  ]);
});
