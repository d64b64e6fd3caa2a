/**
 * The sampling loop: warm-up until stable, then many short samples with the cases interleaved.
 *
 * Invariant: in every round each case is sampled once, in a new order, so that a drift of the machine (frequency,
 * neighbours, heat) hits all cases alike, and differences within one run are real even where its figures are not.
 * Beside each sample the core's clock is measured; cycles are computed from that pair alone.
 */
import type { Clock } from "./cycles.ts";

/** One measurement. `cyclesPerNs` is null where cycles mean nothing (the time is not spent on this core). */
export interface Sample {
  readonly ns: number;
  readonly cyclesPerNs: number | null;
}

/** A case that can be sampled. */
export interface Subject {
  readonly name: string;
  /** Takes one sample of about `SAMPLE_NS`; ns is per operation. Synchronous ones are not awaited. */
  readonly sample: () => Sample | Promise<Sample>;
  /** Runs until the figure no longer falls. */
  readonly warm: () => void | Promise<void>;
  /** Called once when all rounds are over. */
  readonly close?: () => void | Promise<void>;
}

/** Target length of one sample, ns: long against the timer's resolution, short against a scheduler's slice. */
const SAMPLE_NS = 300_000;
const WARM_MIN_MS = 1_000;
const WARM_MAX_MS = 4_000;

/** Time of `run(n)` per operation, ns. */
function time(run: (n: number) => unknown, n: number): number {
  const start = performance.now();
  run(n);
  return ((performance.now() - start) * 1e6) / n;
}

/** Best of five: warm-up compares these, because only the minimum is free of disturbance. */
function best(run: (n: number) => unknown, n: number): number {
  let lowest = Infinity;
  for (let i = 0; i < 5; i++) lowest = Math.min(lowest, time(run, n));
  return lowest;
}

/**
 * A case that is a loop: `run(n)` does the operation n times on this thread.
 * @param clock null where the time is not spent on this core, and cycles would mean nothing
 * @param shape `divide`: operations per turn of the loop, when a turn does more than one. `atLeast`: turns per sample,
 *   however long it gets, where entering the loop costs much more than a turn
 */
export function loopSubject(
  name: string,
  run: (n: number) => unknown,
  clock: Clock | null,
  shape: { readonly divide?: number | undefined; readonly atLeast?: number | undefined } = {},
): Subject {
  const { divide = 1, atLeast = 1 } = shape;
  let count = atLeast;
  return {
    name,
    warm() {
      const end = performance.now() + WARM_MAX_MS;
      const earliest = performance.now() + WARM_MIN_MS;
      // The first run compiles, and says nothing about how many turns fill a sample: the size grows with every window,
      // so that what it costs to enter the loop is spread over as many turns as there will be.
      const grow = (ns: number): void => {
        count = Math.max(count, Math.round(SAMPLE_NS / ns));
      };
      let last = best(run, count);
      // Stable: two windows in a row within 2 % of each other. V8 optimises in the background, hence a minimum too.
      for (let calm = 0; calm < 2 && performance.now() < end;) {
        const now = best(run, count);
        calm = performance.now() > earliest && now > last * 0.98 ? calm + 1 : 0;
        last = Math.min(last, now);
        grow(last);
      }
    },
    sample() {
      if (clock === null) return { ns: time(run, count) / divide, cyclesPerNs: null };
      const before = clock.cyclesPerNs();
      const ns = time(run, count) / divide;
      const after = clock.cyclesPerNs();
      // A disturbed chain reads low, so the larger of the two is the clock.
      return { ns, cyclesPerNs: Math.max(before, after) };
    },
  };
}

/**
 * A case whose operation is done once on something fresh: `make()` builds it (not timed), its result runs it (timed).
 */
export function coldSubject(name: string, make: () => () => unknown, clock: Clock): Subject {
  return {
    name,
    warm() {},
    sample() {
      const run = make();
      const cyclesPerNs = clock.cyclesPerNs();
      const start = performance.now();
      run();
      return { ns: (performance.now() - start) * 1e6, cyclesPerNs };
    },
  };
}

/** What came of one case. */
export interface Sampled {
  readonly name: string;
  readonly samples: Sample[];
}

/** A subject failed: names it, so that a crash of one mechanism is not blamed on another. */
function failure(name: string, during: string, error: unknown): Error {
  const text = error instanceof Error ? error.message : String(error);
  return new Error(`case ${name} failed during ${during}: ${text}`, { cause: error });
}

/**
 * Warms all subjects, then takes `rounds` samples of each, interleaved.
 * @throws Error that names the case which failed
 */
export async function sampleAll(subjects: readonly Subject[], rounds: number): Promise<Sampled[]> {
  const results = subjects.map(({ name }) => ({ name, samples: [] as Sample[] }));
  try {
    for (const subject of subjects) {
      try {
        await subject.warm();
      } catch (error) {
        throw failure(subject.name, "warm-up", error);
      }
    }
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < subjects.length; i++) {
        // Another case goes first each round, and every second round runs backwards: no fixed neighbours.
        const step = round & 1 ? subjects.length - 1 - i : i;
        const at = (step + round) % subjects.length;
        try {
          const taken = subjects[at].sample();
          results[at].samples.push(taken instanceof Promise ? await taken : taken);
        } catch (error) {
          throw failure(subjects[at].name, "sampling", error);
        }
      }
    }
  } finally {
    for (const subject of subjects) await subject.close?.();
  }
  return results;
}
