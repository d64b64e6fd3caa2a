/** Ticks: every loop and every cycle of calls has one; bulk instructions keep their meaning when they are cut. */
import { describe, expect, test } from "vitest";
import { grants, hostFunction, outcome, policy, World } from "../../test/wasm/harness.ts";
import { CHUNK_BYTES, CHUNK_ELEMENTS } from "./limits.ts";
import { importKey } from "./policy.ts";

class Stop extends Error {}

/** Loads text with the epoch set, and a tick that throws after `limit` calls. */
function ticking(text: string, limit = 100) {
  const world = new World();
  world.epoch = 1;
  world.onTick = () => {
    if (world.ticks >= limit) throw new Stop();
  };
  return { world, ...world.load(text) };
}

describe("ticks", () => {
  const endless: Readonly<Record<string, string>> = {
    loop: `(func (export "f") (loop (br 0)))`,
    "loop in a block": `(func (export "f") (block (loop (block (br 1)))))`,
    "nested loop, inner": `(func (export "f") (loop (loop (br 0)) (br 0)))`,
    "loop with a parameter": `(func (export "f") (i32.const 1) (loop (param i32) (br 0)))`,
    "loop in dead code of another": `(func (export "f") (loop (loop (br 1))))`,
    br_if: `(func (export "f") (loop (br_if 0 (i32.const 1))))`,
    br_table: `(func (export "f") (loop (br_table 0 0 0 (i32.const 1))))`,
    "tail recursion": `(func $f (export "f") (return_call $f))`,
    "mutual tail recursion": `(func $g (return_call $f)) (func $f (export "f") (return_call $g))`,
    "indirect tail recursion": `(table 1 funcref) (elem (i32.const 0) $f) (func $f (export "f")
      (return_call_indirect (i32.const 0)))`,
  };
  test.each(Object.entries(endless))("%s can be ended", (_, text) => {
    const { world, exports } = ticking(`(module ${text})`);
    expect(() => exports["f"]!()).toThrow(Stop);
    expect(world.ticks).toBe(100);
  });

  test("plain recursion ticks before the stack is exhausted", () => {
    const { exports } = ticking(`(module (func $f (export "f") (call $f) (call $f)))`);
    expect(() => exports["f"]!()).toThrow(Stop);
  });

  test("exponential calls without loops tick at each call", () => {
    const layers = Array.from({ length: 30 }, (_, i) => `(func $f${i + 1} (call $f${i}) (call $f${i}))`).join("");
    const { exports } = ticking(`(module (func $f0) ${layers} (export "f" (func $f30)))`, 5000);
    expect(() => exports["f"]!()).toThrow(Stop);
  });

  test("no epoch, no call; leaves have none; options.tick turns them off", () => {
    const text = `(module (func $leaf (result i32) (i32.const 1))
      (func (export "f") (local i32) (local.set 0 (i32.const 10))
        (loop (drop (call $leaf)) (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))`;
    const world = new World();
    const on = world.load(text);
    on.exports["f"]!();
    expect(world.ticks).toBe(0);
    expect(on.admitted.stats.ticks).toBe(2);
    world.epoch = 1;
    on.exports["f"]!();
    expect(world.ticks).toBe(11);
    const off = world.load(text, { tick: false });
    off.exports["f"]!();
    expect([world.ticks, off.admitted.stats.ticks]).toEqual([11, 0]);
  });

  test("a function that only calls a method ticks", () => {
    const methods = new Map([[importKey("If$00", "m"), { signature: { params: [0x7f], results: [0x7f] }, index: 0 }]]);
    const world = new World();
    world.epoch = 1;
    const p = policy({}, { functions: grants({}), methods });
    const { exports, caps } = world.load(
      `(module (import "If$00" "m" (func $m (param i32) (result i32)))
      (func (export "f") (result i32) (call $m (i32.const 1024))))`,
      {},
      {},
      p,
    );
    caps.set(
      1,
      hostFunction(() => 3, "", "i"),
    );
    expect(exports["f"]!()).toBe(3);
    expect(world.ticks).toBe(1);
  });
});

