/**
 * The suite finds bugs: each seeded one makes at least one test fail, and without it the same tests pass.
 *
 * Every mutant is run by a vitest of its own, which replaces the text while it loads the module (`plugin.ts`). Under
 * CI, or with `SAMARA_MUTANTS=all`, all are run; else a sample that depends on the code alone, so that it is the same
 * until the code changes. `SAMARA_MUTANTS=name,name` runs those.
 */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { VitestReport } from "../../tools/test.ts";
import { BUILD, ROOT } from "../../tools/lib/paths.ts";
import { mutate, type Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";
import { runVitest, type Outcome } from "./runner.ts";

type Mode = "on" | "off";
const SAMPLE = 6;
/** Tests that compare how many checks there are with and without removal, which a forced mode makes equal. */
const COUNTS_REMOVED = "removal of checks";

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const files = [...new Set(MUTANTS.map(({ file }) => file))].toSorted();

/** Which mutants this run is about. */
function selection(): { mutants: readonly Mutant[]; why: string } {
  const wanted = process.env["SAMARA_MUTANTS"] ?? (process.env["CI"] ? "all" : "");
  if (wanted === "all") return { mutants: MUTANTS, why: "all" };
  if (wanted !== "") {
    const names = wanted.split(",");
    const unknown = names.filter((n) => !MUTANTS.some(({ name }) => name === n));
    if (unknown.length > 0) throw new Error(`SAMARA_MUTANTS: there is no mutant ${unknown.join()}`);
    return { mutants: MUTANTS.filter(({ name }) => names.includes(name)), why: wanted };
  }
  const seed = createHash("sha256").update(files.map(read).join("\0")).digest("hex").slice(0, 8);
  const place = (m: Mutant): string =>
    createHash("sha256")
      .update(seed + m.name)
      .digest("hex");
  const sample = MUTANTS.toSorted((a, b) => (place(a) < place(b) ? -1 : 1)).slice(0, SAMPLE);
  return { mutants: sample, why: `sample ${seed}: ${sample.map(({ name }) => name).join(", ")}` };
}

const { mutants, why } = selection();
const modesOf = ({ modes }: Mutant): readonly Mode[] => (modes === "both" ? ["on", "off"] : ["on"]);
const runs = mutants.flatMap((mutant) => modesOf(mutant).map((mode) => ({ name: mutant.name, mode, mutant })));

let directory = "";
beforeAll(() => {
  process.stdout.write(`mutants: ${why}\n`);
  mkdirSync(BUILD, { recursive: true });
  directory = mkdtempSync(join(BUILD, "mutants-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** Runs test files in a vitest of its own, in which the mode is forced. */
function runKillers(killers: readonly string[], mode: Mode, mutant: Mutant | null): Promise<Outcome> {
  return runVitest(killers, {
    report: join(directory, `${mutant?.name ?? "none"}-${mode}.json`),
    pattern: `^(?!.*${COUNTS_REMOVED}).*${mutant?.only ?? ""}`,
    env: { SAMARA_ELIDE: mode, ...(mutant === null ? {} : { SAMARA_MUTANT: mutant.name }) },
  });
}

/** Names of the tests that failed. */
function failed(report: VitestReport): string[] {
  return report.testResults.flatMap((file) =>
    file.assertionResults.filter((t) => t.status === "failed").map((t) => t.fullName),
  );
}

describe("the table", () => {
  test("has at least 40 mutants, of loader, ledger, allocator and proxies", () => {
    expect(MUTANTS.length).toBeGreaterThanOrEqual(40);
    expect(new Set(MUTANTS.map(({ name }) => name)).size).toBe(MUTANTS.length);
    for (const part of ["kernel/wasm/", "shared-heap/ledger", "shared-heap/allocator", "kernel/proxy/"])
      expect(
        files.some((file) => file.startsWith(part)),
        part,
      ).toBe(true);
  });

  test.each(MUTANTS)("$name still has its place", (mutant) => {
    const source = read(mutant.file);
    expect(mutate(source, mutant)).not.toBe(source);
  });
});

describe("without a mutant", () => {
  test.each(["on", "off"] as const)("the killers pass, check removal %s", { timeout: 1_200_000 }, async (mode) => {
    const killers = [...new Set(runs.filter((run) => run.mode === mode).flatMap((run) => run.mutant.killers))];
    if (killers.length === 0) return;
    const { report, output } = await runKillers(killers, mode, null);
    expect(failed(report), output).toEqual([]);
    expect(report.success, output).toBe(true);
  });
});

describe("caught", () => {
  test.concurrent.each(runs)("$name, check removal $mode", { timeout: 1_200_000 }, async ({ mode, mutant }) => {
    const { report, output } = await runKillers(mutant.killers, mode, mutant);
    const by = failed(report);
    // A module that no longer loads would make everything fail and prove nothing.
    expect(by.length, `survives: ${mutant.why}\n${output}`).toBeGreaterThan(0);
    process.stdout.write(`${mutant.name}, check removal ${mode}: caught by "${by[0]}"\n`);
  });
});
