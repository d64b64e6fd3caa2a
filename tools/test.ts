/**
 * `npm test [-- vitest arguments]`: builds, runs every test, and ends with one line: `N passed, N failed, N skipped`.
 *
 * Invariants: the last line is always printed; a test file that does not load, an unhandled error and a crash of the
 * runner each count as a failure; under CI a skipped test fails unless `test/skips.ts` says why it may be skipped.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { BUILD, ROOT, shown } from "./lib/paths.ts";
import { buildAll } from "./build/all.ts";
import { buildNative, nativeMissing } from "./native/build.ts";

const REPORT = join(BUILD, "test-report.json");

/** What we use of vitest's JSON report. */
export interface VitestReport {
  readonly success: boolean;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message: string;
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[];
  }[];
}

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
  /** Failures that are no test's, one a line. */
  readonly notes: string[];
}

/**
 * Counts a report.
 * @param report null when the runner wrote none.
 * @param exitCode of the runner; null when a signal ended it.
 * @param reasons why a test may be skipped, by full name; null when skipping needs no reason.
 */
export function tally(
  report: VitestReport | null,
  exitCode: number | null,
  reasons: Readonly<Record<string, string>> | null,
): Tally {
  const sum: Tally = { passed: 0, failed: 0, skipped: 0, notes: [] };
  const fail = (note: string): void => {
    sum.failed++;
    sum.notes.push(note);
  };
  for (const file of report?.testResults ?? []) {
    let failedHere = 0;
    for (const { fullName, status } of file.assertionResults) {
      if (status === "passed") sum.passed++;
      else if (status === "failed") failedHere++;
      else {
        sum.skipped++;
        if (reasons !== null && !Object.hasOwn(reasons, fullName)) fail(`skipped without a reason: ${fullName}`);
      }
    }
    sum.failed += failedHere;
    if (file.status === "failed" && failedHere === 0) fail(`${shown(file.name)}: ${file.message || "did not load"}`);
  }
  if (report === null) fail(`vitest ended without a report (exit code ${exitCode ?? "none"})`);
  else if (sum.failed === 0 && (exitCode !== 0 || !report.success)) {
    fail(`vitest failed outside any test (exit code ${exitCode ?? "none"})`);
  } else if (sum.passed + sum.failed === 0) fail("no test ran");
  return sum;
}

async function allowedSkips(): Promise<Readonly<Record<string, string>>> {
  const file = join(ROOT, "test", "skips.ts");
  return ((await import(pathToFileURL(file).href)) as { SKIPS: Record<string, string> }).SKIPS;
}

function runVitest(args: readonly string[]): { report: VitestReport | null; exitCode: number | null } {
  mkdirSync(BUILD, { recursive: true });
  rmSync(REPORT, { force: true });
  const runner = join(ROOT, "node_modules", "vitest", "vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${REPORT}`];
  const run = spawnSync(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", runner, "run", ...reporters, ...args],
    {
      cwd: ROOT,
      stdio: "inherit",
    },
  );
  const report = existsSync(REPORT) ? (JSON.parse(readFileSync(REPORT, "utf8")) as VitestReport) : null;
  return { report, exitCode: run.status };
}

/** Builds and tests. @returns the exit code. */
export async function test(args: readonly string[]): Promise<number> {
  let result: Tally;
  try {
    const broken = await buildAll(null, (dir) => process.stdout.write(`building ${dir}\n`));
    // Before the tests that need it, so that none runs into its time limit.
    if (nativeMissing() === null) buildNative((line) => process.stdout.write(`${line}\n`));
    const { report, exitCode } = runVitest(args);
    result = tally(report, exitCode, process.env.CI ? await allowedSkips() : null);
    for (const message of broken) {
      result.failed++;
      result.notes.push(message);
    }
  } catch (error) {
    result = { passed: 0, failed: 1, skipped: 0, notes: [(error as Error).stack ?? String(error)] };
  }
  for (const note of result.notes) process.stdout.write(`${note}\n`);
  process.stdout.write(`${result.passed} passed, ${result.failed} failed, ${result.skipped} skipped\n`);
  return result.failed === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await test(process.argv.slice(2));
