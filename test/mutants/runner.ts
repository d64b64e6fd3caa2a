/**
 * Runs test files in a vitest of their own: at most two at a time, each with a processor to itself.
 *
 * Invariant: no process that was started here outlives its run, also when a test spins for ever: each run is a process
 * group, and the group is killed.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../tools/lib/paths.ts";
import type { VitestReport } from "../../tools/test.ts";

const LANES = 2;
/** Far above what a run takes, also on a slow machine. */
const TIMEOUT_MS = 900_000;

export interface Outcome {
  readonly report: VitestReport;
  /** What vitest printed. */
  readonly output: string;
}

export interface RunOptions {
  /** Where vitest writes its report. */
  readonly report: string;
  /** Regular expression for the full names of the tests to run. */
  readonly pattern: string;
  readonly env: Readonly<Record<string, string>>;
}

let free = LANES;
const waiting: (() => void)[] = [];

/**
 * Runs test files until the first failure.
 * @param files paths from the root of the repository
 * @throws Error when there is no report: vitest did not start, or did not end in time
 */
export async function runVitest(files: readonly string[], options: RunOptions): Promise<Outcome> {
  if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
  else free--;
  try {
    const output = await start(files, options);
    return { report: JSON.parse(readFileSync(options.report, "utf8")) as VitestReport, output };
  } finally {
    const next = waiting.shift();
    if (next === undefined) free++;
    else next();
  }
}

/** Our own environment, without what vitest set for this process. */
function environment(more: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|SAMARA_|NODE_OPTIONS)/.test(name));
  return { ...Object.fromEntries(own), SAMARA_PROPERTY_OPS: "20000", SAMARA_HOSTILE_MODULES: "400", ...more };
}

/** @returns what it printed, once it has ended with a report */
function start(files: readonly string[], { report, pattern, env }: RunOptions): Promise<string> {
  const reporter = ["--reporter=json", `--outputFile.json=${report}`];
  const args = ["run", ...files, "--maxWorkers=1", "--bail=1", ...reporter, "--testNamePattern", pattern];
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs");
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", vitest, ...args], {
      cwd: ROOT,
      env: environment(env),
      stdio: ["ignore", "pipe", "pipe"],
      detached: true,
    });
    let output = "";
    let late = false;
    child.stdout.on("data", (data) => (output += data));
    child.stderr.on("data", (data) => (output += data));
    const timer = setTimeout(() => {
      late = true;
      killGroup(child);
    }, TIMEOUT_MS);
    const end = (): void => killGroup(child);
    process.once("exit", end);
    child.on("error", reject);
    child.on("close", () => {
      clearTimeout(timer);
      process.off("exit", end);
      if (late) reject(new Error(`vitest did not end within ${TIMEOUT_MS} ms:\n${output}`));
      else resolve(output);
    });
  });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // The group has ended by itself.
  }
}
