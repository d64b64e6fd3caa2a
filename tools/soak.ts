/**
 * `npm run soak [-- MODULES [SEED]] [--resume] [--workers N] [--state FILE]`: generates, admits and runs hostile
 * modules, by default ten million.
 *
 * Invariant: stops at the first module that breaks out, with the seed that makes it again, and exits 1. What is done
 * is in the state file; `--resume` goes on from there, also with more MODULES than before.
 */
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BUILD, ROOT } from "./lib/paths.ts";
import {
  addStep,
  extend,
  missingSteps,
  modulesDone,
  newState,
  readState,
  stepSeeds,
  writeState,
  type SoakState,
} from "./soak/state.ts";

const CHILD = join(ROOT, "test", "hostile", "generate-step.ts");

function fail(message: string, code: number): never {
  process.stderr.write(`soak: ${message}\n`);
  process.exit(code);
}

function number(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  return fail(`${name} must be a whole number, is "${text}"`, 2);
}

function options() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: { resume: { type: "boolean" }, workers: { type: "string" }, state: { type: "string" } },
    });
  } catch (error) {
    return fail((error as Error).message, 2);
  }
}

function load(file: string): SoakState | null {
  try {
    return readState(file);
  } catch (error) {
    return fail((error as Error).message, 2);
  }
}

/** The run that is to go on, or a new one. */
function begin(file: string, resume: boolean, modules: number | undefined, seed: number | undefined): SoakState {
  const before = load(file);
  if (!resume) {
    if (before !== null && modulesDone(before) < before.modules)
      fail(`${file} is of a run that is not over: go on with --resume, or remove it`, 2);
    return newState(seed ?? Math.floor(Date.now() / 1000), modules ?? 10_000_000);
  }
  if (before === null) return fail(`${file} is not there: nothing to go on with`, 2);
  if (seed !== undefined && seed !== before.seed) fail(`${file} is of seed ${before.seed}`, 2);
  extend(before, modules ?? 0);
  return before;
}

type Step = { calls: number; traps: number; cpuMs: number } | { failure: string };

function runStep(modules: number, seed: number): Promise<Step> {
  const args = [CHILD, `${modules}`, `${seed}`];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as Step);
      const how = error.signal == null ? `exit code ${error.code}` : `signal ${error.signal}`;
      const range = `seeds ${seed} … ${seed + modules - 1}`;
      resolve({ failure: `the process of ${range} ended with ${how}:\n${stderr.slice(-4000)}` });
    });
  });
}

const { values, positionals } = options();
const file = values.state ?? join(BUILD, "soak.json");
const [modules, seed] = [number(positionals[0], "MODULES"), number(positionals[1] ?? process.env.SAMARA_SEED, "SEED")];
const state = begin(file, values.resume === true, modules, seed);
const workers = Math.max(1, number(values.workers, "--workers") ?? availableParallelism());
process.stdout.write(
  `soak: ${state.modules} modules from seed ${state.seed}, ${modulesDone(state)} of them done; ${workers} workers\n`,
);
writeState(file, state);

const steps = missingSteps(state);
const started = performance.now();
let ran = 0;

async function work(): Promise<void> {
  for (const step of steps) {
    const { modules: count, seed: from } = stepSeeds(state, step);
    const answer = await runStep(count, from);
    if ("failure" in answer) fail(answer.failure, 1);
    addStep(state, step);
    state.calls += answer.calls;
    state.traps += answer.traps;
    state.cpuMs += answer.cpuMs;
    writeState(file, state);
    ran += count;
    const rate = Math.round((ran / (performance.now() - started)) * 1000);
    const each = (answer.cpuMs / count).toFixed(2);
    process.stdout.write(`${modulesDone(state)} modules, ${each} ms of CPU time each, ${rate}/s\n`);
  }
}

await Promise.all(Array.from({ length: workers }, work));
process.stdout.write(`soak: nothing broke out of ${modulesDone(state)} modules, ${state.calls} calls\n`);
