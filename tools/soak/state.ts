/**
 * What a soak run has done, in a file, so that it can go on after it was stopped.
 *
 * Modules are run in steps: step n has the seeds `seed + n * STEP …`. Invariant: the file is replaced as a whole, and
 * names a step as done only when all its modules ran and none broke out.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Modules of one step, at most. */
export const STEP = 10_000;

export interface SoakState {
  readonly seed: number;
  /** Modules in all. */
  modules: number;
  /** Steps that are done: `[first, last]` of each run of them, ascending. */
  done: [number, number][];
  calls: number;
  traps: number;
  /** CPU time of the steps that are done, in milliseconds. */
  cpuMs: number;
}

export function newState(seed: number, modules: number): SoakState {
  return { seed, modules, done: [], calls: 0, traps: 0, cpuMs: 0 };
}

/** Seeds of a step. */
export function stepSeeds({ seed, modules }: SoakState, step: number): { seed: number; modules: number } {
  return { seed: seed + step * STEP, modules: Math.min(STEP, modules - step * STEP) };
}

/** Steps that are not done, in order. */
export function* missingSteps(state: SoakState): Generator<number> {
  const done = [...state.done];
  const steps = Math.ceil(state.modules / STEP);
  for (let step = 0; step < steps; step++) {
    const range = done.find(([first, last]) => first <= step && step <= last);
    if (range === undefined) yield step;
    else step = range[1];
  }
}

/** Modules that are done. */
export function modulesDone(state: SoakState): number {
  let sum = 0;
  for (const [first, last] of state.done)
    for (let step = first; step <= last; step++) sum += Math.max(0, stepSeeds(state, step).modules);
  return sum;
}

export function addStep(state: SoakState, step: number): void {
  const ranges = [...state.done, [step, step] as [number, number]].toSorted((a, b) => a[0] - b[0]);
  state.done = [];
  for (const [first, last] of ranges) {
    const before = state.done.at(-1);
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last);
    else state.done.push([first, last]);
  }
}

/** Makes the run longer. Its last step, if that was a short one, has to be done again as a whole. */
export function extend(state: SoakState, modules: number): void {
  if (modules <= state.modules) return;
  const short = state.modules % STEP === 0 ? -1 : Math.floor(state.modules / STEP);
  const last = state.done.at(-1);
  if (last?.[1] === short && --last[1] < last[0]) state.done.pop();
  state.modules = modules;
}

/** @throws Error, which names the file and what is wrong with it */
export function readState(file: string): SoakState | null {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw new Error(`${file}: ${(error as Error).message}`, { cause: error });
  }
  const state = parse(text);
  if (state === null) throw new Error(`${file}: is no state of a soak run; remove it to begin a new one`);
  return state;
}

function parse(text: string): SoakState | null {
  let value: Record<string, unknown>;
  try {
    value = Object(JSON.parse(text)) as Record<string, unknown>;
  } catch {
    return null;
  }
  const isCount = (n: unknown): n is number => Number.isSafeInteger(n) && (n as number) >= 0;
  const { seed, modules, done, calls, traps, cpuMs } = value;
  if (!isCount(seed) || !isCount(modules) || !isCount(calls) || !isCount(traps) || typeof cpuMs !== "number")
    return null;
  const isRange = (range: unknown): range is [number, number] =>
    Array.isArray(range) && range.length === 2 && range.every(isCount) && range[0]! <= range[1]!;
  if (!Array.isArray(done) || !done.every(isRange)) return null;
  return { seed, modules, done, calls, traps, cpuMs };
}

export function writeState(file: string, state: SoakState): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(state)}\n`);
  renameSync(`${file}.new`, file);
}
