/**
 * Life and ownership of objects: create, free, move, lend, resize, and the questions that the ledger answers.
 * What all operations refuse alike is in handles.test.ts.
 */
import { describe, expect, test } from "vitest";
import { MAX_DOMAINS, MAX_TYPES, OBJECTS, OBJECT_SHIFT, OWNER_CONTAINED, OWNER_NONE, ledgerBytes } from "./layout.ts";
import { ExchangeHeap, type HeapConfig } from "./heap.ts";
import { bump, LINK, SIZE, SLOT, TAG, TYPE } from "./records.ts";
import { A, B, C, codeOf, refused, snapshot, sound, testHeap, UNLIMITED } from "./test/support.ts";

describe("create", () => {
  test("gives zeroed bytes and slots, also where another object was", () => {
    const { heap, types } = testHeap();
    for (const type of [types.packet, types.array, types.deque]) {
      const first = heap.create(type, A);
      const address = heap.access(first, 0, 0, A);
      heap.bytes.fill(0xff, address - 64, address + 128);
      for (let i = 0; i < 4; i++) if (type === types.array) heap.slots[(address >> 2) - 1 - i] = 0;
      if (type === types.deque) heap.slots.fill(0, (address >> 2) - 5, address >> 2);
      heap.free(first, A);
      const again = heap.create(type, A);
      expect(heap.access(again, 0, 0, A)).toBe(address);
      const visible = heap.bytes.slice(address, address + heap.size(again, A));
      expect(visible.every((b) => b === 0)).toBe(true);
      if (type !== types.packet)
        expect(heap.slots.slice((address - 64) >> 2, address >> 2).every((w) => w === 0)).toBe(true);
      heap.free(again, A);
    }
    sound(heap);
  });

  test("zeroes large objects to the last byte", () => {
    const { heap } = testHeap();
    const type = heap.types.define("Large", { kind: "record", slots: [], size: 5001 });
    const first = heap.create(type, A);
    const address = heap.access(first, 0, 5001, A);
    heap.bytes.fill(0xff, address, address + 5001);
    heap.free(first, A);
    const again = heap.access(heap.create(type, A), 0, 5001, A);
    expect(again).toBe(address);
    expect(heap.bytes.slice(again, again + 5001).every((b) => b === 0)).toBe(true);
  });

  test("charges the owner, and a move touches no counter", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    expect(heap.charged(A)).toEqual({ objects: 1, bytes: 128 });
    const moved = heap.move(handle, A, B);
    expect(heap.charged(A)).toEqual({ objects: 1, bytes: 128 });
    expect(heap.charged(B)).toEqual({ objects: 0, bytes: 0 });
    heap.free(moved, B);
    expect(heap.charged(A)).toEqual({ objects: 0, bytes: 0 });
  });

  test("answers 0 at either limit, exactly, and changes nothing", () => {
    const { heap, types } = testHeap();
    heap.setLimits(A, 256, UNLIMITED);
    const first = heap.create(types.packet, A);
    expect(heap.create(types.packet, A)).not.toBe(0);
    const unchanged = snapshot(heap);
    expect(heap.create(types.note, A)).toBe(0);
    expect(unchanged()).toBe(true);
    heap.free(first, A);
    expect(heap.create(types.packet, A)).not.toBe(0);

    heap.setLimits(B, UNLIMITED, 2);
    heap.create(types.note, B);
    heap.create(types.note, B);
    const still = snapshot(heap);
    expect(heap.create(types.note, B)).toBe(0);
    expect(still()).toBe(true);
  });

  test("a domain without limits set gets nothing; limits above 2 GiB are unsigned", () => {
    const { heap, types } = testHeap();
    expect(heap.create(types.note, C + 1)).toBe(0);
    heap.setLimits(C + 1, Infinity, 0xffffffff);
    expect(heap.create(types.note, C + 1)).not.toBe(0);
  });

  test("answers 0 when the ledger is full, and again after that", () => {
    const { heap, types } = testHeap(4);
    const handles = [1, 2, 3].map(() => heap.create(types.note, A));
    expect(handles.every((h) => h !== 0)).toBe(true);
    const unchanged = snapshot(heap);
    expect(heap.create(types.note, A)).toBe(0);
    expect(unchanged()).toBe(true);
    heap.free(handles[1]!, A);
    expect(heap.create(types.note, A) >>> 10).toBe(handles[1]! >>> 10);
    expect(heap.create(types.note, A)).toBe(0);
    sound(heap);
  });

  test("answers 0 when the heap is full, and charges nothing for it", () => {
    const { heap } = testHeap(64, 3 * 65536);
    const type = heap.types.define("Page", { kind: "record", slots: [], size: 65536 });
    expect(heap.create(type, A)).not.toBe(0);
    expect(heap.create(type, A)).not.toBe(0);
    const unchanged = snapshot(heap);
    expect(heap.create(type, A)).toBe(0);
    expect(unchanged()).toBe(true);
    sound(heap);
  });

  test("refuses types that are not defined and owners that hold nothing", () => {
    const { heap, types } = testHeap();
    heap.types.define("Refers", { kind: "record", slots: ["Unknown"], size: 0 });
    for (const type of [0, heap.types.id("Unknown"), 4000, MAX_TYPES, MAX_TYPES + 1, 0xffff, -1, 1 << 31])
      refused(heap, "wrong-type", () => heap.create(type, A));
    for (const owner of [OWNER_NONE, OWNER_CONTAINED, MAX_DOMAINS, -1, NaN])
      refused(heap, "bad-owner", () => heap.create(types.note, owner));
  });

  test("a handle is index and generation; both signs of it are accepted", () => {
    const { heap, types } = testHeap();
    expect(heap.create(types.note, A)).toBe(1 << 10);
    const second = heap.create(types.note, A);
    expect(second).toBe(2 << 10);
    expect(heap.size(second + 2 ** 32, A)).toBe(8);
  });
});

