/**
 * The crossing benchmark: what a call from one domain into another costs, beside other ways to isolate.
 *
 * Invariant: all mechanisms are measured in one run, interleaved; each file in `mechanisms/` is one, and there is no
 * other list of them.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { BENCH } from "../lib/paths.ts";
import { caseResult, unavailable, type CaseResult } from "../lib/report.ts";
import { coldSubject, loopSubject, sampleAll, type Sampled, type Subject } from "../lib/sample.ts";
import type { MeasureContext, Mechanism } from "./mechanism.ts";

interface Registered {
  readonly subject: Subject;
  readonly note: string | undefined;
  readonly checks: string;
}

/** Loads every mechanism, in table order. Throws when a file does not export one. */
export async function loadMechanisms(): Promise<Mechanism[]> {
  const folder = join(BENCH, "crossing", "mechanisms");
  const files = readdirSync(folder).filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  const mechanisms = await Promise.all(
    files.map(async (file) => {
      const { mechanism } = (await import(pathToFileURL(join(folder, file)).href)) as { mechanism?: Mechanism };
      if (mechanism === undefined) throw new Error(`bench/crossing/mechanisms/${file} does not export \`mechanism\``);
      return mechanism;
    }),
  );
  return mechanisms.toSorted((a, b) => a.order - b.order || (a.name < b.name ? -1 : 1));
}

/** Collects rows in the order in which they were registered, whatever way they are filled. */
class Collector {
  readonly rows: (CaseResult | Registered)[] = [];
  readonly #options: BenchOptions;
  readonly #clock: Clock;

  constructor(options: BenchOptions, clock: Clock) {
    this.#options = options;
    this.#clock = clock;
  }

  wants(name: string): boolean {
    return this.#options.only === null || this.#options.only.some((part) => name.includes(part));
  }

  missing(name: string, reason: string, checks: string): void {
    if (this.wants(name)) this.rows.push(unavailable(name, reason, checks));
  }

  context(mechanism: Mechanism): MeasureContext {
    const { cold } = this.#options;
    const checks = mechanism.checks;
    const add = (subject: Subject, extra: { note?: string; checks?: string }): void => {
      if (this.wants(subject.name)) this.rows.push({ subject, note: extra.note, checks: extra.checks ?? checks });
    };
    return {
      options: this.#options,
      clock: this.#clock,
      wants: (name) => this.wants(name),
      loop: (name, run, extra = {}) => {
        if (!cold) add(loopSubject(name, run, this.#clock, extra), extra);
        else if (extra.cold === undefined) this.missing(name, "it has no cold variant", checks);
        else add(coldSubject(name, extra.cold, this.#clock), extra);
      },
      subject: (subject, extra = {}) => {
        if (!cold) return add(subject, extra);
        void subject.close?.();
        this.missing(subject.name, "it has no cold variant", checks);
      },
      constant: (name, low, high, source, its = checks) => {
        const value = (low + high) / 2;
        const note = `constant: ${source}`;
        if (this.wants(name))
          this.rows.push({ case: name, unit: "cycles", value, low, high, samples: 0, checks: its, note });
      },
      missing: (name, reason) => this.missing(name, reason, checks),
    };
  }
}

async function collect(collector: Collector, mechanism: Mechanism, options: BenchOptions): Promise<void> {
  if (!mechanism.cases.some((name) => collector.wants(name))) return;
  let reason = await mechanism.available(options);
  const before = collector.rows.length;
  if (reason === null) {
    try {
      await mechanism.measure(collector.context(mechanism));
      return;
    } catch (error) {
      reason = `it failed: ${error instanceof Error ? error.message : String(error)}`;
      collector.rows.length = before;
    }
  }
  for (const name of mechanism.cases) collector.missing(name, reason, mechanism.checks);
}

/** Runs the benchmark. Returns the rows, and the raw samples by case. */
export async function measureCrossing(
  options: BenchOptions,
  clock: Clock,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const collector = new Collector(options, clock);
  for (const mechanism of await loadMechanisms()) await collect(collector, mechanism, options);
  const subjects = collector.rows.flatMap((row) => ("subject" in row ? [row.subject] : []));
  const samples = await sampleAll(subjects, options.rounds);
  const results = samples.values();
  const cases = collector.rows.map((row) => {
    if (!("subject" in row)) return row;
    const { note, checks } = row;
    return caseResult(results.next().value!, note === undefined ? { checks } : { checks, note });
  });
  return { cases, samples };
}
