/**
 * What one file in `mechanisms/` is: a way to call another domain, with the cases that measure it.
 *
 * Invariant: a mechanism only registers cases; the harness alone samples, so that all are treated alike.
 */
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import type { Subject } from "../lib/sample.ts";

/** Further facts about one case. */
export interface CaseOptions {
  /** Operations per turn of the loop. Default 1. */
  readonly divide?: number;
  /** Turns per sample at least. Default 1: as many as fit 0.3 ms. */
  readonly atLeast?: number;
  readonly note?: string;
  /** Other checks than the mechanism's. */
  readonly checks?: string;
  /**
   * For `--cold`: builds a fresh, unique instance (not timed) and returns what makes its first call (timed). Without
   * it the case is not available cold.
   */
  readonly cold?: () => () => unknown;
}

export interface MeasureContext {
  readonly options: BenchOptions;
  readonly clock: Clock;
  /** True when `--only` asks for this case: lets a mechanism skip costly preparation. */
  wants(name: string): boolean;
  /** A synchronous operation; `run(n)` does it n times, preferably in a loop on the other side of the boundary. */
  loop(name: string, run: (n: number) => unknown, extra?: CaseOptions): void;
  /** A case that samples itself: another process or thread. */
  subject(subject: Subject, extra?: Omit<CaseOptions, "divide" | "atLeast" | "cold">): void;
  /** A figure from a paper, in core cycles; a range when the paper gives one. `source` says where it stands. */
  constant(name: string, low: number, high: number, source: string, checks?: string): void;
  /** A case that cannot be measured here, and why. */
  missing(name: string, reason: string): void;
}

export interface Mechanism {
  readonly name: string;
  /** Names of the cases, for listings and for the rows of a mechanism that is not available. */
  readonly cases: readonly string[];
  /** What a call by this mechanism checks, and what it does not. */
  readonly checks: string;
  /** Place in the table: lower first. */
  readonly order: number;
  /** Null when it can be measured here, else the reason. May build what it needs. */
  available(options: BenchOptions): Promise<string | null>;
  /** Registers the cases. */
  measure(context: MeasureContext): Promise<void>;
}
