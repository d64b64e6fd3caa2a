/**
 * The null-block benchmark: what the interface of block devices costs where the device does nothing.
 *
 * Invariant: load and disk do the same in all places, and each request is looked at by both.
 */
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { DOMAIN_ROOTS } from "#tools/lib/paths.ts";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { CHECKS, PLACES, QueueLoad, type Place } from "../lib/queue-load.ts";
import { caseResult, type CaseResult } from "../lib/report.ts";
import { loopSubject, sampleAll, type Sampled } from "../lib/sample.ts";

/** Depth and batch; RedLeaf's figures are of batches of 32. */
const SHAPES = [
  { depth: 1, batch: 1 },
  { depth: 32, batch: 1 },
  { depth: 32, batch: 32 },
  { depth: 128, batch: 32 },
] as const;

const MANIFEST = defineSystem({
  name: "null-block",
  heap: { bytes: 16 << 20, objects: 4096 },
  domains: {
    disk: { domain: "null-block" },
    behind: { domain: "null-block" },
    shadow: { domain: "block-shadow", uses: { disk: "behind.disk", driver: "supervisor.behind" } },
    "load-linked": { domain: "null-linked", uses: { types: "disk.disk" } },
    "load-domain": { domain: "queue-load", uses: { disk: "disk.disk" } },
    "load-shadow": { domain: "queue-load", uses: { disk: "shadow.disk" } },
  },
});

interface Case {
  readonly name: string;
  readonly place: Place;
  readonly run: (count: number) => void;
}

function casesOf(system: System, only: readonly string[] | null): Case[] {
  const cases = PLACES.flatMap((place) => {
    const load = new QueueLoad(system, place);
    if (!load.open()) throw new Error(`load-${place} does not open`);
    return SHAPES.map((shape) => ({
      name: `qd${shape.depth}${shape.batch === Math.min(shape.depth, 32) ? "" : `-b${shape.batch}`}-${place}`,
      place,
      run: (count: number) => load.run({ operation: "read", pattern: "rand", ...shape }, count),
    }));
  });
  return cases.filter(({ name }) => only === null || only.some((part) => name.includes(part)));
}

/** Runs the benchmark; see `measureCrossing` for what it returns. */
export async function measureNullBlock(
  options: BenchOptions,
  clock: Clock | null,
): Promise<{ cases: CaseResult[]; samples: Sampled[] }> {
  const build = await buildSystem(MANIFEST, { roots: [...DOMAIN_ROOTS, "bench/domains"] });
  const system = await System.boot(build.system, { images: build.images });
  try {
    const cases = casesOf(system, options.only);
    const samples = await sampleAll(
      cases.map(({ name, run }) => loopSubject(name, run, clock)),
      options.rounds,
    );
    const note = "one request, from being filled in by the load to being looked at when it is back; no device, no data";
    return { cases: samples.map((s, i) => caseResult(s, { checks: CHECKS[cases[i]!.place], note })), samples };
  } finally {
    await system.stop();
  }
}
