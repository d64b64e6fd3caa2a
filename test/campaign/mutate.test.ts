/** Mutants differ from their module in the one place that was asked for, and are modules still. */
import { expect, test } from "vitest";
import { assemble } from "../../bench/lib/wat.ts";
import { MUTATIONS, Mutator } from "../../tools/campaign/mutate.ts";
import { random } from "../../tools/campaign/random.ts";

/** Answers 1 for arguments below 100, else 0, after a loop that runs twice. */
const TEXT = `(module (func (export "below") (param i32) (result i32) (local $i i32)
  (loop $again
    (local.set $i (i32.add (local.get $i) (i32.const 1)))
    (br_if $again (i32.lt_s (local.get $i) (i32.const 2))))
  (if (result i32) (i32.lt_s (local.get 0) (i32.const 100)) (then (i32.const 1)) (else (i32.const 0))))
  (func (export "isZero") (param i32) (result i32) (i32.eqz (local.get 0))))`;

test("finds constants, branches and comparisons", async () => {
  const mutator = new Mutator(await assemble("mutate", TEXT));
  expect(mutator.counts).toEqual({ constant: 5, branch: 2, comparison: 3 });
});

test.each(MUTATIONS)("%s: each mutant is another module that V8 takes", async (mutation) => {
  const bytes = await assemble("mutate", TEXT);
  const mutator = new Mutator(bytes);
  const next = random(3);
  const seen = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const mutant = mutator.mutate(mutation, next);
    expect(mutant.bytes).not.toEqual(bytes);
    expect(WebAssembly.validate(mutant.bytes), mutant.what).toBe(true);
    seen.add(mutant.what);
  }
  expect(seen.size).toBeGreaterThan(4);
});

test("what is said of a mutant is what it does", async () => {
  const mutator = new Mutator(await assemble("mutate", TEXT));
  const next = random(5);
  for (let i = 0; i < 200; i++) {
    const { bytes, what } = mutator.mutate("comparison", next);
    if (!what.endsWith("i32.eqz left out")) continue;
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
    expect((exports["isZero"] as (n: number) => number)(7)).toBe(7);
    return;
  }
  throw new Error("no such mutant in 200");
});

test("a module without such an instruction is refused", async () => {
  const mutator = new Mutator(await assemble("empty", "(module (func))"));
  expect(() => mutator.mutate("branch", random(1))).toThrow("the module has no branch");
});
