/**
 * A case of the NVMe benchmark: what is run, and how its time is split at the doorbell.
 *
 * Invariant: cycles are of our side alone: what accesses to the device take, and looking at the clock around them, is
 * not in them.
 */
import type { Clock } from "../lib/cycles.ts";
import { type QueueCase } from "../lib/queue-load.ts";
import type { CaseResult } from "../lib/report.ts";
import { loopSubject, type Sample, type Sampled, type Subject } from "../lib/sample.ts";
import { summarize } from "../lib/stats.ts";
import type { NvmeSystem } from "./system.ts";

const DEPTHS = [1, 4, 32, 128];
export const OPERATIONS = ["read", "write"] as const;
const PATTERNS = ["rand", "seq"] as const;
/**
 * Bytes of heap and ledger that our side touches for each request: command in the batch and in the ring (64 each),
 * completion in the ring and in the batch (16 each), the request's own fields (24) and first word (8), its record in
 * the ledger (32), a slot in each of two deques (4 each).
 */
const TOUCHED = 2 * 64 + 2 * 16 + 24 + 8 + 32 + 2 * 4;
/** A sample with what was seen of the device beside it; `ns` is our side's. */
interface SplitSample extends Sample {
  readonly totalNs: number;
  readonly modelNs: number;
  readonly mmioReads: number;
  readonly mmioWrites: number;
  readonly acquireLoads: number;
}

export const figure = (value: number): number => Number(value.toPrecision(5));
const median = (values: readonly number[]): number => summarize([...values]).median;

/** The combinations: every depth with the largest batch, and depth 32 with one request at a time. */
export function shapes(): QueueCase[] {
  return OPERATIONS.flatMap((operation) =>
    PATTERNS.flatMap((pattern) =>
      [...DEPTHS.map((depth) => ({ depth, batch: Math.min(depth, 32) })), { depth: 32, batch: 1 }].map((shape) => ({
        operation,
        pattern,
        ...shape,
      })),
    ),
  );
}

/** @param outside ms that looking at the clock costs our side for each access */
export function splitSubject(
  name: string,
  system: NvmeSystem,
  c: QueueCase,
  clock: Clock | null,
  outside: number,
): Subject {
  const { meter, load } = system;
  let count = 1;
  const run = (n: number): void => {
    count = n;
    meter.clear();
    load.run(c, n);
  };
  const inner = loopSubject(name, run, clock);
  return {
    name,
    warm: inner.warm,
    sample(): SplitSample {
      const { ns: totalNs, cyclesPerNs } = inner.sample() as Sample;
      const accesses = meter.reads + meter.writes;
      const modelNs = (meter.ms * 1e6) / count;
      const clockNs = (accesses * outside * 1e6) / count;
      return {
        ns: totalNs - modelNs - clockNs,
        cyclesPerNs,
        totalNs: totalNs - clockNs,
        modelNs,
        mmioReads: meter.reads / count,
        mmioWrites: meter.writes / count,
        // One for each phase tag that was new, and one that ended each look which found something.
        acquireLoads: 1 + meter.completionDoorbells / count,
      };
    },
  };
}

export function cyclesOf(samples: readonly Sample[], ns: (sample: Sample) => number): { cycles?: number } {
  const all = samples.flatMap((s) => (s.cyclesPerNs === null ? [] : [ns(s) * s.cyclesPerNs]));
  return all.length === samples.length ? { cycles: figure(median(all)) } : {};
}

/** How much more a request costs behind the shadow. */
function shadowNote(name: string, ours: number, all: readonly Sampled[]): string {
  const beside = all.find((s) => s.name === name.replace(/-shadow$/, "-domain"));
  if (!name.endsWith("-shadow") || beside === undefined) return "";
  const base = median((beside.samples as SplitSample[]).map((s) => s.totalNs));
  return `; ${((ours / base - 1) * 100).toFixed(1)} % over ${beside.name}`;
}

export function splitRows(sampled: Sampled, all: readonly Sampled[], checks: string, what: string): CaseResult[] {
  const samples = sampled.samples as SplitSample[];
  const of = (pick: (s: SplitSample) => number): number => median(samples.map(pick));
  const iops = summarize(samples.map((s) => 1e9 / s.totalNs));
  const total = of((s) => s.totalNs);
  const model = of((s) => s.modelNs);
  const note =
    `${what}; cycles are of our side of the doorbell; ${figure(total)} ns in all, the model's are ${figure(model)}` +
    `; a request: ${figure(of((s) => s.mmioReads))} register reads, ${figure(of((s) => s.mmioWrites))} writes, ` +
    `${figure(of((s) => s.acquireLoads))} acquire loads, no other barrier, ${TOUCHED} bytes touched beside the data` +
    shadowNote(sampled.name, total, all);
  const row: CaseResult = {
    case: sampled.name,
    unit: "IOPS",
    value: Math.round(iops.median),
    low: Math.round(iops.low),
    high: Math.round(iops.high),
    ...cyclesOf(samples, (s) => s.ns),
    samples: iops.samples,
    checks,
    note,
  };
  return sampled.name.endsWith("-domain") ? [row, modelRow(sampled, samples)] : [row];
}

/** The model's own cost, as it was within the case of the driver's domain. */
function modelRow(sampled: Sampled, samples: readonly SplitSample[]): CaseResult {
  const { median: value, low, high, samples: count } = summarize(samples.map((s) => s.modelNs));
  return {
    case: sampled.name.replace(/-domain$/, "-model"),
    unit: "ns",
    value: figure(value),
    low: figure(low),
    high: figure(high),
    ...cyclesOf(samples, (s) => (s as SplitSample).modelNs),
    samples: count,
    note: "the model alone, within the -domain case: fetch, 4 KiB between shared memory and its own, completion",
  };
}
