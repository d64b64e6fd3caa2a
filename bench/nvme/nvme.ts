/**
 * The NVMe benchmark: 4 KiB requests through our driver on our model, and the same file by other means.
 *
 * A case's value is requests per second with everything, the model included; its cycles are those of our side of the
 * doorbell alone: load, driver, device layer, and what stands between them. Invariant: no request may fail, and reads
 * are looked at; what the model takes is measured in the same sample, and shown apart.
 */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { CHECKS, PLACES, caseName, type QueueCase } from "../lib/queue-load.ts";
import type { CaseResult } from "../lib/report.ts";
import { loopSubject, sampleAll, type Sample, type Sampled, type Subject } from "../lib/sample.ts";
import { summarize } from "../lib/stats.ts";
import { clockOutside } from "./metered.ts";
import { measureDevice, type Measured } from "./device.ts";
import { FsPeer, fsChecks, measureFio } from "./peers.ts";
import { cyclesOf, OPERATIONS, shapes, splitRows, splitSubject } from "./split.ts";
import { FILE_BYTES, MEMORY_BYTES, MODEL, NvmeSystem } from "./system.ts";

/** Where the file is compared with the peers. */
const FILE_CASES: readonly QueueCase[] = [1, 32].flatMap((depth) =>
  OPERATIONS.map((operation) => ({ operation, pattern: "rand" as const, depth, batch: depth })),
);
/** Without data: what is left is our side, undisturbed by copies in the model. */
const NODATA: readonly QueueCase[] = [
  { operation: "read", pattern: "rand", depth: 32, batch: 32 },
  { operation: "read", pattern: "rand", depth: 32, batch: 1 },
];
const noteOf = (bytes: number, cache: string): string =>
  `model without waits, in the same thread: ready after ${MODEL.readyMs} ms, register reads ${MODEL.mmioReadNs} ns; ` +
  `${bytes >> 20} MiB in blocks of ${MODEL.lbaBytes} bytes, ${cache}`;
const MEMORY_NOTE = noteOf(MEMORY_BYTES, "in memory, no write cache");
const FILE_NOTE = noteOf(FILE_BYTES, "in a file in the page cache, write cache on");

export type { Measured };

interface Case {
  readonly name: string;
  readonly subject: Subject;
  row(sampled: Sampled, all: readonly Sampled[]): CaseResult[];
}

