/** Checked accesses: ownership, generation, bounds, and facts across every kind of control flow, removal on and off. */
import { describe, expect, test } from "vitest";
import { grants, hostFunction, MY_RECORD, OTHER, outcome, policy, World } from "../../test/wasm/harness.ts";
import { DOMAIN_RETURN, OBJECT_SIZE, OBJECT_TYPE, LENT } from "../../shared-heap/layout.ts";
import type { Intrinsic } from "./intrinsics.ts";
import { HEAP, RPC } from "./intrinsics.ts";
import { importKey } from "./policy.ts";

const PRELUDE = `
  (import "heap" "load_i64" (func $l (param i32 i32) (result i64)))
  (import "heap" "store_i64" (func $s (param i64 i32 i32)))
  (import "heap" "load_u8" (func $b (param i32 i32) (result i32)))
  (import "heap" "take" (func $take (param i32 i32) (result i32)))
  (import "env" "move" (func $move (param i32)))
  (import "env" "pure" (func $pure))
  (type $v (func (param i32)))
  (table 2 funcref) (elem (i32.const 0) $moves)
  (func $moves (param i32) (call $move (local.get 0)))
  (func $nested (param i32) (call $moves (local.get 0)))
  (func $harmless (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))`;

/** Loads at 0 and 8: the object's words are its word numbers. */
const L = (local: number, offset: number | string): string =>
  `(call $l (local.get ${local}) ${typeof offset === "number" ? `(i32.const ${offset})` : offset})`;

const eighteen = (each: (i: number) => string): string => Array.from({ length: 18 }, (_, i) => each(i)).join(" ");

