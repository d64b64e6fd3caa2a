/**
 * Reclaim: a dead domain's objects are freed, everything else survives, and every charge finds somebody alive.
 */
import { describe, expect, test } from "vitest";
import { FIRST_DOMAIN, MAX_DOMAINS, OWNER_CONTAINED, OWNER_DEVICE, OWNER_HOST, OWNER_NONE } from "./layout.ts";
import type { ExchangeHeap } from "./heap.ts";
import { A, B, C, codeOf, sound, testHeap } from "./test/support.ts";

const charges = (heap: ExchangeHeap): number[] => [A, B, C].map((d) => heap.charged(d).objects);

test("frees all that the domain owns, with contents, whoever is charged for them", () => {
  const { heap, types } = testHeap();
  const array = heap.create(types.array, A);
  heap.put(heap.create(types.packet, A), array, 0, A);
  heap.put(heap.move(heap.create(types.packet, B), B, A), array, 1, A);
  heap.create(types.packet, A);
  heap.move(heap.create(types.note, C), C, A);
  const kept = heap.create(types.packet, B);
  expect(heap.reclaim(A)).toEqual({ objects: 5, bytes: 64 + 64 + 3 * 128 });
  expect(heap.live).toBe(1);
  expect(charges(heap)).toEqual([0, 1, 0]);
  expect(heap.size(kept, B)).toBe(100);
  sound(heap);
});

test("what others hold survives, inside their containers too, and is charged to them, above their limit", () => {
  const { heap, types } = testHeap();
  const given = heap.move(heap.create(types.packet, A), A, B);
  const array = heap.create(types.array, B);
  heap.put(heap.move(heap.create(types.packet, A), A, B), array, 3, B);
  const pair = heap.move(heap.create(types.pair, C), C, B);
  heap.put(heap.move(heap.create(types.note, A), A, B), pair, 1, B);
  heap.setLimits(B, 1, 1);
  const reclaim = heap.beginReclaim(A);
  expect(reclaim.step(1000)).toBe(true);
  expect([reclaim.objects, reclaim.bytes, reclaim.recharged, reclaim.lent]).toEqual([0, 0, 3, 0]);
  expect(charges(heap)).toEqual([0, 4, 1]);
  expect(heap.size(given, B)).toBe(100);
  expect(heap.ownerOf(heap.take(array, 3, B))).toBe(B);
  expect(heap.take(pair, 1, B)).not.toBe(0);
  sound(heap);
  heap.reclaim(B);
  expect(charges(heap)).toEqual([0, 0, 0]);
  expect(heap.live).toBe(0);
  sound(heap);
});

test("what the host or a device holds is charged to them", () => {
  const { heap, types } = testHeap();
  heap.move(heap.create(types.packet, A), A, OWNER_HOST);
  heap.move(heap.create(types.note, A), A, OWNER_DEVICE);
  heap.reclaim(A);
  expect([heap.charged(OWNER_HOST).objects, heap.charged(OWNER_DEVICE).objects]).toEqual([1, 1]);
  sound(heap);
});

test("a dead domain's object inside another dead tree is freed with it, in either order of indexes", () => {
  for (const outerFirst of [true, false]) {
    const { heap, types } = testHeap();
    const make = (): number => heap.create(types.node, A);
    const first = make();
    const second = make();
    const [outer, inner] = outerFirst ? [first, second] : [second, first];
    heap.put(inner, outer, 0, A);
    const reclaim = heap.beginReclaim(A);
    reclaim.step(1000);
    expect([reclaim.objects, reclaim.recharged]).toEqual([2, 0]);
    expect(charges(heap)).toEqual([0, 0, 0]);
    sound(heap);
  }
});

test("lent objects are kept and counted: a frame would be left", () => {
  const { heap, types } = testHeap();
  const handle = heap.create(types.packet, B);
  heap.lend(handle, B, A);
  const own = heap.create(types.packet, A);
  const reclaim = heap.beginReclaim(A);
  expect(reclaim.step(1000)).toBe(true);
  expect([reclaim.objects, reclaim.lent]).toEqual([1, 1]);
  expect(heap.ownerOf(own)).toBe(OWNER_NONE);
  heap.giveBack(handle, B, A);
  expect(heap.size(handle, B)).toBe(100);
  sound(heap);
});

