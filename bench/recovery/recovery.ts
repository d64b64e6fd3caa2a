/**
 * The recovery benchmark: random reads, then writes, through a shadow, while the driver behind it crashes.
 *
 * A crash is a trap in the driver's own code in the middle of a request, at one of its fault points. Invariants: the
 * cases of one operation take turns in slices of some milliseconds, so that a drift of the machine hits all alike; a
 * case's clock runs in its own slices only, and by this clock its crashes come; no request of the client's may fail.
 */
import { writeFileSync } from "node:fs";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import type { BlockOperation } from "../../build/gen/host/block-device.ts";
import type { BlockLoadClient } from "../../build/gen/host/block-load.ts";
import type { FaultInjectionClient } from "../../build/gen/host/fault-injection.ts";
import { DOMAIN_ROOTS } from "#tools/lib/paths.ts";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { plotSvg } from "../lib/plot.ts";
import type { CaseResult } from "../lib/report.ts";
import type { Sampled } from "../lib/sample.ts";
import { quantile, summarize } from "../lib/stats.ts";
import { recoverySystem } from "./system.ts";

const BLOCKS = 65_536;
const BLOCK = 4096;
const SLICE_MS = 20;
/** Requests between two looks at the clock. */
const BATCH = 64;
const WARM_MS = 1000;
const WARM_CRASHES = 100;
/** Fault points of one request: on entry, between the halves of the copy, after it. */
const POINTS = 3;
/** In the order of `BlockOperation`. */
const OPERATIONS = ["read", "write"] as const;
/** Time between crashes, ms. */
const PERIODS = { base: Infinity, "1s": 1000, "100ms": 100 } as const;
type Period = keyof typeof PERIODS;
const CHECKS =
  "4 KiB random requests, one after the other, each through two proxies to the driver and one more to the medium. " +
  "The shadow copies what is written.";

interface Slice {
  readonly ms: number;
  readonly requests: number;
  /** When it began, and where in it a crash came, ms of the case's own time. */
  readonly at: number;
  readonly crashes: readonly number[];
}

class Case {
  readonly name: string;
  readonly period: Period;
  readonly operation: number;
  readonly slices: Slice[] = [];
  readonly pauses: number[] = [];
  ms = 0;
  #due: number;
  readonly #bench: Bench;

  constructor(bench: Bench, operation: number, period: Period) {
    this.#bench = bench;
    this.operation = operation;
    this.period = period;
    this.name = `${OPERATIONS[operation]}-${period}`;
    // The first one comes in the middle of a period.
    this.#due = PERIODS[period] / 2;
  }

  slice(): void {
    const begin = performance.now();
    const crashes: number[] = [];
    let requests = 0;
    let now = begin;
    for (; now - begin < SLICE_MS; now = performance.now()) {
      if (this.ms + now - begin >= this.#due) {
        crashes.push(this.ms + now - begin);
        this.pauses.push(this.#bench.crash(this.operation));
        this.#due += PERIODS[this.period];
        requests++;
      }
      this.#bench.run(this.operation, BATCH);
      requests += BATCH;
    }
    this.slices.push({ ms: now - begin, requests, at: this.ms, crashes });
    this.ms += now - begin;
  }

  get requests(): number {
    return this.slices.reduce((sum, s) => sum + s.requests, 0);
  }

  /** Of the whole run, MB/s. */
  get throughput(): number {
    return megabytes(this.requests, this.ms);
  }

  /** Throughput of each second: each has its part of the crashes in it. */
  seconds(): number[] {
    const found: number[] = [];
    let ms = 0;
    let requests = 0;
    for (const slice of this.slices) {
      ms += slice.ms;
      requests += slice.requests;
      if (ms < 1000) continue;
      found.push(megabytes(requests, ms));
      ms = requests = 0;
    }
    return found.length === 0 ? [this.throughput] : found;
  }
}

/** The running system, and what is done to it. */
class Bench {
  readonly system: System;
  readonly #load: BlockLoadClient;
  readonly #faults: FaultInjectionClient;
  #crashes = 0;

  constructor(system: System) {
    this.system = system;
    this.#load = system.client<BlockLoadClient>("load.load");
    this.#faults = system.client<FaultInjectionClient>("ramdisk.faults");
  }

  run(operation: number, count: number): void {
    const answer = this.#load.run(operation as BlockOperation, count);
    if (!answer.ok) throw new Error(`a client of the shadow saw ${JSON.stringify(answer)}`);
  }

