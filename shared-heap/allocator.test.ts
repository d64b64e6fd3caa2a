/**
 * The allocator alone: it needs no memory, so heaps of 2 GiB cost nothing here.
 */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Allocator, GRANULE_BYTES, MAX_HEAP_BYTES, PAGE_BYTES, type Arena } from "./allocator.ts";
import { codeOf } from "./test/support.ts";

const GIB = 2 ** 30;
const arena = (pages: number, firstPage = 1, name = "main"): Arena => ({
  name,
  base: firstPage * PAGE_BYTES,
  bytes: pages * PAGE_BYTES,
});
const whole = (bytes: number): Allocator => new Allocator([arena(bytes / PAGE_BYTES - 1)]);

describe("blocks", () => {
  test("are aligned, inside the arena, at least as large as asked, and as large as announced", () => {
    const allocator = whole(64 << 20);
    for (const bytes of [
      0,
      1,
      63,
      64,
      65,
      128,
      513,
      640,
      1514,
      4096,
      4160,
      16384,
      20000,
      20480,
      32768,
      32769,
      65536,
      65537,
      1 << 20,
    ]) {
      const address = allocator.alloc(bytes);
      expect(address).toBeGreaterThanOrEqual(PAGE_BYTES);
      expect(address % GRANULE_BYTES).toBe(0);
      const size = allocator.blockSize(address);
      expect(size).toBeGreaterThanOrEqual(Math.max(bytes, 64));
      expect(size).toBeLessThanOrEqual(
        Math.max(64, bytes * 1.25 + 64, bytes > 16384 ? Math.ceil(bytes / PAGE_BYTES) * PAGE_BYTES : 0),
      );
      expect(allocator.roundUp(bytes)).toBe(size);
      expect(address + size).toBeLessThanOrEqual(64 << 20);
    }
    expect(allocator.check()).toEqual([]);
  });

  test("small ones of one size fill pages without gaps", () => {
    const allocator = new Allocator([arena(2)]);
    const addresses = Array.from({ length: 2048 }, () => allocator.alloc(64));
    expect(new Set(addresses).size).toBe(2048);
    expect(addresses.includes(0)).toBe(false);
    expect(allocator.alloc(1)).toBe(0);
    expect(allocator.statistics()[0]).toEqual({ name: "main", bytes: 131072, used: 131072, free: 0, largestRun: 0 });
    expect(allocator.check()).toEqual([]);
  });

  test("a freed one is used again before a new page is opened", () => {
    const allocator = whole(1 << 20);
    const first = allocator.alloc(100);
    const second = allocator.alloc(100);
    allocator.free(first);
    expect(allocator.alloc(100)).toBe(first);
    allocator.free(second);
    allocator.free(first);
    expect([allocator.alloc(100), allocator.alloc(100)].toSorted()).toEqual([first, second].toSorted());
  });

  test("a spare page that is in use again is no spare", () => {
    const allocator = whole(1 << 20);
    allocator.free(allocator.alloc(100));
    const again = allocator.alloc(100);
    expect(allocator.statistics()[0]!.used).toBe(allocator.blockSize(again));
    expect(allocator.check()).toEqual([]);
    expect(allocator.isBlock(again)).toBe(true);
  });

  test("free refuses what is no block in use: double free, inside, outside, never allocated", () => {
    const allocator = whole(1 << 20);
    const small = allocator.alloc(256);
    const large = allocator.alloc(3 * PAGE_BYTES);
    for (const bad of [0, small + 64, small + 1, large + 64, large + PAGE_BYTES, 1 << 20, 2 ** 31, -64, small + 256]) {
      expect(codeOf(() => allocator.free(bad))).toBe("not-allocated");
      expect(codeOf(() => allocator.blockSize(bad))).toBe("not-allocated");
      expect(allocator.isBlock(bad)).toBe(false);
    }
    for (const address of [small, large]) {
      allocator.free(address);
      expect(codeOf(() => allocator.free(address))).toBe("not-allocated");
    }
    expect(allocator.check()).toEqual([]);
    expect(allocator.blocks).toBe(0);
  });

  test("sizes that no heap has answer 0", () => {
    const allocator = whole(1 << 20);
    for (const bytes of [1 << 20, MAX_HEAP_BYTES, MAX_HEAP_BYTES + 1, Infinity, NaN, -1])
      expect(allocator.alloc(bytes)).toBe(0);
    expect(allocator.roundUp(MAX_HEAP_BYTES + 1)).toBe(Infinity);
    expect(allocator.roundUp(NaN)).toBe(Infinity);
  });
});