test("indexes beyond 2^21 make negative handles, which work", () => {
  const objects = (1 << 21) + 8;
  const { heap, types } = testHeap(objects);
  // All records below are taken as used, without using them.
  const list = heap.create(types.deque, A);
  const packet = heap.create(types.packet, A);
  const near = 1 << 21;
  heap.words.copyWithin(TAG + (near << 3), TAG + (2 << 3), TAG + (3 << 3));
  const handle = near << 10;
  heap.words[TAG + (near << 3)] = handle ^ (A << 10);
  expect(handle).toBeLessThan(0);
  expect(heap.size(handle, A)).toBe(100);
  expect(heap.ownerOf(handle)).toBe(A);
  const moved = heap.move(handle, A, B);
  expect(codeOf(() => heap.size(handle, B))).toBe("stale");
  expect(heap.push(heap.move(moved, B, A), list, A)).toBe(true);
  const out = heap.pop(list, A);
  expect(out).toBeLessThan(0);
  expect(out >>> 10).toBe(near);
  expect(heap.size(packet, A)).toBe(100);
});

describe("free", () => {
  test("puts the record back, with a new generation and nothing in it", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    heap.free(handle, A);
    expect(heap.live).toBe(0);
    expect(heap.allocator.blocks).toBe(0);
    for (const word of [SIZE, TYPE, LINK, SLOT]) expect(heap.at(word, 1)).toBe(0);
    expect(heap.create(types.packet, A)).toBe(bump(handle));
    sound(heap);
  });

  test("frees all that lies in the object, however deep, without recursion", () => {
    const depth = 1_000_000;
    const { heap, types } = testHeap(depth + 2, 256 << 20);
    let head = heap.create(types.node, A);
    for (let i = 1; i < depth; i++) {
      const next = heap.create(types.node, A);
      heap.put(head, next, 0, A);
      head = next;
    }
    expect(heap.live).toBe(depth);
    heap.free(head, A);
    expect(heap.live).toBe(0);
    expect(heap.charged(A)).toEqual({ objects: 0, bytes: 0 });
    expect(heap.allocator.blocks).toBe(0);
  });

  test("uncharges whoever is charged for what lies inside", () => {
    const { heap, types } = testHeap();
    const array = heap.create(types.array, A);
    heap.put(heap.move(heap.create(types.packet, B), B, A), array, 1, A);
    heap.free(array, A);
    expect(heap.charged(B)).toEqual({ objects: 0, bytes: 0 });
    sound(heap);
  });

  test("believes no slot word that the ledger contradicts", () => {
    const { heap, types } = testHeap();
    const victim = heap.create(types.packet, B);
    const array = heap.create(types.array, A);
    const other = heap.create(types.array, A);
    heap.put(heap.create(types.packet, A), other, 0, A);
    const base = (heap.access(array, 0, 0, A) >> 2) - 1;
    const inOther = heap.slots[(heap.access(other, 0, 0, A) >> 2) - 1]!;
    for (const [slot, word] of [victim, inOther, -1, 5].entries()) heap.slots[base - slot] = word;
    heap.free(array, A);
    expect(heap.size(victim, B)).toBe(100);
    expect(heap.has(other, 0, A)).toBe(true);
    sound(heap);
  });
});

