/**
 * Bad handles: every operation against every kind of handle that it must refuse, and that a refusal changes nothing.
 */
import { describe, expect, test } from "vitest";
import type { ExchangeHeap } from "./heap.ts";
import { FIRST_HANDLE, GENERATION_MASK, OWNER_DEVICE, OWNER_HOST } from "./layout.ts";
import { A, B, codeOf, snapshot, testHeap, type TestHeap } from "./test/support.ts";

type Types = TestHeap["types"];
/** Good objects of A for the other operands. */
interface Others {
  readonly packet: number;
  readonly array: number;
  readonly deque: number;
}
/** Every operation that takes a handle, done by A. Exclusive ones are refused for what A only borrows. */
interface Operation {
  readonly type: keyof Types;
  readonly exclusive: boolean;
  readonly run: (heap: ExchangeHeap, handle: number, others: Others) => unknown;
}
const exclusive = (type: keyof Types, run: Operation["run"]): Operation => ({ type, exclusive: true, run });
const shared = (type: keyof Types, run: Operation["run"]): Operation => ({ type, exclusive: false, run });
const OPERATIONS: Readonly<Record<string, Operation>> = {
  free: exclusive("packet", (heap, h) => heap.free(h, A)),
  move: exclusive("packet", (heap, h) => heap.move(h, A, B)),
  resize: exclusive("packet", (heap, h) => heap.resize(h, A, 120)),
  "put (object)": exclusive("packet", (heap, h, { array }) => heap.put(h, array, 0, A)),
  "put (container)": exclusive("array", (heap, h, { packet }) => heap.put(packet, h, 0, A)),
  take: exclusive("array", (heap, h) => heap.take(h, 0, A)),
  "push (object)": exclusive("packet", (heap, h, { deque }) => heap.push(h, deque, A)),
  "push (deque)": exclusive("deque", (heap, h, { packet }) => heap.push(packet, h, A)),
  pop: exclusive("deque", (heap, h) => heap.pop(h, A)),
  lend: shared("packet", (heap, h) => heap.lend(h, A, B)),
  access: shared("packet", (heap, h) => heap.access(h, 0, 4, A)),
  size: shared("packet", (heap, h) => heap.size(h, A)),
  type: shared("packet", (heap, h) => heap.type(h, A)),
  isLent: shared("packet", (heap, h) => heap.isLent(h, A)),
  has: shared("array", (heap, h) => heap.has(h, 0, A)),
  len: shared("deque", (heap, h) => heap.len(h, A)),
  peek: shared("deque", (heap, h) => heap.peek(h, 0, 0, 4, A)),
};

type MakeHandle = (world: TestHeap, type: number) => number;
/** Code of the operation on such a handle, and whether it left everything as it was. */
function outcome(operation: Operation, make: MakeHandle): { code: string; unchanged: boolean } {
  const world = testHeap();
  const { heap, types } = world;
  const others = {
    packet: heap.create(types.packet, A),
    array: heap.create(types.array, A),
    deque: heap.create(types.deque, A),
  };
  const handle = make(world, types[operation.type]);
  const unchanged = snapshot(heap);
  const code = codeOf(() => operation.run(heap, handle, others));
  return { code, unchanged: unchanged() };
}

const BAD: Readonly<Record<string, readonly [string, MakeHandle]>> = {
  "null handle": ["range", () => 0],
  "index 0": ["range", () => A],
  "index 0, tag of an owner": ["range", () => GENERATION_MASK],
  "index beyond the ledger": ["range", ({ heap }) => heap.capacity * FIRST_HANDLE],
  "index beyond the memory": ["range", () => -1],
  "never allocated": ["not-owner", () => 40 << 10],
  "never allocated, index is the owner": ["not-owner", () => A << 10],
  "never allocated, another generation": ["stale", () => (40 << 10) | 7],
  "another's": ["not-owner", ({ heap }, type) => heap.create(type, B)],
  "the host's": ["not-owner", ({ heap }, type) => heap.create(type, OWNER_HOST)],
  freed: [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, A);
      heap.free(handle, A);
      return handle;
    },
  ],
  "freed, used again by itself": [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, A);
      heap.free(handle, A);
      heap.create(type, A);
      return handle;
    },
  ],
  "moved away": [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, A);
      heap.move(handle, A, B);
      return handle;
    },
  ],
  "moved away, the new handle": ["not-owner", ({ heap }, type) => heap.move(heap.create(type, A), A, B)],
  "moved away and back": [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, A);
      heap.move(heap.move(handle, A, B), B, A);
      return handle;
    },
  ],
  "lent away": [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, A);
      heap.lend(handle, A, B);
      return handle;
    },
  ],
  "borrowed, given back": [
    "stale",
    ({ heap }, type) => {
      const handle = heap.create(type, B);
      const borrowed = heap.lend(handle, B, A);
      heap.giveBack(handle, B, A);
      return borrowed;
    },
  ],
  "contained in its own object": [
    "not-owner",
    ({ heap }, type) => {
      const outer = heap.types.define("Outer", { kind: "record", slots: [heap.types.key(type)], size: 0 });
      const handle = heap.create(type, A);
      heap.put(handle, heap.create(outer, A), 0, A);
      return handle;
    },
  ],
  "a device's": ["not-owner", ({ heap }, type) => heap.move(heap.create(type, A), A, OWNER_DEVICE)],
};

describe.each(Object.entries(OPERATIONS))("%s refuses a handle that is", (name, operation) => {
  test.each(Object.entries(BAD))("%s", (_why, [code, make]) => {
    expect(outcome(operation, make)).toEqual({ code, unchanged: true });
  });
  test("borrowed, when it needs the exclusive right", () => {
    const result = outcome(operation, ({ heap }, type) => heap.lend(heap.create(type, B), B, A));
    if (operation.exclusive) expect(result).toEqual({ code: "lent", unchanged: true });
    else expect(result.code).toBe(name === "peek" ? "range" : "");
  });
  test("(and accepts a good one)", () => {
    expect(outcome(operation, ({ heap }, type) => heap.create(type, A)).code).toBe(name === "peek" ? "range" : "");
  });
});
