/**
 * The threads benchmark: what it costs to make, switch, wake and keep threads, and how long the host waits for its turn
 * while a domain polls.
 *
 * Invariant: all of it happens in one domain through its kernel calls, as in any domain; the host only starts a loop
 * and waits for its end.
 */
import { readFileSync } from "node:fs";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { caseResult, type CaseResult } from "../lib/report.ts";
import { sampleAll, type Sampled, type Subject } from "../lib/sample.ts";
import { benchLab, type BenchClient } from "./program.ts";

/** Operations of one sample: some milliseconds, so that the host's turns between them count. */
const OPERATIONS = 2_000;
const WARM_SAMPLES = 20;
const IDLE = 10_000;
const CHECKS: Readonly<Record<string, string>> = {
  spawn: "spawn, first run on a stack of its own, end, join by the thread that spawned it.",
  switch: "Two threads yield in turn; one switch, with its share of the host's turns.",
  wake: "Two threads wake each other through two events; one notify, one wait, one switch.",
  "host-latency": "A domain's step has always work; from setImmediate to its call. At most 1 ms by design.",
};

function threadSubject(name: "spawn" | "switch" | "wake", client: BenchClient, clock: Clock): Subject {
  // Two threads are at work: each loop makes two of what is counted.
  const divide = name === "spawn" ? OPERATIONS : 2 * OPERATIONS;
  const sample = async (): Promise<{ ns: number; cyclesPerNs: number }> => {
    const before = clock.cyclesPerNs();
    const start = performance.now();
    await client[name](OPERATIONS);
    const ns = ((performance.now() - start) * 1e6) / divide;
    return { ns, cyclesPerNs: Math.max(before, clock.cyclesPerNs()) };
  };
  return { name, sample, warm: () => repeat(WARM_SAMPLES, sample) };
}

function latencySubject(client: BenchClient): Subject {
  const sample = async (): Promise<{ ns: number; cyclesPerNs: null }> => {
    client.poll(1);
    await new Promise(setImmediate);
    const start = performance.now();
    await new Promise(setImmediate);
    const ns = (performance.now() - start) * 1e6;
    client.poll(-1);
    return { ns, cyclesPerNs: null };
  };
  return { name: "host-latency", sample, warm: () => repeat(WARM_SAMPLES, sample) };
}

async function repeat(count: number, call: () => Promise<unknown>): Promise<void> {
  for (let i = 0; i < count; i++) await call();
}

function mapCount(): number | null {
  try {
    return readFileSync("/proc/self/maps", "utf8").split("\n").length;
  } catch {
    return null;
  }
}

/** Resident bytes and maps of the address space for each of many suspended threads. */
async function holdIdle(count: number): Promise<{ bytes: number; maps: number | null; made: number }> {
  const { lab, client } = await benchLab();
  const rss = process.memoryUsage.rss();
  const maps = mapCount();
  const made = client.idle(count).value;
  while (client.held().value < made) await new Promise(setImmediate);
  const held = { bytes: process.memoryUsage.rss() - rss, maps: mapCount() };
  await lab.close();
  return { bytes: held.bytes / made, maps: maps === null ? null : (held.maps! - maps) / made, made };
}

/** Measured first and once: a second time would find what the first gave back. */
async function idleCases(): Promise<CaseResult[]> {
  const { bytes, maps, made } = await holdIdle(IDLE);
  const row = (name: string, unit: string, value: number | null): CaseResult => ({
    case: name,
    unit,
    value: value === null ? null : Number(value.toPrecision(5)),
    low: null,
    high: null,
    samples: 1,
    checks: `${made} threads of one domain wait for an event: what each keeps.`,
    ...(value === null ? { note: "unavailable: this system does not tell" } : {}),
  });
  return [row("idle-10000", "bytes", bytes), row("idle-10000-maps", "maps", maps)];
}

/** Runs the benchmark; see `measureCrossing` for what it returns. */
export async function measureThreads(
  options: BenchOptions,
  clock: Clock,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const wants = (name: string): boolean => options.only === null || options.only.some((o) => name.includes(o));
  const idle = ["idle-10000", "idle-10000-maps"].some(wants) ? await idleCases() : [];
  const { lab, client } = await benchLab();
  const subjects = [
    ...(["spawn", "switch", "wake"] as const).map((name) => threadSubject(name, client, clock)),
    latencySubject(client),
  ].filter(({ name }) => wants(name));
  const samples = await sampleAll(subjects, options.rounds);
  await lab.close();
  const cases = samples.map((sampled) =>
    sampled.name === "host-latency"
      ? caseResult(sampled, { checks: CHECKS[sampled.name]!, unit: "us" }, (ns) => ns / 1000)
      : caseResult(sampled, { checks: CHECKS[sampled.name]! }),
  );
  return { cases: [...cases, ...idle.filter((row) => wants(row.case))], samples };
}