describe("generations", () => {
  test("wrap after 1,024 moves: the old handle is good again, for its owner only", () => {
    const { heap, types } = testHeap();
    const old = heap.create(types.packet, A);
    let handle = old;
    for (let i = 0; i < 1023; i++) {
      handle = heap.move(handle, A, A);
      expect(codeOf(() => heap.size(old, A))).toBe("stale");
    }
    expect(heap.move(handle, A, A)).toBe(old);
    expect(heap.size(old, A)).toBe(100);
    expect(codeOf(() => heap.size(old, B))).toBe("not-owner");
    let others = old;
    for (let i = 0; i < 1024; i++) others = heap.move(others, i === 0 ? A : B, B);
    expect(others).toBe(old);
    expect(codeOf(() => heap.size(old, A))).toBe("not-owner");
    expect(heap.size(old, B)).toBe(100);
  });

  test("wrap after 1,024 frees without touching the index", () => {
    const { heap, types } = testHeap();
    for (let i = 0; i < 1025; i++) {
      const handle = heap.create(types.note, A);
      expect(handle).toBe((1 << 10) | (i & 1023));
      heap.free(handle, A);
    }
    sound(heap);
  });
});

describe("move", () => {
  test("gives the object to its new owner, with its content", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    heap.bytes[heap.access(handle, 99, 1, A)] = 7;
    const moved = heap.move(handle, A, B, types.packet);
    expect(moved).toBe(bump(handle));
    expect(heap.bytes[heap.access(moved, 99, 1, B)]).toBe(7);
    expect(heap.ownerOf(moved)).toBe(B);
    expect(heap.ownerOf(handle)).toBe(OWNER_NONE);
    sound(heap);
  });

  test("refuses another type and owners that hold nothing", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    refused(heap, "wrong-type", () => heap.move(handle, A, B, types.note));
    for (const to of [OWNER_NONE, OWNER_CONTAINED, MAX_DOMAINS, -5, NaN])
      refused(heap, "bad-owner", () => heap.move(handle, A, to));
    expect(codeOf(() => heap.move(handle, A, MAX_DOMAINS - 1))).toBe("");
  });
});

