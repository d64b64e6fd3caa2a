/**
 * The core's clock, from the one thing that takes a known number of cycles: a chain of dependent additions.
 *
 * Hardware counters are often not available (virtual machines, containers), and the time-stamp counter runs at a fixed
 * rate that is not the core's. Invariant: what we print as cycles is nanoseconds times the additions per nanosecond
 * measured beside the same sample; ticks of the time-stamp counter are never called cycles.
 */
import { assemble } from "./wat.ts";

/** Additions in one turn of the chain's loop. */
export const CHAIN_LENGTH = 256;

/**
 * Text of a module with `chain(turns) → i64`. Each addition needs the result of the one before it, register to
 * register (newer cores do additions of constants for nothing), and no law of arithmetic shortens `x += y; y += x`.
 * The loop counter is off the critical path.
 */
export function chainText(): string {
  const step = (to: string, by: string): string => `(local.set $${to} (i64.add (local.get $${to}) (local.get $${by})))`;
  const pairs = Array.from({ length: CHAIN_LENGTH / 2 }, () => `      ${step("x", "y")} ${step("y", "x")}`);
  return [
    "(module",
    '  (func (export "chain") (param $turns i32) (result i64)',
    "    (local $x i64) (local $y i64)",
    "    (local.set $y (i64.const 1))",
    "    (loop $again",
    ...pairs,
    "      (br_if $again (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))",
    "    (local.get $y)))",
  ].join("\n");
}

/** Tells the core's clock at this moment. */
export interface Clock {
  /** Cycles per nanosecond: about 20 µs of work. Anything that disturbs it makes the answer smaller, never larger. */
  cyclesPerNs(): number;
}

const TURNS = 256;

/** Builds the chain and runs it until V8 has optimised it. */
export async function createClock(): Promise<Clock> {
  const { instance } = await WebAssembly.instantiate(await assemble("chain.wat", chainText()));
  const chain = instance.exports.chain as (turns: number) => bigint;
  const measure = (): number => {
    const start = performance.now();
    chain(TURNS);
    return (TURNS * CHAIN_LENGTH) / ((performance.now() - start) * 1e6);
  };
  for (let i = 0; i < 200; i++) measure();
  return { cyclesPerNs: measure };
}
