/**
 * What admission is told, and what it answers. The types here are the contract of `admit.ts`.
 */
import type { Signature } from "../interface/model.ts";

/** Key of an import in the maps below. */
export function importKey(module: string, name: string): string {
  return `${module}\0${name}`;
}

/** What one domain may import and use: made from its manifest entry by the linker. */
export interface Policy {
  /** Imports that stay functions supplied by the kernel: heap calls, types, cap, env, use, mint. */
  readonly functions: ReadonlyMap<string, Signature>;
  /** Interface methods, lowered to an indirect call through the capability table: client signature and index. */
  readonly methods: ReadonlyMap<string, { readonly signature: Signature; readonly index: number }>;
  /** Memory quota in pages of 64 KiB; the memory's maximum is clamped to it. */
  readonly maxPages: number;
}

export interface LowerOptions {
  /** Remove checks that an earlier check already proved. Default true. */
  readonly elide?: boolean;
  /** Add ticks to loops and function entries. Default true; benchmarks turn it off to show its cost. */
  readonly tick?: boolean;
  /** Benchmarks only: no ownership and bounds checks at all ("raw"). Never set by the kernel. */
  readonly unchecked?: boolean;
  readonly heapPages: number;
  readonly ledgerPages: number;
}

export interface LowerStats {
  /** Call sites of load, store and peek. */
  readonly sites: number;
  /** Owner checks and bound checks that were emitted, and owner checks that were removed. */
  readonly ownerChecks: number;
  readonly boundChecks: number;
  readonly elided: number;
  readonly ticks: number;
}

export interface Admitted {
  /** The lowered module. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Memory 0 to create, in pages; null when the module has none (a zero-page memory is imported then). */
  readonly memory: { readonly initial: number; readonly maximum: number } | null;
  /** Whether `samara:reset` on zeroed memory brings back an instance's first state: no table or segment changes. */
  readonly resettable: boolean;
  /** Exported functions by name. */
  readonly exports: ReadonlyMap<string, Signature>;
  /** Function imports in order; `lowered` ones are dead slots that any function may fill. */
  readonly imports: readonly { readonly module: string; readonly name: string; readonly lowered: boolean }[];
  /** Pairs of a lowered and an original offset, ascending; read by `translateOffset`. */
  readonly offsets: Uint32Array;
  readonly stats: LowerStats;
}
