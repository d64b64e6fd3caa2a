/**
 * Entry of the benchmarks: `samara bench NAME [options]`, or this file run directly.
 *
 * Invariant: with `--json` stdout holds exactly one JSON object; everything that is said on the way goes to stderr.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { createClock, type Clock } from "./lib/cycles.ts";
import { describeMachine } from "./lib/machine.ts";
import { parseOptions, UsageError, USAGE, type BenchOptions } from "./lib/options.ts";
import { formatReport, type CaseResult, type Report } from "./lib/report.ts";
import type { Sampled } from "./lib/sample.ts";

type Benchmark = (options: BenchOptions, clock: Clock) => Promise<{ cases: CaseResult[]; samples: Sampled[] }>;
/** Loaded when asked for: one benchmark needs nothing of the others. */
const BENCHMARK: Record<BenchOptions["benchmark"], () => Promise<Benchmark>> = {
  crossing: async () => (await import("./crossing/crossing.ts")).measureCrossing,
  heap: async () => (await import("./heap/heap.ts")).measureHeap,
  load: async () => (await import("./load/load.ts")).measureLoad,
  lifecycle: async () => (await import("./lifecycle/lifecycle.ts")).measureLifecycle,
  threads: async () => (await import("./threads/threads.ts")).measureThreads,
  recovery: async () => (await import("./recovery/recovery.ts")).measureRecovery,
  nvme: async () => (await import("./nvme/nvme.ts")).measureNvme,
  "null-block": async () => (await import("./null-block/null-block.ts")).measureNullBlock,
};

/** What V8 is told for `--tier baseline`: Liftoff for Wasm, Sparkplug for JavaScript, nothing above. */
const BASELINE_FLAGS = ["--liftoff-only", "--sparkplug", "--always-sparkplug", "--no-maglev", "--no-turbofan"];

/** V8 takes its tiers only at start: runs the same command again with the flags. */
function rerunInBaseline(argv: readonly string[]): number {
  const { status, error } = spawnSync(
    process.execPath,
    [...process.execArgv, ...BASELINE_FLAGS, fileURLToPath(import.meta.url), ...argv],
    { stdio: "inherit" },
  );
  if (error !== undefined) throw error;
  return status ?? 1;
}

/** Options that differ from the default: a figure without them would be read wrongly. */
function notable(options: BenchOptions): Record<string, unknown> {
  return {
    ...(options.ablate.size > 0 ? { ablate: [...options.ablate] } : {}),
    ...(options.tier === "top" ? {} : { tier: options.tier }),
    ...(options.cold ? { cold: true } : {}),
    ...(options.only === null ? {} : { only: options.only }),
  };
}

/** One line for each sample, so that any tool can read them without holding the file in memory. */
function writeSamples(file: string, samples: readonly Sampled[]): void {
  const lines = samples.flatMap(({ name, samples: list }) =>
    list.map((s, round) => JSON.stringify({ case: name, round, ...s })),
  );
  writeFileSync(file, `${lines.join("\n")}\n`);
}

/**
 * Runs one benchmark.
 * @param argv arguments without program names; see `USAGE`
 * @returns the exit code: 0, 1 when measuring failed, 2 when the command line is wrong
 */
export async function main(argv: string[]): Promise<number> {
  if (argv.includes("--help") || argv.includes("-h")) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  let options: BenchOptions;
  try {
    options = parseOptions(argv);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`bench: ${error.message}\n${USAGE}\n`);
    return 2;
  }
  if (options.tier === "baseline" && !process.execArgv.includes("--liftoff-only")) return rerunInBaseline(argv);
  const clock = await createClock();
  const machine = describeMachine(clock);
  try {
    const { cases, samples } = await (await BENCHMARK[options.benchmark]())(options, clock);
    const report: Report = { name: options.benchmark, machine, options: notable(options), cases };
    if (options.samplesFile !== null) writeSamples(options.samplesFile, samples);
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : formatReport(report));
    return 0;
  } catch (error) {
    process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await main(process.argv.slice(2));
