/**
 * `npm run soak [-- MODULES [SEED]]`: generates, admits and runs hostile modules, by default ten million.
 *
 * Invariant: stops at the first module that breaks out, with the seed that makes it again, and exits non-zero.
 */
import { availableParallelism } from "node:os";
import { runHostile } from "../test/hostile/generate.ts";

/** Modules between two lines of progress: about a minute's work. */
const STEP = 100_000;

function number(text: string | undefined, fallback: number, name: string): number {
  if (text === undefined) return fallback;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  process.stderr.write(`soak: ${name} must be a whole number, is "${text}"\n`);
  process.exit(2);
}

const modules = number(process.argv[2], 10_000_000, "MODULES");
const first = number(process.argv[3] ?? process.env.SAMARA_SEED, Math.floor(Date.now() / 1000), "SEED");
const started = performance.now();
process.stdout.write(`soak: ${modules} modules from seed ${first}\n`);
for (let done = 0; done < modules; done += STEP) {
  const count = Math.min(STEP, modules - done);
  const report = await runHostile({ modules: count, seed: first + done, threads: availableParallelism() });
  const rate = Math.round(((done + count) / (performance.now() - started)) * 1000);
  process.stdout.write(`${done + count} modules, ${report.traps} traps in the last ${count}, ${rate}/s\n`);
}
process.stdout.write("soak: nothing broke out\n");
