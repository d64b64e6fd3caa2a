/**
 * The load benchmark: how fast modules are admitted, and how long a domain takes from bytes to running.
 *
 * Invariant: a cold start is of bytes that neither the kernel's cache nor V8's has seen; a cached one is of bytes
 * whose module is in memory. The domain before is dead and buried, and its burial is not timed.
 */
import type { Domain } from "#kernel/domain/domain.ts";
import type { Kernel } from "#kernel/kernel.ts";
import { admit } from "#kernel/wasm/admit.ts";
import { ledgerBytes } from "#shared-heap/layout.ts";
import { barePolicy } from "../lib/bare.ts";
import type { Clock } from "../lib/cycles.ts";
import { benchEntry, createKernel } from "../lib/kernel.ts";
import type { BenchOptions } from "../lib/options.ts";
import { caseResult, type CaseResult } from "../lib/report.ts";
import { loopSubject, sampleAll, type Sampled, type Subject } from "../lib/sample.ts";
import { assemble } from "../lib/wat.ts";
import { domainText, withNonce } from "./program.ts";

/** Functions of the domains that come to about 2 and 50 KB; the rows' notes give the bytes. */
const SIZES = { "2k": 14, "50k": 371 } as const;
const CHECKS = {
  admit: "Decodes and checks the whole module, twice by V8 and once by the loader, and lowers it.",
  cold: "All of admission, V8's compilation, links.",
  cached: "The bytes' SHA-256 names a module that was admitted before; links.",
};
/** Cold starts grow the caches, and no figure gets better with more: this many samples are enough. */
const MAX_ROUNDS = 200;

let serial = 0;

/** Bytes to running, then the end of it; the time is of the first part. */
function startSubject(kernel: Kernel, name: string, next: () => Uint8Array): Subject {
  const entry = benchEntry(name);
  const start = async (bytes: Uint8Array): Promise<Domain> => {
    const domain = await kernel.load(entry, bytes);
    kernel.init(domain);
    kernel.start(domain);
    return domain;
  };
  const sample = async (): Promise<{ ns: number; cyclesPerNs: null }> => {
    const bytes = next();
    const begin = performance.now();
    const domain = await start(bytes);
    const ns = (performance.now() - begin) * 1e6;
    kernel.kill(domain);
    kernel.settle();
    // V8's compiler threads work in the background: nothing cycles of this core could be counted for.
    return { ns, cyclesPerNs: null };
  };
  return {
    name,
    async warm() {
      for (let i = 0; i < 10; i++) await sample();
    },
    sample,
  };
}

interface LoadCase {
  readonly subject: Subject;
  readonly checks: string;
  readonly note: string;
  readonly unit: string;
  readonly convert: (ns: number) => number;
}

function admitCase(bytes: Uint8Array, clock: Clock): LoadCase {
  const policy = barePolicy();
  const options = { heapPages: 64, ledgerPages: ledgerBytes(4096) / 65536 };
  const run = (n: number): void => {
    for (let i = 0; i < n; i++) admit(bytes, policy, options);
  };
  return {
    subject: loopSubject("admit", run, clock),
    checks: CHECKS.admit,
    note: `a module of ${bytes.length} bytes; MB are 10^6 bytes of original module; cycles are of the whole module`,
    unit: "MB/s",
    convert: (ns) => (bytes.length * 1000) / ns,
  };
}

async function allCases(clock: Clock): Promise<LoadCase[]> {
  const kernel = createKernel();
  const cold: LoadCase[] = [];
  const cached: LoadCase[] = [];
  let largest: Uint8Array = new Uint8Array();
  for (const [size, functions] of Object.entries(SIZES)) {
    const bytes = await assemble(`domain-${size}`, domainText(functions));
    largest = bytes;
    const common = {
      note: `${bytes.length} bytes, ${functions + 1} functions`,
      unit: "us",
      convert: (ns: number) => ns / 1000,
    };
    const again = withNonce(bytes, serial++);
    cold.push({
      ...common,
      checks: CHECKS.cold,
      subject: startSubject(kernel, `cold-${size}`, () => withNonce(bytes, serial++)),
    });
    cached.push({ ...common, checks: CHECKS.cached, subject: startSubject(kernel, `cached-${size}`, () => again) });
  }
  return [admitCase(largest, clock), ...cold, ...cached];
}

/** Runs the benchmark; see `measureCrossing` for what it returns. */
export async function measureLoad(
  options: BenchOptions,
  clock: Clock,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const all = await allCases(clock);
  const wanted = all.filter(
    ({ subject: { name } }) => options.only === null || options.only.some((o) => name.includes(o)),
  );
  const rounds = Math.min(options.rounds, MAX_ROUNDS);
  const samples = await sampleAll(
    wanted.map(({ subject }) => subject),
    rounds,
  );
  const cases = samples.map((sampled, i) => {
    const { checks, note, unit, convert } = wanted[i];
    return caseResult(sampled, { checks, note, unit }, convert);
  });
  return { cases, samples };
}