describe("resize", () => {
  test("cleanup of growth: what was cut off never shows again", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const address = heap.access(handle, 0, 100, A);
    expect(heap.resize(handle, A, 128)).toBe(true);
    heap.bytes.fill(0xee, address, address + 128);
    expect(heap.resize(handle, A, 113)).toBe(true);
    expect(heap.size(handle, A)).toBe(113);
    expect(codeOf(() => heap.access(handle, 113, 1, A))).toBe("range");
    expect(heap.resize(handle, A, 128)).toBe(true);
    expect(heap.bytes.slice(address, address + 113).every((b) => b === 0xee)).toBe(true);
    expect(heap.bytes.slice(address + 113, address + 128).every((b) => b === 0)).toBe(true);
    sound(heap);
  });

  test("within one word, to the type's size and to the same size", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const address = heap.access(handle, 0, 100, A);
    expect(heap.resize(handle, A, 105)).toBe(true);
    heap.bytes.fill(0xee, address, address + 105);
    for (const size of [101, 105, 105]) expect(heap.resize(handle, A, size)).toBe(true);
    expect(Array.from(heap.bytes.subarray(address + 100, address + 105))).toEqual([0xee, 0, 0, 0, 0]);
    expect(heap.resize(handle, A, 100)).toBe(true);
    expect(heap.resize(handle, A, 101)).toBe(true);
    expect(heap.bytes[address + 100]).toBe(0);
  });

  test("answers false below the type's size: whoever gets the object may use all fields of its type", () => {
    const { heap, types } = testHeap();
    for (const [type, size] of [
      [types.packet, 100],
      [types.pair, 4],
    ] as const) {
      const handle = heap.create(type, A);
      const unchanged = snapshot(heap);
      for (const less of [0, 1, size - 1]) expect(heap.resize(handle, A, less)).toBe(false);
      expect(unchanged()).toBe(true);
      expect(heap.resize(handle, A, size)).toBe(true);
    }
  });

  test("answers false beyond the block and changes nothing; sizes are unsigned", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const unchanged = snapshot(heap);
    for (const size of [129, 1 << 20, -1, -(2 ** 31), 2 ** 32 - 1]) expect(heap.resize(handle, A, size)).toBe(false);
    expect(unchanged()).toBe(true);
  });

  test("an object with slots keeps them below", () => {
    const { heap, types } = testHeap();
    const pair = heap.create(types.pair, A);
    heap.put(heap.create(types.note, A), pair, 1, A);
    expect(heap.resize(pair, A, 64)).toBe(true);
    expect(heap.resize(pair, A, 65)).toBe(false);
    expect(heap.has(pair, 1, A)).toBe(true);
    sound(heap);
  });
});

describe("access", () => {
  test("offset and length are unsigned and never wrap", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const address = heap.access(handle, 0, 100, A);
    expect(heap.access(handle, 96, 4, A)).toBe(address + 96);
    expect(heap.access(handle, 100, 0, A)).toBe(address + 100);
    for (const [offset, bytes] of [
      [97, 4],
      [100, 1],
      [101, 0],
      [-1, 1],
      [-4, 4],
      [0, 101],
      [4, -4],
      [-1, -1],
      [1, 2 ** 32 - 1],
    ])
      refused(heap, "range", () => heap.access(handle, offset!, bytes!, A));
  });
});

test("ownerOf never throws and tells only what the handle is worth", () => {
  const { heap, types } = testHeap();
  const handle = heap.create(types.note, A);
  expect(heap.ownerOf(handle)).toBe(A);
  for (const bad of [0, 5, handle + 1, 40 << 10, A << 10, heap.capacity << 10, -1])
    expect(heap.ownerOf(bad)).toBe(OWNER_NONE);
});

describe("the ledger's memory", () => {
  test("no record that a forged handle can name reads as owned by its index, not even behind the last", () => {
    const { heap } = testHeap(16);
    const records = (heap.words.byteLength - OBJECTS) >> OBJECT_SHIFT;
    expect(records).toBeGreaterThan(16);
    for (let index = 1; index < records; index++)
      for (const owner of [index, A, B]) {
        const forged = owner << 10;
        const tag = heap.words[TAG + (index << 3)]!;
        expect((tag ^ (index << 10)) === forged).toBe(false);
      }
  });

  test("sizes that do not fit are refused", () => {
    const buffers = { heap: new ArrayBuffer(1 << 17), ledger: new ArrayBuffer(ledgerBytes(8)) };
    const make = (change: Partial<HeapConfig>): unknown => new ExchangeHeap({ ...buffers, objects: 8, ...change });
    expect(codeOf(() => make({}))).toBe("");
    for (const objects of [0, 1, 1.5, NaN, 2 ** 22 + 1, 100_000])
      expect(codeOf(() => make({ objects }))).toBe("config");
    expect(codeOf(() => make({ heap: new ArrayBuffer(65536) }))).toBe("config");
    expect(codeOf(() => make({ arenas: [{ name: "a", base: 65536, bytes: 131072 }] }))).toBe("config");
  });
});