  /** Makes one request that meets a crash. @returns how long it took, ms */
  crash(operation: number): number {
    if (!this.#faults.arm(1 + (this.#crashes++ % POINTS)).ok) throw new Error("the driver cannot be armed");
    const ramdisk = this.system.kernel.domain("ramdisk");
    const life = ramdisk.incarnation;
    const begin = performance.now();
    this.run(operation, 1);
    const ms = performance.now() - begin;
    if (ramdisk.incarnation !== life + 1) throw new Error("the driver did not crash once in this request");
    return ms;
  }

  warm(): void {
    for (const operation of OPERATIONS.keys()) {
      const end = performance.now() + WARM_MS;
      while (performance.now() < end) this.run(operation, BATCH);
      for (let i = 0; i < WARM_CRASHES; i++) this.crash(operation);
    }
  }
}

function megabytes(requests: number, ms: number): number {
  return (requests * BLOCK) / 1000 / ms;
}

const figure = (value: number): number => Number(value.toPrecision(5));
const percent = (part: number): string => `${(part * 100).toFixed(part < 0.001 ? 4 : 2)} %`;

function throughputRow(c: Case, cases: readonly Case[], objects: number): CaseResult {
  const { median, low, high, samples } = summarize(c.seconds());
  const base = cases.find((other) => other.operation === c.operation && other.period === "base");
  const crashes = c.pauses.length;
  const paused = c.pauses.reduce((sum, ms) => sum + ms, 0) / c.ms;
  const loss = base === undefined ? "" : `loss ${percent(1 - c.throughput / base.throughput)} of ${base.name}; `;
  const note =
    c.period === "base"
      ? `${objects} live objects; samples are seconds; no crash`
      : `${loss}${percent(paused)} of the time in requests that met a crash; ${crashes} crashes`;
  const range = { low: figure(low), high: figure(high) };
  return { case: c.name, unit: "MB/s", value: figure(median), ...range, samples, checks: CHECKS, note };
}

function pauseRows(cases: readonly Case[]): CaseResult[] {
  const pauses = cases.flatMap((c) => c.pauses).toSorted((a, b) => a - b);
  if (pauses.length === 0) return [];
  const { median, low, high, samples } = summarize(pauses.map((ms) => ms * 1000));
  const note = "a request that met a crash, from its start to its answer: trap, burial, next life, the request again";
  const row = { unit: "us", samples, note };
  return [
    { case: "pause-p50", value: figure(median), low: figure(low), high: figure(high), ...row },
    { case: "pause-p99", value: figure(quantile(pauses, 0.99) * 1000), low: null, high: null, ...row },
  ];
}

/** The throughput of all cases over their own time. */
function drawing(cases: readonly Case[]): string {
  const panels = OPERATIONS.map((operation, index) => ({
    title: `random ${operation}s, 4 KiB`,
    series: cases
      .filter((c) => c.operation === index)
      .map((c) => ({
        name: c.period === "base" ? "no crash" : `crash each ${c.period === "1s" ? "second" : "100 ms"}`,
        points: c.slices.map((s) => [(s.at + s.ms / 2) / 1000, megabytes(s.requests, s.ms)] as const),
        marks: c.slices.flatMap((s) => s.crashes.map((ms) => ms / 1000)),
      })),
  })).filter(({ series }) => series.length > 0);
  return plotSvg({
    title: "Throughput while the driver crashes",
    x: "time, s",
    y: "throughput, MB/s",
    marks: "ticks above the lines: crashes",
    panels,
  });
}

function sampled(c: Case): Sampled {
  const samples = c.slices.map((s) => ({
    ns: (s.ms * 1e6) / s.requests,
    cyclesPerNs: null,
    ms: figure(s.at),
    megabytesPerSecond: figure(megabytes(s.requests, s.ms)),
    crashes: s.crashes.length,
  }));
  return { name: c.name, samples };
}

/** One operation: its cases take turns, another one first each time, every second time backwards. */
function alternate(cases: readonly Case[], seconds: number): void {
  for (let round = 0; cases.some((c) => c.ms < seconds * 1000); round++) {
    for (let i = 0; i < cases.length; i++) {
      const step = round & 1 ? cases.length - 1 - i : i;
      cases[(step + round) % cases.length]!.slice();
    }
  }
}

/**
 * Runs the benchmark; see `measureCrossing` for what it returns.
 * @param _clock not used: throughput has no cycles
 * @param blocks of the disk, and so live objects
 */
export async function measureRecovery(
  options: BenchOptions,
  _clock: Clock | null,
  blocks = BLOCKS,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const build = await buildSystem(recoverySystem(blocks), { roots: [...DOMAIN_ROOTS, "bench/domains"] });
  const system = await System.boot(build.system, { images: build.images });
  try {
    const bench = new Bench(system);
    bench.warm();
    const { only } = options;
    const cases = OPERATIONS.flatMap((_, operation) =>
      (Object.keys(PERIODS) as Period[]).map((period) => new Case(bench, operation, period)),
    ).filter(({ name }) => only === null || only.some((o) => name.includes(o) || o.startsWith("pause")));
    for (const operation of OPERATIONS.keys())
      alternate(
        cases.filter((c) => c.operation === operation),
        options.seconds,
      );
    const problems = system.kernel.heap.check();
    if (problems.length > 0) throw new Error(`the heap is broken: ${problems.join("; ")}`);
    if (options.svgFile !== null) writeFileSync(options.svgFile, drawing(cases));
    const rows = cases.map((c) => throughputRow(c, cases, system.kernel.heap.live));
    return { cases: [...rows, ...pauseRows(cases)], samples: cases.map(sampled) };
  } finally {
    await system.stop();
  }
}