describe("runs", () => {
  test("the whole heap of 2 GiB is one block, and its addresses stay positive", () => {
    const allocator = whole(2 * GIB);
    const all = 2 * GIB - PAGE_BYTES;
    expect(allocator.statistics()[0]!.largestRun).toBe(all);
    expect(allocator.alloc(all + 1)).toBe(0);
    const address = allocator.alloc(all);
    expect(address).toBe(PAGE_BYTES);
    expect(allocator.blockSize(address)).toBe(all);
    expect(allocator.alloc(1)).toBe(0);
    allocator.free(address);
    const half = allocator.alloc(GIB);
    const last = allocator.alloc(GIB - PAGE_BYTES);
    expect(half + last).toBeGreaterThan(GIB);
    expect(Math.max(half, last) + (last > half ? GIB - PAGE_BYTES : GIB)).toBe(2 * GIB);
    allocator.free(half);
    allocator.free(last);
    expect(allocator.statistics()[0]!.largestRun).toBe(all);
    expect(allocator.check()).toEqual([]);
  });

  test.each([[[0, 1, 2]], [[2, 1, 0]], [[0, 2, 1]], [[1, 0, 2]], [[1, 2, 0]], [[2, 0, 1]]])(
    "free neighbours merge, freed in order %j",
    (order) => {
      const allocator = new Allocator([arena(9)]);
      const addresses = [1, 2, 3].map(() => allocator.alloc(3 * PAGE_BYTES));
      expect(allocator.alloc(PAGE_BYTES)).toBe(0);
      for (const i of order) {
        allocator.free(addresses[i]!);
        expect(allocator.check()).toEqual([]);
      }
      expect(allocator.statistics()[0]!.largestRun).toBe(9 * PAGE_BYTES);
    },
  );

  test("a run of its own bin is found behind ones that are too short", () => {
    const allocator = new Allocator([arena(20)]);
    const long = allocator.alloc(7 * PAGE_BYTES);
    allocator.alloc(PAGE_BYTES);
    const short = allocator.alloc(4 * PAGE_BYTES);
    allocator.alloc(8 * PAGE_BYTES);
    allocator.free(long);
    allocator.free(short);
    expect(allocator.alloc(7 * PAGE_BYTES)).toBe(long);
    expect(allocator.alloc(4 * PAGE_BYTES)).toBe(short);
  });

  test("no size class hoards: after all is freed, the whole heap is one run again", () => {
    const allocator = whole(16 << 20);
    const addresses: number[] = [];
    for (let bytes = 1; bytes <= 32768; bytes += 61) for (let i = 0; i < 3; i++) addresses.push(allocator.alloc(bytes));
    for (const address of addresses) if (address !== 0) allocator.free(address);
    const all = (16 << 20) - PAGE_BYTES;
    expect(allocator.alloc(all)).toBe(PAGE_BYTES);
    allocator.free(PAGE_BYTES);
    expect(allocator.statistics()[0]).toEqual({ name: "main", bytes: all, used: 0, free: all, largestRun: all });
    expect(allocator.check()).toEqual([]);
  });

  test("an emptied page beside the spare goes back at once", () => {
    const allocator = new Allocator([arena(3)]);
    const addresses = Array.from({ length: 6 }, () => allocator.alloc(32768));
    for (const address of addresses) allocator.free(address);
    expect(allocator.check()).toEqual([]);
    expect(allocator.alloc(2 * PAGE_BYTES)).not.toBe(0);
  });
});