describe("in steps", () => {
  test("of any size the heap is sound in between, and the end is the same", () => {
    for (const budget of [1, 2, 3, 7, 100]) {
      const { heap, types } = testHeap();
      const list = heap.create(types.nodes, A);
      for (let i = 0; i < 2; i++) {
        const head = heap.create(types.node, A);
        heap.put(heap.create(types.node, A), head, 0, A);
        heap.push(head, list, A);
      }
      for (let i = 0; i < 5; i++) heap.create(types.packet, A);
      const given = heap.move(heap.create(types.packet, A), A, B);
      const reclaim = heap.beginReclaim(A);
      let steps = 0;
      while (!reclaim.step(budget)) {
        expect(reclaim.done).toBe(false);
        if (budget > 3 || steps % 5 === 0) sound(heap);
        expect(++steps).toBeLessThan(100);
        // Others go on meanwhile, and do not finish the work of reclaim by accident.
        heap.free(heap.create(types.packet, C), C);
      }
      expect(reclaim.done).toBe(true);
      expect([reclaim.objects, reclaim.recharged]).toEqual([10, 1]);
      if (budget === 1) expect(steps).toBeGreaterThan(10);
      expect(heap.size(given, B)).toBe(100);
      expect(charges(heap)).toEqual([0, 1, 0]);
      sound(heap);
    }
  });

  test("a step that finds nothing ends before the next record", () => {
    for (const budget of [1, 2, 3]) {
      const { heap, types } = testHeap();
      const kept = Array.from({ length: 12 }, (_, i) => heap.create(types.packet, i % (budget + 1) < budget ? B : A));
      const reclaim = heap.beginReclaim(A);
      while (!reclaim.step(budget));
      expect([reclaim.objects, ...charges(heap)]).toEqual([12 - heap.live, 0, heap.live, 0]);
      expect(heap.live).toBe(kept.filter((handle) => heap.ownerOf(handle) === B).length);
      sound(heap);
    }
  });

  test("a list of 100,000 is freed a piece at a time", () => {
    const { heap, types } = testHeap(100_002, 16 << 20);
    let head = heap.create(types.node, A);
    for (let i = 1; i < 100_000; i++) {
      const next = heap.create(types.node, A);
      heap.put(head, next, 0, A);
      head = next;
    }
    const reclaim = heap.beginReclaim(A);
    let most = 0;
    for (let before = heap.live, done = false; !done; before = heap.live) {
      done = reclaim.step(1000);
      most = Math.max(most, before - heap.live);
    }
    expect(most).toBeLessThanOrEqual(1001);
    expect([heap.live, reclaim.objects]).toEqual([0, 100_000]);
  });

  test.each([true, false])(
    "a deep list that another holds passes its charges in linear time (root first: %s)",
    (rootFirst) => {
      const depth = 100_000;
      const { heap, types } = testHeap(depth + 2, 16 << 20);
      let head = heap.create(types.node, A);
      if (rootFirst) {
        // The first record is the root: each next node goes to the inner end, which is built from outside in.
        const nodes = [head];
        for (let i = 1; i < depth; i++) nodes.push(heap.create(types.node, A));
        for (let i = depth - 1; i > 0; i--) heap.put(nodes[i]!, nodes[i - 1]!, 0, A);
      } else
        for (let i = 1; i < depth; i++) {
          const next = heap.create(types.node, A);
          heap.put(head, next, 0, A);
          head = next;
        }
      heap.move(head, A, B);
      const reclaim = heap.beginReclaim(A);
      while (!reclaim.step(20_000));
      expect(reclaim.recharged).toBe(depth);
      expect(charges(heap)).toEqual([0, depth, 0]);
    },
  );
});

test("holders are asked anew in each step: what moves in between is charged to the new one", () => {
  const { heap, types } = testHeap();
  const array = heap.create(types.array, B);
  for (let i = 0; i < 4; i++) heap.put(heap.move(heap.create(types.packet, A), A, B), array, i, B);
  const reclaim = heap.beginReclaim(A);
  reclaim.step(3);
  expect(reclaim.recharged).toBeGreaterThan(0);
  expect(reclaim.recharged).toBeLessThan(4);
  const first = reclaim.recharged;
  heap.move(array, B, C);
  while (!reclaim.step(1));
  expect(charges(heap)).toEqual([0, 1 + first, 4 - first]);
  sound(heap);
});

test("only domains are reclaimed", () => {
  const { heap } = testHeap();
  for (const owner of [OWNER_NONE, OWNER_HOST, OWNER_CONTAINED, OWNER_DEVICE, MAX_DOMAINS, -1, NaN])
    expect(codeOf(() => heap.beginReclaim(owner))).toBe("bad-owner");
  expect(heap.reclaim(FIRST_DOMAIN)).toEqual({ objects: 0, bytes: 0 });
  expect(heap.reclaim(MAX_DOMAINS - 1)).toEqual({ objects: 0, bytes: 0 });
});
