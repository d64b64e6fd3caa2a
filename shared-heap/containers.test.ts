/**
 * Containers: what RedLeaf's unit tests of RRef, RRefArray, RRefDeque, RRefVec and Owned cover, under their names,
 * and everything that put, take, push, pop, has, len and peek refuse.
 */
import { describe, expect, test } from "vitest";
import { OWNER_CONTAINED, OWNER_HOST, OWNER_NONE } from "./layout.ts";
import { bump, LINK, SLOT } from "./records.ts";
import { A, B, codeOf, refused, sound, testHeap, type TestHeap } from "./test/support.ts";

/** A packet whose first byte is `mark`. */
function packet({ heap, types }: TestHeap, mark: number): number {
  const handle = heap.create(types.packet, A);
  heap.bytes[heap.access(handle, 0, 1, A)] = mark;
  return handle;
}
const mark = ({ heap }: TestHeap, handle: number, owner = A): number => heap.bytes[heap.access(handle, 0, 1, owner)]!;

describe("RedLeaf's RRef tests", () => {
  test("cleanup_simple: a freed object is gone, with its block and charge", () => {
    const { heap, types } = testHeap();
    heap.free(heap.create(types.packet, A), A);
    expect([heap.live, heap.allocator.blocks, heap.charged(A).bytes]).toEqual([0, 0, 0]);
  });

  test("cleanup_option: an object with an empty slot is freed", () => {
    const { heap, types } = testHeap();
    heap.free(heap.create(types.pair, A), A);
    expect(heap.live).toBe(0);
    sound(heap);
  });

  test("cleanup_option_rref: an object in a slot is freed with its holder", () => {
    const world = testHeap();
    const { heap, types } = world;
    const pair = heap.create(types.pair, A);
    heap.put(packet(world, 1), pair, 0, A);
    heap.put(heap.create(types.note, A), pair, 1, A);
    expect(heap.live).toBe(3);
    heap.free(pair, A);
    expect(heap.live).toBe(0);
    sound(heap);
  });

  test("cleanup_drop_option_rref: a slot that is emptied and freed apart leaves the holder intact", () => {
    const world = testHeap();
    const { heap, types } = world;
    const pair = heap.create(types.pair, A);
    heap.put(packet(world, 1), pair, 0, A);
    heap.free(heap.take(pair, 0, A), A);
    expect(heap.live).toBe(1);
    expect(heap.has(pair, 0, A)).toBe(false);
    sound(heap);
    heap.free(pair, A);
    expect(heap.live).toBe(0);
  });

  test("cleanup_rref_array", () => {
    const world = testHeap();
    const array = world.heap.create(world.types.array, A);
    for (const slot of [0, 3]) world.heap.put(packet(world, slot), array, slot, A);
    sound(world.heap);
    world.heap.free(array, A);
    expect(world.heap.live).toBe(0);
    sound(world.heap);
  });

  test("cleanup_rref_deque: also when the ring has gone round", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    for (let i = 0; i < 3; i++) heap.push(packet(world, i), deque, A);
    for (let i = 0; i < 2; i++) heap.free(heap.pop(deque, A), A);
    heap.push(packet(world, 3), deque, A);
    sound(heap);
    heap.free(deque, A);
    expect(heap.live).toBe(0);
    sound(heap);
  });

  test("cleanup_rref_container: nested three deep", () => {
    const world = testHeap();
    const { heap } = world;
    const shelf = heap.types.define("Array<Pair,2>", { kind: "array", element: "Pair", length: 2 });
    const outer = heap.create(shelf, A);
    for (const slot of [0, 1]) {
      const pair = heap.create(world.types.pair, A);
      heap.put(packet(world, slot), pair, 0, A);
      heap.put(pair, outer, slot, A);
    }
    expect(heap.live).toBe(5);
    sound(heap);
    heap.free(heap.move(outer, A, B), B);
    expect(heap.live).toBe(0);
    sound(heap);
  });

  test("access_rref_vec and mutate_rref_vec: bytes are read and written through the handle", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const address = heap.access(handle, 0, 100, A);
    for (let i = 0; i < 100; i++) heap.bytes[address + i] = i;
    const moved = heap.move(handle, A, B);
    expect(heap.access(moved, 0, 100, B)).toBe(address);
    expect(heap.bytes[heap.access(moved, 99, 1, B)]).toBe(99);
  });

  test("rref_deque_empty: pop answers 0", () => {
    const { heap, types } = testHeap();
    const deque = heap.create(types.deque, A);
    expect(heap.pop(deque, A)).toBe(0);
    expect(heap.len(deque, A)).toBe(0);
    sound(heap);
  });

  test("rref_deque_insertion: first in, first out, for longer than the ring", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    for (let i = 0; i < 10; i++) {
      const handle = packet(world, i);
      expect(heap.push(handle, deque, A)).toBe(true);
      expect(codeOf(() => heap.size(handle, A))).toBe("not-owner");
      if (i < 2) continue;
      sound(heap);
      const out = heap.pop(deque, A);
      expect(mark(world, out)).toBe(i - 2);
      heap.free(out, A);
    }
    expect(heap.len(deque, A)).toBe(2);
  });

  test("rref_deque_overrite: a full deque takes nothing, the object stays the caller's", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    for (let i = 0; i < 3; i++) expect(heap.push(packet(world, i), deque, A)).toBe(true);
    const fourth = packet(world, 3);
    expect(heap.push(fourth, deque, A)).toBe(false);
    expect(mark(world, fourth)).toBe(3);
    const out = heap.pop(deque, A);
    expect(mark(world, out)).toBe(0);
    expect(heap.push(fourth, deque, A)).toBe(true);
    sound(heap);
  });

  test("rref_deque_len", () => {
    const world = testHeap();
    const deque = world.heap.create(world.types.deque, A);
    for (let i = 1; i <= 3; i++) {
      world.heap.push(packet(world, i), deque, A);
      expect(world.heap.len(deque, A)).toBe(i);
    }
    for (let i = 2; i >= 0; i--) {
      world.heap.pop(deque, A);
      expect(world.heap.len(deque, A)).toBe(i);
    }
  });

  test("rref_deque_iter: peek by position from the front", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    for (let i = 0; i < 3; i++) heap.push(packet(world, i), deque, A);
    heap.free(heap.pop(deque, A), A);
    heap.push(packet(world, 3), deque, A);
    expect([0, 1, 2].map((i) => heap.bytes[heap.peek(deque, i, 0, 1, A)])).toEqual([1, 2, 3]);
    heap.free(heap.pop(deque, A), A);
    refused(heap, "range", () => heap.peek(deque, 2, 0, 1, A));
  });

  test("rref_deque_iter_mut: one round through the ring changes each object", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    for (let i = 0; i < 3; i++) heap.push(packet(world, i), deque, A);
    for (let n = heap.len(deque, A); n > 0; n--) {
      const handle = heap.pop(deque, A);
      heap.bytes[heap.access(handle, 0, 1, A)]! += 10;
      heap.push(handle, deque, A);
    }
    expect([0, 1, 2].map((i) => heap.bytes[heap.peek(deque, i, 0, 1, A)])).toEqual([10, 11, 12]);
    sound(heap);
  });

  test("owned_rref_domain_id: contained belongs to nobody, taken belongs to the taker, wherever it was put", () => {
    const world = testHeap();
    const { heap, types } = world;
    const pair = heap.create(types.pair, A);
    const inner = packet(world, 5);
    heap.put(inner, pair, 0, A);
    expect(heap.ownerOf(inner)).toBe(OWNER_CONTAINED);
    const moved = heap.move(pair, A, B);
    expect(heap.ownerOf(inner)).toBe(OWNER_CONTAINED);
    const out = heap.take(moved, 0, B);
    expect(out).toBe(bump(inner));
    expect(heap.ownerOf(out)).toBe(B);
    expect(heap.ownerOf(inner)).toBe(OWNER_NONE);
    expect(mark(world, out, B)).toBe(5);
    expect([heap.at(LINK, out >>> 10), heap.at(SLOT, out >>> 10)]).toEqual([0, 0]);
    sound(heap);
  });
});

