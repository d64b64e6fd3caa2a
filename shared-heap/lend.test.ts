/**
 * Borrowing: who reaches a lent object, chains of loans, and what giving back refuses.
 */
import { describe, expect, test } from "vitest";
import { MAX_DOMAINS, OWNER_CONTAINED, OWNER_NONE } from "./layout.ts";
import { A, B, C, codeOf, refused, sound, testHeap } from "./test/support.ts";

describe("lend", () => {
  test("rref_borrow: only the borrower reaches the object until it is given back", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    const borrowed = heap.lend(handle, A, B, types.packet);
    expect(heap.isLent(borrowed, B)).toBe(true);
    expect(heap.type(borrowed, B)).toBe(types.packet);
    expect(codeOf(() => heap.access(handle, 0, 4, A))).toBe("stale");
    heap.bytes[heap.access(borrowed, 5, 1, B)] = 9;
    sound(heap, 1);
    heap.giveBack(handle, A, B);
    expect(heap.isLent(handle, A)).toBe(false);
    expect(heap.bytes[heap.access(handle, 5, 1, A)]).toBe(9);
    expect(codeOf(() => heap.access(borrowed, 0, 4, B))).toBe("stale");
    heap.free(heap.move(handle, A, C), C);
    sound(heap);
  });

  test("goes on down a chain, and each return restores what was before", () => {
    const { heap, types } = testHeap();
    const first = heap.create(types.packet, A);
    const second = heap.lend(first, A, B);
    const third = heap.lend(second, B, C, types.packet);
    const fourth = heap.lend(third, C, A);
    expect(codeOf(() => heap.size(first, A))).toBe("stale");
    expect(codeOf(() => heap.size(second, B))).toBe("stale");
    heap.giveBack(third, C, A, true);
    expect(codeOf(() => heap.size(fourth, A))).toBe("stale");
    expect(codeOf(() => heap.free(third, C))).toBe("lent");
    heap.giveBack(second, B, C, true);
    expect(codeOf(() => heap.free(second, B))).toBe("lent");
    heap.giveBack(first, A, B);
    heap.free(first, A);
    sound(heap);
  });

  test("refuses another type, also of what is lent already, and bad owners", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    refused(heap, "wrong-type", () => heap.lend(handle, A, B, types.note));
    for (const to of [OWNER_NONE, OWNER_CONTAINED, MAX_DOMAINS])
      refused(heap, "bad-owner", () => heap.lend(handle, A, to));
    const borrowed = heap.lend(handle, A, B);
    refused(heap, "wrong-type", () => heap.lend(borrowed, B, C, types.note));
  });

  test("giveBack refuses what is not borrowed, not the borrower's, or not the last loan", () => {
    const { heap, types } = testHeap();
    const handle = heap.create(types.packet, A);
    refused(heap, "stale", () => heap.giveBack(handle, A, A));
    const moved = heap.move(handle, A, B);
    refused(heap, "not-lent", () => heap.giveBack(handle, A, B));
    const borrowed = heap.lend(moved, B, C);
    refused(heap, "not-owner", () => heap.giveBack(moved, B, A));
    refused(heap, "stale", () => heap.giveBack(handle, B, C));
    refused(heap, "stale", () => heap.giveBack(borrowed, B, C));
    refused(heap, "range", () => heap.giveBack(0, B, C));
    refused(heap, "range", () => heap.giveBack(heap.capacity << 10, B, C));
    for (const lender of [OWNER_NONE, OWNER_CONTAINED, MAX_DOMAINS])
      refused(heap, "bad-owner", () => heap.giveBack(moved, lender, C));
    heap.giveBack(moved, B, C);
    sound(heap);
  });

  test("a borrowed container is read only, its content can be read through it", () => {
    const { heap, types } = testHeap();
    const array = heap.create(types.array, A);
    const packet = heap.create(types.packet, A);
    heap.bytes[heap.access(packet, 3, 1, A)] = 42;
    heap.put(packet, array, 2, A);
    const borrowed = heap.lend(array, A, B);
    expect(heap.has(borrowed, 2, B)).toBe(true);
    expect(heap.bytes[heap.peek(borrowed, 2, 3, 1, B)]).toBe(42);
    refused(heap, "lent", () => heap.take(borrowed, 2, B));
    const own = heap.create(types.packet, B);
    refused(heap, "lent", () => heap.put(own, borrowed, 0, B));
  });
});
