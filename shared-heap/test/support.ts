/**
 * What the tests of the exchange heap share: a small heap with typical types, and snapshots of all its state.
 *
 * Not part of the system: nothing but tests imports it.
 */
import { expect } from "vitest";
import { HeapError, type HeapErrorCode } from "../errors.ts";
import { ExchangeHeap } from "../heap.ts";
import { FIRST_DOMAIN, ledgerBytes } from "../layout.ts";

/** Three domains. */
export const A = FIRST_DOMAIN;
export const B = FIRST_DOMAIN + 1;
export const C = FIRST_DOMAIN + 2;
export const UNLIMITED = 0x7fffffff;

export interface TestHeap {
  readonly heap: ExchangeHeap;
  readonly types: Readonly<Record<"packet" | "note" | "node" | "pair" | "array" | "deque" | "nodes", number>>;
}

/**
 * packet: 100 bytes; note: 8 bytes; node: 8 bytes, slot `next` of its own type; pair: slots packet, note;
 * array: 4 packets; deque: 3 packets; nodes: deque of 2 nodes.
 */
export function testHeap(objects = 64, heapBytes = 1 << 20): TestHeap {
  const heap = new ExchangeHeap({
    heap: new SharedArrayBuffer(heapBytes),
    ledger: new SharedArrayBuffer(ledgerBytes(objects)),
    objects,
  });
  const { types } = heap;
  for (const domain of [A, B, C]) heap.setLimits(domain, UNLIMITED, UNLIMITED);
  return {
    heap,
    types: {
      packet: types.define("Packet", { kind: "record", slots: [], size: 100 }),
      note: types.define("Note", { kind: "record", slots: [], size: 8 }),
      node: types.define("Node", { kind: "record", slots: ["Node"], size: 8 }),
      pair: types.define("Pair", { kind: "record", slots: ["Packet", "Note"], size: 4 }),
      array: types.define("Array<Packet,4>", { kind: "array", element: "Packet", length: 4 }),
      deque: types.define("Deque<Packet,3>", { kind: "deque", element: "Packet", length: 3 }),
      nodes: types.define("Deque<Node,2>", { kind: "deque", element: "Node", length: 2 }),
    },
  };
}

/** All state that an operation could change. */
export function snapshot(heap: ExchangeHeap): () => boolean {
  const words = heap.words.slice();
  const slots = heap.slots.slice();
  const lists = (): string => [heap.live, heap.highWater, heap.freeHead, heap.dyingHead, heap.allocator.blocks].join();
  const before = lists();
  return () => before === lists() && equal(words, heap.words) && equal(slots, heap.slots);
}

function equal(a: Int32Array, b: Int32Array): boolean {
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return a.length === b.length;
}

/** Code of the HeapError that `operation` throws; "" when it returns. Any other exception is passed on. */
export function codeOf(operation: () => unknown): HeapErrorCode | "" {
  try {
    operation();
    return "";
  } catch (error) {
    if (error instanceof HeapError) return error.code;
    throw error;
  }
}

/** The operation is refused with this code, and nothing has changed. */
export function refused(heap: ExchangeHeap, code: HeapErrorCode, operation: () => unknown): void {
  const unchanged = snapshot(heap);
  expect(codeOf(operation)).toBe(code);
  expect(unchanged()).toBe(true);
}

/** Invariants hold. `depth` frames are on the stack: objects may be lent. */
export function sound(heap: ExchangeHeap, depth = 0): void {
  heap.words[1] = depth;
  expect(heap.check()).toEqual([]);
  heap.words[1] = 0;
}