describe("put", () => {
  test("an occupied slot is refused, an emptied one is not", () => {
    const world = testHeap();
    const { heap } = world;
    const array = heap.create(world.types.array, A);
    heap.put(packet(world, 1), array, 1, A);
    const second = packet(world, 2);
    refused(heap, "occupied", () => heap.put(second, array, 1, A));
    const first = heap.take(array, 1, A);
    heap.put(second, array, 1, A);
    heap.put(first, array, 0, A);
    sound(heap);
  });

  test("slots are unsigned and end where the type says", () => {
    const world = testHeap();
    const { heap, types } = world;
    const array = heap.create(types.array, A);
    const note = heap.create(types.note, A);
    const pair = heap.create(types.pair, A);
    const one = packet(world, 1);
    for (const slot of [4, 5, -1, 1 << 31, 2 ** 32 - 1]) {
      refused(heap, "range", () => heap.put(one, array, slot, A));
      refused(heap, "range", () => heap.take(array, slot, A));
      refused(heap, "range", () => heap.has(array, slot, A));
      refused(heap, "range", () => heap.peek(array, slot, 0, 1, A));
    }
    refused(heap, "range", () => heap.put(note, pair, 2, A));
    refused(heap, "range", () => heap.put(one, note, 0, A));
    heap.put(one, array, 3, A);
    expect(heap.has(array, 3 + 2 ** 32, A)).toBe(true);
  });

  test("each slot takes its own type only", () => {
    const world = testHeap();
    const { heap, types } = world;
    const pair = heap.create(types.pair, A);
    const array = heap.create(types.array, A);
    const note = heap.create(types.note, A);
    const one = packet(world, 1);
    refused(heap, "wrong-type", () => heap.put(one, pair, 1, A));
    refused(heap, "wrong-type", () => heap.put(note, pair, 0, A));
    refused(heap, "wrong-type", () => heap.put(note, array, 0, A));
    refused(heap, "wrong-type", () => heap.put(array, pair, 0, A));
    heap.put(one, pair, 0, A);
    heap.put(note, pair, 1, A);
    sound(heap);
  });

  test("nothing goes into itself, nor into what lies in it", () => {
    const { heap, types } = testHeap();
    const outer = heap.create(types.node, A);
    const inner = heap.create(types.node, A);
    refused(heap, "cycle", () => heap.put(outer, outer, 0, A));
    heap.put(inner, outer, 0, A);
    refused(heap, "not-owner", () => heap.put(outer, inner, 0, A));
    const list = heap.types.define("Deque<Self>", { kind: "deque", element: "Deque<Self>", length: 2 });
    const deque = heap.create(list, A);
    refused(heap, "cycle", () => heap.push(deque, deque, A));
    sound(heap);
  });

  test("an object that is in a slot cannot be put a second time", () => {
    const world = testHeap();
    const { heap } = world;
    const array = heap.create(world.types.array, A);
    const one = packet(world, 1);
    heap.put(one, array, 0, A);
    refused(heap, "not-owner", () => heap.put(one, array, 1, A));
    refused(heap, "not-owner", () => heap.free(one, A));
  });
});