describe("bulk memory instructions", () => {
  const data = "abcdefgh".repeat(20_000);
  const text = `(module (memory 8) (data $d "${data}")
    (func (export "fill") (param i32 i32 i32) (memory.fill (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32) (memory.copy (local.get 0) (local.get 1) (local.get 2)))
    (func (export "init") (param i32 i32 i32) (memory.init $d (local.get 0) (local.get 1) (local.get 2)))
    (func (export "fillSmall") (memory.fill (i32.const 3) (i32.const 1) (i32.const 4000)))
    (func (export "fillLarge") (memory.fill (i32.const 3) (i32.const 1) (i32.const 200000)))
    (func (export "drop") (data.drop $d)))`;
  const SIZE = 8 * 65536;

  function both() {
    const world = new World();
    world.epoch = 1;
    const domain = world.load(text);
    domain.bytes.forEach((_, i) => (domain.bytes[i] = (i * 7) >> 2));
    return { world, ...domain };
  }

  const K = CHUNK_BYTES;
  const copies: [number, number, number][] = [
    [0, 0, 0],
    [SIZE, SIZE, 0],
    [10, 20, 100],
    [20, 10, 100],
    [0, 1, 3 * K],
    [1, 0, 3 * K],
    [0, K, 2 * K],
    [K, 0, 2 * K],
    [K + 1, 0, K + 1],
    [0, K + 1, K + 1],
    [5, 5, 4 * K],
    [SIZE - K, 0, K],
    [SIZE - 2 * K - 1, 3, 2 * K + 1],
    [0, 7, K],
    [7, 0, K + 1],
  ];
  test.each(copies)("copy(%i, %i, %i) is exact", (to, from, length) => {
    const { world, exports, bytes } = both();
    const want = bytes.slice().copyWithin(to, from, from + length);
    exports["copy"]!(to, from, length);
    expect(Buffer.compare(bytes, want)).toBe(0);
    expect(world.ticks).toBeGreaterThanOrEqual(Math.ceil(length / K));
  });

  const fills = [
    [0, 0],
    [SIZE, 0],
    [3, 4 * K],
    [SIZE - K - 1, K + 1],
    [9, K],
  ] as const;
  test.each(fills)("fill(%i, %i bytes) is exact", (to, length) => {
    const { exports, bytes } = both();
    const want = bytes.slice().fill(0xcd, to, to + length);
    exports["fill"]!(to, 0x3cd, length);
    expect(Buffer.compare(bytes, want)).toBe(0);
  });

  test.each([
    [0, 0, 0],
    [SIZE, 160_000, 0],
    [5, 3, 159_997],
    [SIZE - 70_001, 89_999, 70_001],
  ])("init(%i, %i, %i) is exact", (to, from, length) => {
    const { exports, bytes } = both();
    const want = bytes.slice();
    want.set(Buffer.from(data.slice(from, from + length)), to);
    exports["init"]!(to, from, length);
    expect(Buffer.compare(bytes, want)).toBe(0);
  });

  test("out of bounds traps as the engine does, and writes nothing", () => {
    const { exports, bytes } = both();
    const before = bytes.slice();
    const calls: [string, number[]][] = [
      ["fill", [SIZE - 1, 1, 2]],
      ["fill", [0, 1, SIZE + 1]],
      ["fill", [SIZE + 1, 1, 0]],
      ["fill", [-1, 1, 2]],
      ["fill", [-1, 1, -1]],
      ["fill", [1, 1, -1]],
      ["fill", [SIZE - 2 * K, 1, 2 * K + 1]],
      ["fill", [-K, 1, 2 * K]],
      ["copy", [0, SIZE - 2 * K, 2 * K + 1]],
      ["copy", [SIZE - 2 * K, 0, 2 * K + 1]],
      ["copy", [0, -K, 2 * K]],
      ["copy", [-K, 0, 2 * K]],
      ["copy", [0, 0, -1]],
      ["copy", [SIZE + 1, 0, 0]],
      ["copy", [0, SIZE + 1, 0]],
      ["init", [0, 0, 160_001]],
      ["init", [0, 1, 160_000]],
      ["init", [0, 160_001, 0]],
      ["init", [SIZE - K, 0, K + 1]],
      ["init", [0, -1, K + 2]],
      ["init", [-K, 0, 2 * K]],
    ];
    for (const [name, args] of calls) {
      expect([name, args, outcome(() => exports[name]!(...args))]).toEqual([name, args, "trap"]);
      expect(() => exports[name]!(...args)).toThrow(/out of bounds/);
    }
    expect(Buffer.compare(bytes, before)).toBe(0);
    exports["drop"]!();
    exports["init"]!(0, 0, 0);
    expect(outcome(() => exports["init"]!(0, 0, 1))).toBe("trap");
    expect(outcome(() => exports["init"]!(0, 0, 2 * K))).toBe("trap");
    expect(Buffer.compare(bytes, before)).toBe(0);
  });

  test("small constant lengths stay one instruction, large ones are cut", () => {
    const { world, exports, bytes } = both();
    exports["fillSmall"]!();
    expect(world.ticks).toBe(0);
    exports["fillLarge"]!();
    expect(world.ticks).toBe(Math.ceil(200_000 / K));
    expect(bytes.subarray(3, 200_003).every((b) => b === 1)).toBe(true);
  });

  test("a long one can be ended between two chunks", () => {
    const { world, exports, bytes } = both();
    bytes.fill(0);
    world.onTick = () => {
      if (world.ticks === 3) throw new Stop();
    };
    expect(() => exports["fill"]!(0, 9, SIZE)).toThrow(Stop);
    // The first tick comes at the start, the second before the first chunk.
    expect([bytes[K - 1], bytes[K]]).toEqual([9, 0]);
  });
});