/** What is measured, and what must be closed afterwards. */
class Bench {
  readonly #only: readonly string[] | null;
  readonly #clock: Clock | null;
  readonly #outside = clockOutside();
  readonly #systems: NvmeSystem[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "samara-bench-nvme-"));
  readonly file = join(this.#folder, "disk");

  constructor(options: BenchOptions, clock: Clock | null) {
    this.#only = options.only;
    this.#clock = clock;
  }

  wanted(name: string): boolean {
    return this.#only === null || this.#only.some((part) => name.includes(part));
  }

  async #split(
    prefix: string,
    suffix: string,
    list: readonly QueueCase[],
    boot: () => Promise<NvmeSystem>,
    what: string,
  ) {
    const named = list.map((c) => ({ c, name: `${prefix}${caseName(c)}${suffix}` })).filter((n) => this.wanted(n.name));
    if (named.length === 0) return [];
    const system = await boot();
    this.#systems.push(system);
    return named.map(({ c, name }) => ({
      name,
      subject: splitSubject(name, system, c, this.#clock, this.#outside),
      row: (sampled: Sampled, all: readonly Sampled[]) => splitRows(sampled, all, CHECKS[system.place], what),
    }));
  }

  /** The driver in every place, on memory; then on a file. */
  async cases(): Promise<Case[]> {
    const cases: Case[] = [];
    for (const place of PLACES)
      cases.push(
        ...(await this.#split("", `-${place}`, shapes(), () => NvmeSystem.boot(place, "memory"), MEMORY_NOTE)),
      );
    const still = "as above, but the device moves no data, as little as a real one's pass through the processor";
    for (const place of PLACES)
      cases.push(...(await this.#split("nodata-", `-${place}`, NODATA, () => NvmeSystem.boot(place, "nodata"), still)));
    cases.push(...(await this.#split("file-", "", FILE_CASES, () => NvmeSystem.boot("domain", this.file), FILE_NOTE)));
    return [...cases, ...(await this.#fsCases())];
  }

  async #fsCases(): Promise<Case[]> {
    const list = FILE_CASES.filter((c) => this.wanted(`peer-fs-${caseName(c)}`));
    if (list.length > 0) await this.needFile();
    return list.map((c) => {
      const name = `peer-fs-${caseName(c)}`;
      const peer = new FsPeer(this.file, c.depth);
      const loop = loopSubject(name, (n) => peer.runSync(c, n), c.depth === 1 ? this.#clock : null);
      const subject = c.depth === 1 ? { ...loop, close: () => peer.close() } : queuedSubject(name, peer, c);
      return { name, subject, row: (sampled: Sampled) => [fsRow(sampled, c)] };
    });
  }

  /** The file is the model's: it is there once one was made on it. */
  async needFile(): Promise<void> {
    if (existsSync(this.file)) return;
    const system = await NvmeSystem.boot("domain", this.file);
    await system.stop();
  }

  check(): void {
    for (const system of this.#systems) system.check();
  }

  async close(): Promise<void> {
    for (const system of this.#systems) await system.stop();
    rmSync(this.#folder, { recursive: true });
  }
}

/** Many calls in flight: the time is spent on other threads too. */
function queuedSubject(name: string, peer: FsPeer, c: QueueCase): Subject {
  const count = c.depth * 32;
  const sample = async (): Promise<Sample> => {
    const begin = performance.now();
    await peer.run(c, count);
    return { ns: ((performance.now() - begin) * 1e6) / count, cyclesPerNs: null };
  };
  return {
    name,
    async warm() {
      for (let i = 0; i < 20; i++) await sample();
    },
    sample,
    close: () => peer.close(),
  };
}

function fsRow(sampled: Sampled, c: QueueCase): CaseResult {
  const iops = summarize(sampled.samples.map((s) => 1e9 / s.ns));
  const how = c.depth === 1 ? "synchronous calls" : `${c.depth} calls in flight, made by libuv's threads`;
  return {
    case: sampled.name,
    unit: "IOPS",
    value: Math.round(iops.median),
    low: Math.round(iops.low),
    high: Math.round(iops.high),
    ...cyclesOf(sampled.samples, (s) => s.ns),
    samples: iops.samples,
    checks: fsChecks(),
    note: `${how}; the file of the file- cases, in the page cache`,
  };
}

/**
 * Runs the benchmark; see `measureCrossing` for what it returns.
 * @throws Error also when the device of `--device` cannot be had, or is not the one that `--destroy` names
 */
export async function measureNvme(options: BenchOptions, clock: Clock | null): Promise<Measured> {
  return options.device === null ? measureModel(options, clock) : measureDevice(options.device, options, clock);
}

async function measureModel(options: BenchOptions, clock: Clock | null): Promise<Measured> {
  const bench = new Bench(options, clock);
  try {
    const cases = await bench.cases();
    const samples = await sampleAll(
      cases.map(({ subject }) => subject),
      options.rounds,
    );
    bench.check();
    const rows = cases.flatMap((c, i) => c.row(samples[i]!, samples));
    const fio = FILE_CASES.filter((c) => bench.wanted(`peer-fio-${caseName(c)}`));
    if (fio.length > 0) await bench.needFile();
    for (const c of fio)
      rows.push(await measureFio(`peer-fio-${caseName(c)}`, c, bench.file, clock?.cyclesPerNs() ?? 0));
    return { cases: rows, samples };
  } finally {
    await bench.close();
  }
}
