/**
 * The lifecycle benchmark: from a living domain over its end to its next life, and what its neighbours notice.
 *
 * Invariant: a restart is the kernel's own: the domain is killed, buried, put back to its first state and run again. In
 * the heartbeat cases nothing but beats and restarts runs on the thread, so a long gap is the kernel's or V8's doing.
 */
import type { Domain } from "#kernel/domain/domain.ts";
import type { Kernel } from "#kernel/kernel.ts";
import type { Clock } from "../lib/cycles.ts";
import { benchEntry, createKernel } from "../lib/kernel.ts";
import type { BenchOptions } from "../lib/options.ts";
import { caseResult, type CaseResult } from "../lib/report.ts";
import { loopSubject, sampleAll, type Sampled } from "../lib/sample.ts";
import { assemble } from "../lib/wat.ts";
import { domainText } from "../load/program.ts";

/** Functions of domains that come to about 2, 50 and 500 KB. */
const SIZES = { "2k": 14, "50k": 371, "500k": 3650 } as const;
/** Pages of private memory, all of it written to, beside the two that the program has. */
const MEMORIES = { "1m": 16, "16m": 256 } as const;
const MAX_PAGES = 512;
const BEAT_MS = 0.1;
const RESTART_MS = 1;
const WARM_RESTARTS = 1000;
const RESTARTS = 10_000;
/** Restarts in the heartbeat cases for each round asked for: 101 rounds are the full number. */
const RESTARTS_PER_ROUND = 100;

async function running(kernel: Kernel, name: string, bytes: Uint8Array): Promise<Domain> {
  const entry = benchEntry(name);
  const domain = await kernel.load({ ...entry, limits: { ...entry.limits, memoryPages: MAX_PAGES } }, bytes);
  kernel.init(domain);
  kernel.start(domain);
  return domain;
}

/** A domain whose `main` writes to all its pages, so that a restart has something to zero. */
function memoryText(pages: number): string {
  return `(module (memory ${pages}) (func (export "main") (local $at i32)
    (loop $page
      (i32.store (local.get $at) (i32.const 1))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $page (i32.lt_u (local.get $at) (i32.const ${pages * 65536}))))))`;
}

async function restartCases(
  kernel: Kernel,
  clock: Clock,
): Promise<{ subject: ReturnType<typeof loopSubject>; note: string }[]> {
  const programs = [
    ...Object.entries(SIZES).map(([size, functions]) => [`restart-${size}`, domainText(functions), "of module"]),
    ...Object.entries(MEMORIES).map(([size, pages]) => [`restart-memory-${size}`, memoryText(pages), `${pages} pages`]),
  ] as const;
  const cases = [];
  for (const [name, text, what] of programs) {
    const bytes = await assemble(name, text);
    const domain = await running(kernel, name, bytes);
    const run = (n: number): void => {
      for (let i = 0; i < n; i++) kernel.restart(domain);
    };
    cases.push({ subject: loopSubject(name, run, clock), note: `${bytes.length} bytes ${what}` });
  }
  return cases;
}

interface Beats {
  readonly gaps: number[];
  /** Resident memory that each restart after the first ones left behind, bytes. */
  readonly slope: number;
}

/** Beats a domain at 10 kHz while another is restarted every millisecond. */
async function beat(kernel: Kernel, restart: () => void | Promise<void>, restarts: number): Promise<Beats> {
  const heart = await running(kernel, "heart", await assemble("heart", HEART));
  const pulse = heart.function("pulse", { params: [], results: [] })!;
  const gaps: number[] = [];
  let rss = 0;
  let last = performance.now();
  let nextRestart = last;
  const warm = Math.min(WARM_RESTARTS, restarts / 2);
  for (let done = 0; done < restarts;) {
    const now = performance.now();
    if (now - last >= BEAT_MS) {
      pulse();
      if (done >= warm) gaps.push(now - last);
      last = now;
    }
    if (now < nextRestart) continue;
    nextRestart = now + RESTART_MS;
    const made = restart();
    if (made !== undefined) await made;
    if (++done === warm) rss = process.memoryUsage.rss();
  }
  kernel.kill(heart);
  return { gaps, slope: (process.memoryUsage.rss() - rss) / (restarts - warm) };
}
const HEART = `(module (global $n (mut i32) (i32.const 0))
  (func (export "pulse") (global.set $n (i32.add (global.get $n) (i32.const 1)))))`;

function quantile(sorted: readonly number[], q: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))]!;
}

function beatCases(suffix: string, { gaps, slope }: Beats, restarts: number, checks: string): CaseResult[] {
  const sorted = gaps.toSorted((a, b) => a - b);
  const row = (name: string, unit: string, value: number): CaseResult => ({
    case: `${name}${suffix}`,
    unit,
    value: Number(value.toPrecision(5)),
    low: null,
    high: null,
    samples: name.startsWith("rss") ? restarts : gaps.length,
    checks,
  });
  return [
    row("gap-p50", "us", quantile(sorted, 0.5) * 1000),
    row("gap-p9999", "us", quantile(sorted, 0.9999) * 1000),
    row("gap-max", "us", sorted.at(-1)! * 1000),
    row("rss-per-restart", "bytes", slope),
  ];
}

async function heartbeats(rounds: number): Promise<CaseResult[]> {
  const restarts = Math.max(20, Math.min(RESTARTS, rounds * RESTARTS_PER_ROUND));
  const bytes = await assemble("victim", domainText(SIZES["2k"]));
  const kernel = createKernel();
  const victim = await running(kernel, "victim", bytes);
  const inPlace = await beat(kernel, () => void kernel.restart(victim), restarts);
  const other = createKernel();
  let instance = await running(other, "victim", bytes);
  const fresh = async (): Promise<void> => {
    other.kill(instance);
    instance = await running(other, "victim", bytes);
  };
  const renewed = await beat(other, fresh, restarts);
  return [
    ...beatCases(
      "",
      inPlace,
      restarts,
      `A heartbeat at 10 kHz beside ${restarts} restarts in place, one each millisecond.`,
    ),
    ...beatCases("-fresh", renewed, restarts, "The same when each life gets a new instance and a new memory."),
  ];
}

/** Runs the benchmark; see `measureCrossing` for what it returns. */
export async function measureLifecycle(
  options: BenchOptions,
  clock: Clock,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const wanted = (name: string): boolean => options.only === null || options.only.some((o) => name.includes(o));
  const kernel = createKernel();
  const all = (await restartCases(kernel, clock)).filter(({ subject }) => wanted(subject.name));
  const samples = await sampleAll(
    all.map(({ subject }) => subject),
    options.rounds,
  );
  const cases = samples.map((sampled, i) => {
    const note = all[i]!.note;
    const checks = "Killed, buried, capabilities dropped, memory zeroed, globals and data put back, main run again.";
    return caseResult(sampled, { unit: "us", note, checks }, (ns) => ns / 1000);
  });
  const beats = ["gap", "rss"].some((name) => options.only === null || options.only.some((o) => o.startsWith(name)));
  return { cases: beats ? [...cases, ...(await heartbeats(options.rounds))] : cases, samples };
}