const FUNCTIONS: Readonly<Record<string, string>> = {
  ld: `(param i32 i32) (result i64) ${L(0, "(local.get 1)")}`,
  ldTwice: `(param i32 i32) (result i64) (drop ${L(0, "(local.get 1)")}) ${L(0, "(local.get 1)")}`,
  ldExpr: `(param i32 i32) (result i64) ${L(0, "(i32.add (local.get 1) (i32.const 8))")}`,
  ldExprHandle: `(param i32 i32) (result i64) (call $l (i32.add (local.get 0) (i32.const 0)) (local.get 1))`,
  ldTee: `(param i32 i32) (result i64) (local i32)
    (i64.add (call $l (local.tee 2 (local.get 0)) (i32.const 8)) (call $l (local.get 2) (local.get 1)))`,
  ldTwoWidths: `(param i32 i32) (result i64) (local i64) (local.set 2 ${L(0, "(local.get 1)")})
    (drop (call $b (local.get 0) (local.get 1))) (local.get 2)`,
  ldTwoWidthsInLoop: `(param i32 i32) (result i64) (local i64)
    (loop (local.set 2 ${L(0, "(local.get 1)")}) (drop (call $b (local.get 0) (local.get 1)))) (local.get 2)`,
  ld0: `(param i32) (result i64) ${L(0, 0)}`,
  ld56: `(param i32) (result i64) ${L(0, 56)}`,
  ld57: `(param i32) (result i64) ${L(0, 57)}`,
  ldMinus: `(param i32) (result i64) ${L(0, -1)}`,
  ldHuge: `(param i32) (result i64) ${L(0, 0x7fffffff)}`,
  ldRising: `(param i32) (result i64) (drop ${L(0, 0)}) (if (i32.const 1) (then)) (drop ${L(0, 48)}) ${L(0, 57)}`,
  st: `(param i32 i32 i64) (call $s (local.get 2) (local.get 0) (local.get 1))`,
  stConst: `(param i32 i64) (call $s (local.get 1) (local.get 0) (i32.const 16))
    (call $s (i64.add (local.get 1) (i64.const 1)) (local.get 0) (i32.const 24))`,
  afterMove: `(param i32) (result i64) (drop ${L(0, 0)}) (call $move (local.get 0)) ${L(0, 0)}`,
  afterMoveInCallee: `(param i32) (result i64) (drop ${L(0, 0)}) (call $nested (local.get 0)) ${L(0, 0)}`,
  afterMoveIndirect: `(param i32) (result i64) (drop ${L(0, 0)})
    (call_indirect (type $v) (local.get 0) (i32.const 0)) ${L(0, 0)}`,
  afterMoveOfAlias: `(param i32) (result i64) (local i32) (drop ${L(0, 0)}) (local.set 1 (local.get 0))
    (drop ${L(1, 0)}) (call $move (local.get 1)) ${L(0, 0)}`,
  afterHarmless: `(param i32) (result i64) (drop ${L(0, 0)}) (drop (call $harmless (local.get 0))) ${L(0, 8)}`,
  afterMoveInBlock: `(param i32) (result i64) (drop ${L(0, 0)}) (block (call $move (local.get 0))) ${L(0, 0)}`,
  afterMoveInIf: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (if (local.get 1) (then (call $move (local.get 0)))) ${L(0, 0)}`,
  afterMoveInElse: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (if (local.get 1) (then) (else (call $move (local.get 0)))) ${L(0, 0)}`,
  moveInLoop: `(param i32 i32) (result i64) (local i64) (drop ${L(0, 0)})
    (loop (local.set 2 ${L(0, 8)}) (call $move (local.get 0))
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))) (local.get 2)`,
  moveInOuterLoop: `(param i32 i32) (result i64) (local i64) (local i32)
    (loop $o (local.set 3 (i32.const 3))
      (loop $i (local.set 2 (i64.add (local.get 2) ${L(0, 8)}))
        (br_if $i (local.tee 3 (i32.sub (local.get 3) (i32.const 1)))))
      (call $move (local.get 0))
      (br_if $o (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))) (local.get 2)`,
  reassign: `(param i32 i32) (result i64) (drop ${L(0, 0)}) (local.set 0 (local.get 1)) ${L(0, 0)}`,
  reassignTee: `(param i32 i32) (result i64) (drop ${L(0, 0)}) (drop (local.tee 0 (local.get 1))) ${L(0, 0)}`,
  reassignTeeInBlock: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (block (drop (local.tee 0 (local.get 1)))) ${L(0, 0)}`,
  loopAfterLoop: `(param i32 i32) (result i64) (local i64)
    (loop (drop ${L(0, 8)})) (local.set 0 (i32.const 0)) (loop (local.set 2 ${L(1, 8)})) (local.get 2)`,
  reassignOnStack: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (call $l (local.get 0) (block (result i32) (local.set 0 (local.get 1)) (i32.const 0)))`,
  staleOnStack: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (call $l (local.get 1) (i32.mul (i32.const 0) (local.tee 1 (local.get 0))))`,
  reassignInLoop: `(param i32 i32 i32) (result i64) (local i64) (drop ${L(0, 0)})
    (loop (local.set 3 ${L(0, 8)}) (local.set 0 (local.get 1))
      (br_if 0 (local.tee 2 (i32.sub (local.get 2) (i32.const 1))))) (local.get 3)`,
  reassignBranch: `(param i32 i32 i32) (result i64) (drop ${L(0, 0)})
    (if (local.get 2) (then (local.set 0 (local.get 1)))) ${L(0, 0)}`,
  checkedOnOnePath: `(param i32 i32) (result i64) (if (local.get 1) (then (drop ${L(0, 0)}))) ${L(0, 0)}`,
  checkedOnBoth: `(param i32 i32) (result i64)
    (if (result i64) (local.get 1) (then ${L(0, 0)}) (else ${L(0, 8)}))`,
  skipped: `(param i32 i32) (result i64) (block (br_if 0 (local.get 1)) (drop ${L(0, 0)})) ${L(0, 0)}`,
  skippedByTable: `(param i32 i32) (result i64)
    (block (block (block (br_table 0 1 2 (local.get 1))) (drop ${L(0, 0)}) (br 1)) (drop ${L(0, 8)})) ${L(0, 16)}`,
  deadCode: `(param i32) (result i64) (block (br 0) (drop ${L(0, 0)})) ${L(0, 8)}`,
  afterReturn: `(param i32 i32) (result i64)
    (if (local.get 1) (then (return ${L(0, 0)}))) ${L(0, 8)}`,
  loopNotEntered: `(param i32 i32) (result i64) (local i64)
    (block (br_if 0 (i32.eqz (local.get 1)))
      (loop (local.set 2 ${L(0, 8)}) (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))) (local.get 2)`,
  loopLateAccess: `(param i32 i32) (result i64)
    (loop (result i64) (if (result i64) (local.get 1) (then ${L(0, 0)}) (else (i64.const -5))))`,
  loopSum: `(param i32 i32) (result i64) (local i64)
    (loop (local.set 2 (i64.add (local.get 2) ${L(0, "(local.get 1)")}))
      (br_if 0 (i32.ge_s (local.tee 1 (i32.sub (local.get 1) (i32.const 8))) (i32.const 0)))) (local.get 2)`,
  loopParams: `(param i32 i32) (result i64) (i64.const 100)
    (loop (param i64) (result i64) (i64.add ${L(0, 8)})
      (br_if 0 (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))`,
  manyHandles: `(param i32) (result i64) (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)
    ${eighteen((i) => `(drop ${L(0, 0)}) (local.set ${i + 1} (local.get 0)) (drop ${L(i + 1, 8)})`)}
    (call $move (local.get 0)) ${L(18, 0)}`,
  tailLoad: `(param i32 i32) (result i64) (return_call $l (local.get 0) (local.get 1))`,
  afterTail: `(param i32 i32) (result i64)
    (if (local.get 1) (then (return_call $l (local.get 0) (i32.const 8)))) ${L(0, 0)}`,
  pureCall: `(param i32) (result i64) (drop ${L(0, 0)}) (call $pure) ${L(0, 0)}`,
  lookAheadStops: `(param i32 i32) (result i64) (drop ${L(0, 0)}) (if (local.get 1) (then (return (i64.const 3))))
    ${L(0, 500)}`,
  lookAheadOther: `(param i32 i32) (result i64) (drop ${L(0, 0)}) (local.set 0 (local.get 1)) ${L(0, 120)}`,
  lookAheadBuried: `(param i32 i32) (result i64) (drop ${L(0, 0)})
    (call $l (local.get 0) (i32.const 500) (drop) (i32.const 8))`,
};

const BODIES = Object.entries(FUNCTIONS).map(([name, f]) => `(func (export "${name}") ${f})`);
const TEXT = `(module ${PRELUDE}\n${BODIES.join("\n")})`;
const TRAP = "trap";

describe.each([{ elide: true }, { elide: false }, { elide: true, tick: false }])("accesses with %o", (options) => {
  function setUp() {
    const world = new World();
    const imports = { "env.move": (h: number) => world.give(h, OTHER), "env.pure": () => {} };
    const domain = world.load(TEXT, options, imports, policy({ "env.move": "i>", "env.pure": ">" }));
    const mine = world.object(64);
    const theirs = world.object(64, { owner: OTHER });
    const big = world.object(128);
    const view = new BigInt64Array(world.heap.buffer);
    for (const h of [mine, theirs, big]) {
      const first = world.address(h) >> 3;
      for (let i = 0; i < world.get(h, OBJECT_SIZE) / 8; i++) view[first + i] = BigInt((h >>> 10) * 100 + i);
    }
    return { world, mine, theirs, big, view, x: domain.exports };
  }

  const MINE = "mine",
    THEIRS = "theirs",
    BIG = "big";
  type Arg = number | bigint | string;
  type Case = readonly [string, readonly Arg[], bigint | "trap" | undefined];
  const cases: readonly Case[] = [
    ["ld", [MINE, 0], 100n],
    ["ld", [MINE, 56], 107n],
    ["ld", [MINE, 57], TRAP],
    ["ld", [MINE, 64], TRAP],
    ["ld", [MINE, -1], TRAP],
    ["ld", [MINE, -8], TRAP],
    ["ld", [MINE, -64], TRAP],
    ["ld", [MINE, 0x7fffffff], TRAP],
    ["ld", [THEIRS, 0], TRAP],
    ["ld", [0, 0], TRAP],
    ["ld", [1023, 0], TRAP],
    ["ld", [-1, 0], TRAP],
    ["ld", [0x7fffffff, 0], TRAP],
    ["ld", [(1 << 10) | 4, 0], TRAP],
    ["ld", [(1 << 10) | 6, 0], TRAP],
    ["ld", [(999 << 10) | 5, 0], TRAP],
    ["ld", [(4_000_000 << 10) | 5, 0], TRAP],
    ["ldTwice", [MINE, 56], 107n],
    ["ldTwice", [MINE, 60], TRAP],
    ["ldTwice", [THEIRS, 0], TRAP],
    ["ldExpr", [MINE, 8], 102n],
    ["ldExpr", [MINE, 56], TRAP],
    ["ldExpr", [THEIRS, 0], TRAP],
    ["ldExpr", [MINE, -8], 100n],
    ["ldExprHandle", [MINE, 8], 101n],
    ["ldExprHandle", [THEIRS, 8], TRAP],
    ["ldTee", [MINE, 16], 203n],
    ["ldTee", [THEIRS, 16], TRAP],
    ["ldTee", [MINE, 60], TRAP],
    ["ld0", [MINE], 100n],
    ["ld0", [THEIRS], TRAP],
    ["ld56", [MINE], 107n],
    ["ld57", [MINE], TRAP],
    ["ld57", [BIG], 1n],
    ["ldMinus", [MINE], TRAP],
    ["ldHuge", [MINE], TRAP],
    ["ldRising", [MINE], TRAP],
    ["ldRising", [THEIRS], TRAP],
    ["st", [MINE, 0, 5n], undefined],
    ["st", [THEIRS, 0, 5n], TRAP],
    ["st", [MINE, 57, 5n], TRAP],
    ["stConst", [MINE, 5n], undefined],
    ["stConst", [THEIRS, 5n], TRAP],
    ["afterMove", [MINE], TRAP],
    ["afterMoveInCallee", [MINE], TRAP],
    ["afterMoveIndirect", [MINE], TRAP],
    ["afterMoveOfAlias", [MINE], TRAP],
    ["afterHarmless", [MINE], 101n],
    ["afterMoveInBlock", [MINE], TRAP],
    ["afterMoveInIf", [MINE, 0], 100n],
    ["afterMoveInIf", [MINE, 1], TRAP],
    ["afterMoveInElse", [MINE, 1], 100n],
    ["afterMoveInElse", [MINE, 0], TRAP],
    ["moveInLoop", [MINE, 1], 101n],
    ["moveInLoop", [MINE, 2], TRAP],
    ["moveInOuterLoop", [MINE, 1], 303n],
    ["moveInOuterLoop", [MINE, 2], TRAP],
    ["reassign", [MINE, THEIRS], TRAP],
    ["reassign", [MINE, BIG], 300n],
    ["reassign", [MINE, MINE], 100n],
    ["reassignTeeInBlock", [MINE, THEIRS], TRAP],
    ["reassignTeeInBlock", [MINE, BIG], 300n],
    ["loopAfterLoop", [MINE, THEIRS], TRAP],
    ["loopAfterLoop", [MINE, BIG], 301n],
    ["reassignTee", [MINE, THEIRS], TRAP],
    ["reassignTee", [MINE, BIG], 300n],
    ["reassignOnStack", [MINE, THEIRS], 100n],
    ["reassignOnStack", [MINE, BIG], 100n],
    ["staleOnStack", [MINE, THEIRS], TRAP],
    ["staleOnStack", [MINE, BIG], 300n],
    ["reassignInLoop", [MINE, THEIRS, 2], TRAP],
    ["reassignInLoop", [MINE, BIG, 2], 301n],
    ["reassignInLoop", [MINE, THEIRS, 1], 101n],
    ["reassignBranch", [MINE, THEIRS, 0], 100n],
    ["reassignBranch", [MINE, THEIRS, 1], TRAP],
    ["checkedOnOnePath", [MINE, 0], 100n],
    ["checkedOnOnePath", [THEIRS, 0], TRAP],
    ["checkedOnOnePath", [THEIRS, 1], TRAP],
    ["checkedOnBoth", [MINE, 1], 100n],
    ["checkedOnBoth", [MINE, 0], 101n],
    ["checkedOnBoth", [THEIRS, 0], TRAP],
    ["skipped", [MINE, 1], 100n],
    ["skipped", [THEIRS, 1], TRAP],
    ["skipped", [THEIRS, 0], TRAP],
    ["skippedByTable", [MINE, 0], 102n],
    ["skippedByTable", [MINE, 1], 102n],
    ["skippedByTable", [MINE, 2], 102n],
    ["skippedByTable", [THEIRS, 2], TRAP],
    ["skippedByTable", [THEIRS, 1], TRAP],
    ["deadCode", [MINE], 101n],
    ["deadCode", [THEIRS], TRAP],
    ["afterReturn", [MINE, 1], 100n],
    ["afterReturn", [THEIRS, 0], TRAP],
    ...["ldTwoWidths", "ldTwoWidthsInLoop"].flatMap((name): Case[] => [
      [name, [MINE, 8], 101n],
      [name, [MINE, 57], TRAP],
      [name, [MINE, -1], TRAP],
      [name, [THEIRS, 8], TRAP],
    ]),
    ["loopNotEntered", [THEIRS, 0], 0n],
    ["loopNotEntered", [-1, 0], 0n],
    ["loopNotEntered", [THEIRS, 1], TRAP],
    ["loopNotEntered", [-1, 1], TRAP],
    ["loopNotEntered", [MINE, 3], 101n],
    ["loopLateAccess", [THEIRS, 0], -5n],
    ["loopLateAccess", [-1, 0], -5n],
    ["loopLateAccess", [THEIRS, 1], TRAP],
    ["loopSum", [MINE, 56], 828n],
    ["loopSum", [MINE, 64], TRAP],
    ["loopSum", [THEIRS, 0], TRAP],
    ["loopSum", [0, 0], TRAP],
    ["loopParams", [MINE, 3], 403n],
    ["loopParams", [THEIRS, 1], TRAP],
    ["manyHandles", [MINE], TRAP],
    ["tailLoad", [MINE, 8], 101n],
    ["tailLoad", [THEIRS, 8], TRAP],
    ["tailLoad", [MINE, 57], TRAP],
    ["afterTail", [MINE, 1], 101n],
    ["afterTail", [THEIRS, 0], TRAP],
    ["pureCall", [MINE], 100n],
    ["lookAheadStops", [MINE, 1], 3n],
    ["lookAheadStops", [MINE, 0], TRAP],
    ["lookAheadOther", [MINE, BIG], 315n],
    ["lookAheadBuried", [MINE, 0], 101n],
  ];
  // big at 57 straddles two words: compare the exact bytes
  test.each(cases)("%s(%o) → %s", (name, args, want) => {
    const { x, world, view, ...objects } = setUp();
    const values = args.map((a) => (typeof a === "string" ? objects[a as "mine"] : a));
    let expected: unknown = want;
    if (name === "ld57" && want !== TRAP) {
      expected = new DataView(world.heap.buffer).getBigInt64(world.address(objects.big) + 57, true);
    }
    const before = world.words.slice();
    expect(outcome(() => x[name]!(...(values as number[])))).toBe(expected);
    if (want === undefined) expect(view[world.address(objects.mine) >> 3] === 5n || name === "stConst").toBe(true);
    if (name === "st" && want === TRAP) expect(world.words).toEqual(before);
  });

  test("a lent object is its lender's no longer, and the borrower's to read", () => {
    const { x, world, mine } = setUp();
    world.set(mine, OBJECT_TYPE, LENT);
    expect(x["ld"]!(mine, 0)).toBe(100n);
    world.give(mine, OTHER);
    expect(outcome(() => x["ld"]!(mine, 0))).toBe(TRAP);
  });

  test("size 0 and sizes below the width trap at every offset", () => {
    const { x, world } = setUp();
    for (const size of [0, 1, 7]) {
      const h = world.object(size);
      for (const offset of [0, 1, -1, -7, -8, 0x7ffffff8]) expect(outcome(() => x["ld"]!(h, offset))).toBe(TRAP);
      expect(outcome(() => x["loopSum"]!(h, 0))).toBe(TRAP);
    }
  });
});

describe("every access, every width", () => {
  const accesses = Object.entries(HEAP).filter(([, i]) => i.kind === "load" || i.kind === "store");
  const type = (t: number): string => ({ 0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64" })[t]!;
  const shape = (i: Intrinsic): string =>
    `(param ${i.params.map(type).join(" ")}) ${i.results.length > 0 ? `(result ${type(i.results[0]!)})` : ""}`;

  test.each(accesses)("%s ends exactly at the object's end", (name, intrinsic) => {
    const gets = intrinsic.params.map((_, i) => `(local.get ${i})`).join(" ");
    const text = `(module (import "heap" "${name}" (func $f ${shape(intrinsic)}))
      (func (export "f") ${shape(intrinsic)} (call $f ${gets})))`;
    const world = new World();
    const x = world.load(text).exports;
    const h = world.object(61);
    const width = (intrinsic as { width: number }).width;
    const value = intrinsic.kind === "store" ? [type(intrinsic.params[0]!) === "i64" ? -2n : -2] : [];
    const run = (handle: number, offset: number): unknown => outcome(() => x["f"]!(...value, handle, offset));
    const end = world.address(h) + 61;
    world.bytes.fill(0xee, end, end + 8);
    for (let offset = 0; offset + width <= 61; offset++) expect(run(h, offset)).not.toBe("trap");
    for (let offset = 61 - width + 1; offset < 70; offset++) expect(run(h, offset)).toBe("trap");
    expect(run(world.object(61, { owner: OTHER }), 0)).toBe("trap");
    if (intrinsic.kind === "store") {
      run(h, 61 - width);
      expect([...world.bytes.subarray(end - width, end)].some((b) => b !== 0)).toBe(true);
    }
    expect([...world.bytes.subarray(end, end + 8)]).toEqual(Array(8).fill(0xee));
  });

  test.each(Object.entries(RPC))("rpc.%s reaches its own word only", (name, intrinsic) => {
    const result = intrinsic.kind === "return-get";
    const t = type(intrinsic.type);
    const text = result
      ? `(module (import "rpc" "${name}" (func $f (result ${t}))) (func (export "f") (result ${t}) (call $f)))`
      : `(module (import "rpc" "${name}" (func $f (param ${t})))
          (func (export "f") (param ${t}) (call $f (local.get 0))))`;
    const world = new World();
    const x = world.load(text).exports;
    const view = new DataView(world.ledger.buffer);
    const at = MY_RECORD + DOMAIN_RETURN + intrinsic.index * 4;
    const put = (v: number): void => {
      if (t === "i32") view.setInt32(at, v, true);
      else if (t === "f32") view.setFloat32(at, v, true);
      else view.setFloat64(at, v, true);
    };
    if (result) {
      put(-1.5 * 2);
      expect(x["f"]!()).toBe(-3);
    } else {
      const before = world.words.slice();
      x["f"]!(-3);
      const after = world.words.slice();
      put(-3);
      expect(after).toEqual(world.words);
      expect(before).not.toEqual(after);
    }
  });
});

describe("removal of checks", () => {
  const GRANTS = policy({ "env.move": "i>", "env.pure": ">" });
  const count = (body: string, elide = true) =>
    new World().load(`(module ${PRELUDE} (func (export "f") ${body}))`, { elide }, {}, GRANTS).admitted.stats;
  test("a straight run has one owner check and one bounds check", () => {
    const run = [0, 8, 48, 16].map((k) => `(drop ${L(0, k)})`).join("");
    expect(count(`(param i32) ${run}`)).toMatchObject({ sites: 4, ownerChecks: 1, boundChecks: 1, elided: 3 });
    expect(count(`(param i32) ${run}`, false)).toMatchObject({ ownerChecks: 4, boundChecks: 4, elided: 0 });
  });
  test("a loop's handle is checked before the loop", () => {
    expect(count(FUNCTIONS["loopSum"]!)).toMatchObject({ sites: 1, ownerChecks: 1, elided: 1 });
  });
});

describe("capabilities", () => {
  const signature = { params: [0x7f, 0x7f], results: [0x7f] };
  const methods = new Map([[importKey("If$00", "m"), { signature, index: 3 }]]);
  const text = `(module (import "If$00" "m" (func $m (param i32 i32) (result i32)))
    (import "heap" "load_u8" (func $b (param i32 i32) (result i32)))
    (func (export "call") (param i32 i32) (result i32) (call $m (local.get 0) (local.get 1)))
    (func (export "tail") (param i32 i32) (result i32) (return_call $m (local.get 0) (local.get 1)))
    (func (export "kills") (param i32 i32) (result i32) (drop (call $b (local.get 0) (i32.const 0)))
      (drop (call $m (local.get 0) (local.get 1))) (call $b (local.get 0) (i32.const 0))))`;
  test("a method is an indirect call through the table, and may move objects", () => {
    const world = new World();
    const { exports: x, caps } = world.load(text, {}, {}, policy({}, { functions: grants({}), methods }));
    const h = world.object(8);
    caps.set(
      1 + 20 + 3,
      hostFunction((a) => a! * 2, "i", "i"),
    );
    caps.set(
      1 + 40 + 3,
      hostFunction((a) => (world.give(a!, OTHER), 0), "i", "i"),
    );
    caps.set(
      1 + 60 + 3,
      hostFunction(() => 0, "ii", "i"),
    );
    expect(x["call"]!(21, 1024 + 20)).toBe(42);
    expect(x["tail"]!(21, 1024 + 20)).toBe(42);
    expect(x["kills"]!(h, 1024 + 20)).toBe(0);
    expect(outcome(() => x["kills"]!(h, 1024 + 40))).toBe("trap");
    for (const cap of [0, 1023, 1020, 1024, 1024 + 60, 2047, 2048, -1]) {
      expect(outcome(() => x["call"]!(1, cap))).toBe("trap");
    }
    expect(world.ticks).toBe(0);
  });
});