describe("put, take and has are for records and arrays; push, pop and len for deques", () => {
  test("the others are refused", () => {
    const world = testHeap();
    const { heap, types } = world;
    const deque = heap.create(types.deque, A);
    const array = heap.create(types.array, A);
    const one = packet(world, 1);
    refused(heap, "wrong-type", () => heap.put(one, deque, 0, A));
    refused(heap, "wrong-type", () => heap.take(deque, 0, A));
    refused(heap, "wrong-type", () => heap.has(deque, 0, A));
    const two = packet(world, 2);
    for (const no of [array, one]) {
      refused(heap, "wrong-type", () => heap.push(two, no, A));
      refused(heap, "wrong-type", () => heap.pop(no, A));
      refused(heap, "wrong-type", () => heap.len(no, A));
    }
    const note = heap.create(types.note, A);
    refused(heap, "wrong-type", () => heap.push(note, deque, A));
    for (let i = 0; i < 3; i++) heap.push(packet(world, i), deque, A);
    refused(heap, "wrong-type", () => heap.push(note, deque, A));
  });
});

describe("take", () => {
  test("of an empty slot answers 0", () => {
    const { heap, types } = testHeap();
    expect(heap.take(heap.create(types.array, A), 2, A)).toBe(0);
  });

  test("the host does it like everybody else", () => {
    const { heap, types } = testHeap();
    const array = heap.create(types.array, OWNER_HOST);
    heap.put(heap.create(types.packet, OWNER_HOST), array, 0, OWNER_HOST);
    expect(heap.ownerOf(heap.take(array, 0, OWNER_HOST))).toBe(OWNER_HOST);
  });
});

