/**
 * Short loops: they tick within a bounded number of turns whatever their branches do, every branch still leads where
 * the source says, and what could take long is no short loop.
 */
import { describe, expect, test } from "vitest";
import { outcome, wat, World, type Call } from "../../test/wasm/harness.ts";
import { LOOP_WORK, MAX_SHORT_LOOP } from "./limits.ts";

const IMPORTS = `(import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "heap" "peek_i32" (func $peek (param i32 i32 i32) (result i32)))
  (memory 1)
  (data $d "some data") (table $t 4 funcref) (elem $e func $leaf)
  (func $leaf (result i32) (i32.const 1))`;
const module = (text: string): string => `(module ${IMPORTS} ${text})`;
/** Counts a turn at address 0. */
const TURN = "(i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))";
/** Goes on with the loop at `label` until local 0 has reached 0. */
const again = (label: string): string => `(br_if ${label} (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))`;

class Stop extends Error {}

/** Runs `f(...args)` with the epoch set, and returns the turns that there were before each tick. */
function turnsAtTicks(text: string, args: readonly number[], limit = 1_000_000) {
  const world = new World();
  const { exports, memory } = world.load(module(text));
  const turn = (): number => new Int32Array(memory.buffer)[0]!; // memory.grow takes the buffer away
  world.epoch = 1;
  const turns: number[] = [];
  world.onTick = () => {
    turns.push(turn());
    if (turns.length === limit) throw new Stop();
  };
  let ended = true;
  try {
    exports["f"]!(...args);
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    ended = false;
  }
  return { turns, total: turn(), ended };
}

const largest = ({ turns, total }: { turns: readonly number[]; total: number }): number =>
  [...turns, total].reduce((most, t, i) => Math.max(most, t - (turns[i - 1] ?? 0)), 0);

describe("work between two ticks", () => {
  const shapes: Readonly<Record<string, string>> = {
    "one back edge": `(loop $l ${TURN} ${again("$l")})`,
    "back edge first": `(loop $l (block $b (br_if $b (i32.eqz (local.get 0)))
      ${TURN} (local.set 0 (i32.sub (local.get 0) (i32.const 1))) (br $l)))`,
    "back edges out of nested blocks": `(loop $l ${TURN} (block (block (if (i32.and (local.get 0) (i32.const 1))
      (then ${again("$l")}) (else ${again("$l")})))))`,
    "back edge by a table": `(loop $l ${TURN} (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (block $out (br_table $out $l (local.get 0))))`,
    "a storm of tables": `(loop $l (block $a (block $b (block $c (block $d
      (br_table $a $b $c $d $a $b $c $d $l (i32.rem_u (local.get 0) (i32.const 8)))) ${TURN}) ${TURN}) ${TURN}) ${TURN}
      ${again("$l")})`,
    "parameters and results": `(local.get 0) (loop $l (param i32) (result i32) ${TURN}
      (local.set 0 (i32.sub (i32.const 1))) (local.get 0) (br_if $l (local.get 0))) (drop)`,
    "inside a loop that turns all the time": `(loop $o (local.set 1 (i32.const 5))
      (loop $l ${TURN} (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))) ${again("$o")})`,
    "one after another": `(loop $o (loop ${TURN}) (loop ${TURN}) (loop ${TURN}) ${again("$o")})`,
    "left and entered again": `(loop $o (block $out (loop $l ${TURN} (br_if $out (i32.const 1)) (br $l))) ${again("$o")})`,
    "with checked accesses": `(loop $l ${TURN} (if (i32.const 0) (then (drop (call $load (local.get 0) (local.get 1)))))
      ${again("$l")})`,
    "an exit through the head of a loop around it": `(loop $o (loop $l ${TURN} (br_if $o (i32.and
      (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (br_if $l (local.get 0))))`,
  };
  test.each(Object.entries(shapes))("is bounded: %s", (_, body) => {
    const run = turnsAtTicks(`(func (export "f") (param i32) (local i32) ${body})`, [100_000]);
    expect(run.total).toBeGreaterThanOrEqual(50_000);
    expect(run.ended).toBe(true);
    expect(largest(run)).toBeLessThanOrEqual(LOOP_WORK / 4);
  });

  test.each(Object.entries(shapes).filter(([name]) => /edge|parameters|checked/.test(name)))(
    "is spread over many turns: %s",
    (_, body) => {
      const { turns } = turnsAtTicks(`(func (export "f") (param i32) (local i32) ${body})`, [1000]);
      expect(turns.length).toBe(1);
    },
  );

  test("is the same in bytes whatever the body's length", () => {
    for (const repeats of [1, 5, 20, 50]) {
      const body = TURN.repeat(repeats);
      const run = turnsAtTicks(`(func (export "f") (param i32) (loop $l ${body} ${again("$l")}))`, [100_000]);
      const bytes = wat(module(`(func ${body})`)).length - wat(module("(func)")).length;
      expect((largest(run) / repeats) * bytes).toBeLessThanOrEqual(LOOP_WORK);
    }
  });

  test("without an epoch nothing is called", () => {
    const world = new World();
    const { exports, words } = world.load(module(`(func (export "f") (param i32) (loop $l ${TURN} ${again("$l")}))`));
    exports["f"]!(100_000);
    expect([words[0], world.ticks]).toEqual([100_000, 0]);
  });

  test("a domain cannot reach the counter: it is behind its own locals", () => {
    const text = module(`(func (export "f") (param i32)
      (loop $l (local.set 1 (i32.const 1000)) ${again("$l")}))`);
    expect(() => new World().load(text)).toThrow();
  });
});