describe("arenas", () => {
  test("are apart: neither blocks nor runs cross from one to the other", () => {
    const allocator = new Allocator([arena(2, 1, "a"), arena(3, 3, "b"), arena(1, 8, "c")]);
    expect(allocator.alloc(3 * PAGE_BYTES, 0)).toBe(0);
    const a = allocator.alloc(2 * PAGE_BYTES, 0);
    const b = allocator.alloc(3 * PAGE_BYTES, 1);
    const c = allocator.alloc(64, 2);
    expect([a, b, c]).toEqual([PAGE_BYTES, 3 * PAGE_BYTES, 8 * PAGE_BYTES]);
    expect(allocator.alloc(64, 0)).toBe(0);
    for (const address of [a, b, c]) allocator.free(address);
    expect(allocator.check()).toEqual([]);
    expect(allocator.statistics().map((s) => s.largestRun / PAGE_BYTES)).toEqual([2, 3, 1]);
    expect(allocator.alloc(4 * PAGE_BYTES, 1)).toBe(0);
    expect(codeOf(() => allocator.alloc(64, 3))).toBe("config");
    expect(codeOf(() => allocator.alloc(64, -1))).toBe("config");
  });

  test("stay apart in whichever order they become free", () => {
    for (const order of [
      [0, 1, 2],
      [2, 1, 0],
      [1, 0, 2],
    ]) {
      const allocator = new Allocator([arena(2, 1, "a"), arena(3, 3, "b"), arena(1, 6, "c")]);
      const addresses = [2, 3, 1].map((pages, i) => allocator.alloc(pages * PAGE_BYTES, i));
      for (const i of order) allocator.free(addresses[i]!);
      expect(allocator.check()).toEqual([]);
      expect(allocator.statistics().map((s) => s.largestRun / PAGE_BYTES)).toEqual([2, 3, 1]);
    }
  });

  test.each<[string, Arena[]]>([
    ["none", []],
    ["page 0", [arena(2, 0)]],
    ["no pages", [arena(0)]],
    ["an unaligned base", [{ name: "x", base: PAGE_BYTES + 64, bytes: PAGE_BYTES }]],
    ["an unaligned size", [{ name: "x", base: PAGE_BYTES, bytes: PAGE_BYTES + 64 }]],
    ["a base that is no number", [{ name: "x", base: NaN, bytes: PAGE_BYTES }]],
    ["an end beyond 2 GiB", [arena(32768)]],
    ["overlap", [arena(4, 1, "a"), arena(1, 4, "b")]],
    ["too many", Array.from({ length: 255 }, (_, i) => arena(1, i + 1))],
  ])("refuses %s", (_what, arenas) => {
    expect(codeOf(() => new Allocator(arenas))).toBe("config");
  });
});

test("random work: no two blocks overlap, the books agree, and 0 means that no run is long enough", () => {
  const sizes = fc.oneof(fc.nat(600), fc.nat(40_000), fc.nat(400_000));
  const step = fc.record({ bytes: sizes, which: fc.nat(), free: fc.boolean(), arena: fc.nat(1) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 50, maxLength: 400 }), (steps) => {
      const arenas = [arena(24, 1, "a"), arena(9, 25, "b")];
      const allocator = new Allocator(arenas);
      const owner = new Uint16Array((34 * PAGE_BYTES) / GRANULE_BYTES);
      const blocks: { address: number; size: number }[] = [];
      steps.forEach((s, n) => {
        if (s.free && blocks.length > 0) {
          const [{ address, size }] = blocks.splice(s.which % blocks.length, 1) as [{ address: number; size: number }];
          allocator.free(address);
          owner.fill(0, address / GRANULE_BYTES, (address + size) / GRANULE_BYTES);
        } else {
          const address = allocator.alloc(s.bytes, s.arena);
          if (address === 0) {
            expect(allocator.statistics()[s.arena]!.largestRun).toBeLessThan(Math.max(s.bytes, 1));
          } else {
            const size = allocator.blockSize(address);
            const { base, bytes } = arenas[s.arena]!;
            expect(size >= s.bytes && address >= base && address + size <= base + bytes).toBe(true);
            const mine = owner.subarray(address / GRANULE_BYTES, (address + size) / GRANULE_BYTES);
            expect(mine.every((o) => o === 0)).toBe(true);
            mine.fill(n + 1);
            blocks.push({ address, size });
          }
        }
        if (n % 50 === 0) expect(allocator.check()).toEqual([]);
      });
      expect(allocator.check()).toEqual([]);
      expect(allocator.blocks).toBe(blocks.length);
      for (const { address } of blocks) allocator.free(address);
      expect(allocator.statistics().map((s) => s.largestRun / PAGE_BYTES)).toEqual([24, 9]);
    }),
    { numRuns: 100 },
  );
});