describe("peek", () => {
  test("checks the bytes of the object inside", () => {
    const world = testHeap();
    const { heap } = world;
    const array = heap.create(world.types.array, A);
    heap.put(packet(world, 8), array, 1, A);
    expect(heap.bytes[heap.peek(array, 1, 0, 100, A)]).toBe(8);
    refused(heap, "range", () => heap.peek(array, 1, 97, 4, A));
    refused(heap, "range", () => heap.peek(array, 1, -1, 4, A));
    refused(heap, "empty", () => heap.peek(array, 0, 0, 1, A));
  });
});

describe("slot words are not believed", () => {
  /** An array of A whose slot 0 holds `word`, written behind the ledger's back; a second one holds a packet. */
  function forged(make: (world: TestHeap, other: number) => number): TestHeap & { array: number } {
    const world = testHeap();
    const { heap, types } = world;
    const array = heap.create(types.array, A);
    const other = heap.create(types.array, A);
    heap.put(packet(world, 1), other, 0, A);
    heap.put(packet(world, 2), other, 1, A);
    const word = make(world, other);
    heap.slots[(heap.access(array, 0, 0, A) >> 2) - 1] = word;
    return { ...world, array };
  }
  const slotOf = ({ heap }: TestHeap, array: number, slot: number): number =>
    heap.slots[(heap.access(array, 0, 0, A) >> 2) - 1 - slot]!;

  test.each<[string, (world: TestHeap, other: number) => number]>([
    ["another domain's object", ({ heap, types }) => heap.create(types.packet, B)],
    ["an object of one's own", (world) => packet(world, 9)],
    ["an object in another container", (world, other) => slotOf(world, other, 0)],
    ["an old generation of an object in another container", (world, other) => slotOf(world, other, 0) - 1],
    ["no index", () => 77],
    ["an index beyond the ledger", ({ heap }) => heap.capacity << 10],
    ["all ones", () => -1],
  ])("%s", (_what, make) => {
    const { heap, array } = forged(make);
    refused(heap, "corrupt", () => heap.take(array, 0, A));
    refused(heap, "corrupt", () => heap.peek(array, 0, 0, 1, A));
  });

  test("the right object in the wrong slot", () => {
    const world = testHeap();
    const { heap } = world;
    const array = heap.create(world.types.array, A);
    heap.put(packet(world, 1), array, 1, A);
    heap.slots[(heap.access(array, 0, 0, A) >> 2) - 1] = slotOf(world, array, 1);
    refused(heap, "corrupt", () => heap.take(array, 0, A));
  });

  test("a deque's head and length", () => {
    const world = testHeap();
    const { heap } = world;
    const deque = heap.create(world.types.deque, A);
    heap.push(packet(world, 1), deque, A);
    const more = packet(world, 2);
    const head = (heap.access(deque, 0, 0, A) >> 2) - 4;
    const set = (h: number, n: number): void => {
      heap.slots[head] = h;
      heap.slots[head - 1] = n;
    };
    for (const [h, n] of [
      [3, 1],
      [-1, 1],
      [0, 4],
      [0, -1],
    ]) {
      set(h!, n!);
      refused(heap, "corrupt", () => heap.push(more, deque, A));
      refused(heap, "corrupt", () => heap.pop(deque, A));
      refused(heap, "corrupt", () => heap.len(deque, A));
      refused(heap, "corrupt", () => heap.peek(deque, 0, 0, 1, A));
    }
    set(0, 0);
    refused(heap, "corrupt", () => heap.push(more, deque, A));
    set(1, 1);
    refused(heap, "corrupt", () => heap.pop(deque, A));
    refused(heap, "empty", () => heap.peek(deque, 0, 0, 1, A));
    set(0, 1);
    sound(heap);
  });
});