describe("a loop that could take long ticks at every turn", () => {
  const bodies: Readonly<Record<string, string>> = {
    "a call": "(drop (call $leaf))",
    "an indirect call": "(drop (call_indirect $t (result i32) (i32.const 0)))",
    "a call that is a tail call": "(if (i32.const 0) (then (return_call $none)))",
    "a helper": "(if (i32.const 0) (then (drop (call $peek (i32.const 0) (i32.const 0) (i32.const 0)))))",
    "memory.grow": "(drop (memory.grow (i32.const 0)))",
    "memory.fill": "(memory.fill (i32.const 100) (i32.const 0) (i32.const 4000))",
    "memory.copy": "(memory.copy (i32.const 100) (i32.const 200) (i32.const 4000))",
    "memory.init": "(memory.init $d (i32.const 100) (i32.const 0) (i32.const 9))",
    "table.copy": "(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const 2))",
    "table.fill": "(table.fill $t (i32.const 0) (ref.null func) (i32.const 2))",
    "table.init": "(table.init $t $e (i32.const 1) (i32.const 0) (i32.const 1))",
    "much code": "(local.set 1 (i32.const 1))".repeat(MAX_SHORT_LOOP / 4),
    "a loop": "(loop $inner)",
  };
  test.each(Object.entries(bodies))("%s", (_, body) => {
    const text = `(func $none) (func (export "f") (param i32) (local i32)
      (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) (loop $l ${TURN} ${body} ${again("$l")}))`;
    const { turns } = turnsAtTicks(text, [50]);
    expect([...new Set(turns)].slice(0, 50)).toEqual([...Array(50).keys()]);
  });
});

describe("branches lead where the source says", () => {
  /** Leaves a short loop in every way there is; what comes after it says which way was taken. */
  const mark = (n: number): string => `(local.set 3 (i32.add (i32.mul (local.get 3) (i32.const 7)) (i32.const ${n})))`;
  const body = (
    branch: string,
  ): string => `(func (export "f") (param i32 i32) (result i32) (local $turn i32) (local i32)
    (loop $outer (result i32)
      (block $far (result i32)
        (block $near
          (block $beside (result i32)
            (loop $l (result i32)
              ${mark(1)}
              (local.set $turn (i32.add (local.get $turn) (i32.const 1)))
              (block $in
                (if (i32.lt_u (local.get $turn) (local.get 0)) (then (br $l)))
                (if (i32.eq (local.get $turn) (i32.add (local.get 0) (i32.const 2))) (then (return (i32.const -1))))
                (block $deep ${branch} ${mark(2)})
                ${mark(3)})
              ${mark(4)}
              (if (i32.lt_u (local.get $turn) (i32.add (local.get 0) (i32.const 1))) (then (br $l)))
              (i32.const 77)))
          (drop) ${mark(5)} (br $far (i32.const 5)))
        ${mark(6)} (i32.const 6))
      (drop) ${mark(8)}
      (if (i32.lt_u (local.get $turn) (i32.add (local.get 0) (i32.const 1))) (then (br $outer)))
      (local.get 3)))`;
  const when = "(i32.eq (local.get $turn) (local.get 0))";
  const branches: Readonly<Record<string, string>> = {
    "br to each label": `(block $5 (block $4 (block $3 (block $2 (block $1 (block $0
        (br_table $0 $1 $2 $3 $4 $5 (local.get 1)))
      (br $deep)) (br $in)) (br $l)) (br $beside (i32.const 9))) (br $near)) (br $far (i32.const 9))`,
    "br_if to each label": `(if ${when} (then
      (br_if $deep (i32.eq (local.get 1) (i32.const 0))) (br_if $in (i32.eq (local.get 1) (i32.const 1)))
      (br_if $l (i32.eq (local.get 1) (i32.const 2)))
      (drop (br_if $beside (i32.const 9) (i32.eq (local.get 1) (i32.const 3))))
      (br_if $near (i32.eq (local.get 1) (i32.const 4)))
      (drop (br_if $far (i32.const 9) (i32.eq (local.get 1) (i32.const 5))))
      (br_if $outer (i32.eq (local.get 1) (i32.const 6)))))`,
    "br_table without values": `(br_table $deep $in $l $near $outer $near $deep $outer (local.get 1))`,
    "br_table with a value": `(if (i32.gt_u (local.get 1) (i32.const 2)) (then
      (br_table $beside $far $beside $far (i32.const 9) (i32.sub (local.get 1) (i32.const 4)))))`,
    return: `(if (i32.and ${when} (i32.eq (local.get 1) (i32.const 3))) (then (return (local.get 3))))`,
    unreachable: `(if (i32.and ${when} (i32.eq (local.get 1) (i32.const 3))) (then (unreachable)))`,
  };
  test.each(Object.entries(branches))("%s", (_, branch) => {
    const load = (tick: boolean): Call => {
      const world = new World();
      world.epoch = 1;
      world.onTick = () => {
        if (world.ticks > 100_000) throw new Stop();
      };
      return world.load(module(body(branch)), { tick }).exports["f"]!;
    };
    const [want, is] = [load(false), load(true)];
    const results = new Set<unknown>();
    for (const turns of [1, 2, 700, 1500]) {
      for (let way = 0; way < 9; way++) {
        const expected = outcome(() => want(turns, way));
        results.add(expected);
        expect([turns, way, outcome(() => is(turns, way))]).toEqual([turns, way, expected]);
      }
    }
    expect(results.size).toBeGreaterThan(4);
  });
});