describe("bulk table instructions", () => {
  const SIZE = 20_000;
  const text = `(module (table $t ${SIZE} funcref) (table $u ${SIZE} funcref) (table $x 10 externref)
    (elem $e func ${Array.from({ length: 9000 }, (_, i) => (i % 2 ? "$a" : "$b")).join(" ")})
    (func $a (result i32) (i32.const 1)) (func $b (result i32) (i32.const 2))
    (func (export "init") (param i32 i32 i32) (table.init $t $e (local.get 0) (local.get 1) (local.get 2)))
    (func (export "copy") (param i32 i32 i32) (table.copy $t $t (local.get 0) (local.get 1) (local.get 2)))
    (func (export "across") (param i32 i32 i32) (table.copy $u $t (local.get 0) (local.get 1) (local.get 2)))
    (func (export "fill") (param i32 i32 i32) (table.fill $t (local.get 0) (table.get $t (local.get 1)) (local.get 2)))
    (func (export "fillX") (param i32 externref i32) (table.fill $x (local.get 0) (local.get 1) (local.get 2)))
    (func (export "at") (param i32) (result i32) (if (result i32) (ref.is_null (table.get $t (local.get 0)))
      (then (i32.const 0)) (else (call_indirect $t (result i32) (local.get 0)))))
    (func (export "atU") (param i32) (result i32) (if (result i32) (ref.is_null (table.get $u (local.get 0)))
      (then (i32.const 0)) (else (call_indirect $u (result i32) (local.get 0))))))`;

  test("same results and traps as the model, with ticks", () => {
    const world = new World();
    world.epoch = 1;
    const { exports: x } = world.load(text);
    const model = new Uint8Array(SIZE);
    const check = (): void => {
      for (let i = 0; i < SIZE; i += 97) expect(x["at"]!(i)).toBe(model[i]);
      for (const i of [0, 1, 8999, 9000, SIZE - 1]) expect(x["at"]!(i)).toBe(model[i]);
    };
    x["init"]!(100, 0, 9000);
    for (let i = 0; i < 9000; i++) model[100 + i] = i % 2 ? 1 : 2;
    check();
    for (const [to, from, length] of [
      [0, 1, 15_000],
      [5, 0, 15_001],
      [9000, 1, CHUNK_ELEMENTS * 2],
    ] as const) {
      world.ticks = 0;
      x["copy"]!(to, from, length);
      expect(world.ticks).toBeGreaterThanOrEqual(length / CHUNK_ELEMENTS);
      model.copyWithin(to, from, from + length);
      check();
    }
    x["fill"]!(3, 200, 12_000);
    model.fill(model[200]!, 3, 12_003);
    check();
    const bad: [string, number[]][] = [
      ["init", [0, 1, 9000]],
      ["init", [SIZE - 8999, 0, 9000]],
      ["copy", [1, 0, SIZE]],
      ["copy", [0, 1, SIZE]],
      ["copy", [0, 0, -1]],
      ["fill", [1, 0, SIZE]],
      ["fill", [SIZE + 1, 0, 0]],
      ["across", [0, 15_000, 5001]],
    ];
    for (const [name, args] of bad) {
      expect([name, args, outcome(() => x[name]!(...args))]).toEqual([name, args, "trap"]);
    }
    check();
    x["across"]!(0, 10, 10_000);
    expect([x["atU"]!(0), x["atU"]!(9999), x["atU"]!(10_000)]).toEqual([model[10], model[10_009], 0]);
  });

  test("tables of references", () => {
    const { exports: x } = new World().load(text);
    const fill = x["fillX"] as unknown as (at: number, value: unknown, n: number) => void;
    fill(0, "text", 10);
    expect(outcome(() => fill(1, "text", 10))).toBe("trap");
  });
});
