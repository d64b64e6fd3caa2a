/**
 * One domain: a Wasm instance with its private memory, its capabilities and what it was granted.
 *
 * The words that hot code reads (alive, quotas, result words) live in the ledger's domain record; this object holds
 * the rest. Invariant: `DOMAIN_ALIVE` equals `generation` exactly while the state is "loaded" or "running". A domain
 * that is restarted keeps its id and generation, so that proxies to the objects it provides work again.
 */
import type { Signature } from "../interface/model.ts";
import type { ResolvedDomain } from "../manifest/manifest.ts";
import type { Admitted } from "../wasm/policy.ts";
import type { CapabilityTable } from "../capability/table.ts";
import { NOTHING, type Share } from "../creation/quota.ts";
import type { Reclaim } from "../../shared-heap/heap.ts";
import { ArgumentRegion } from "../thread/arguments.ts";
import { DomainThreads } from "../thread/thread.ts";
import type { FaultKind } from "./fault.ts";

export type DomainState = "loaded" | "running" | "dying" | "dead";

/** Why the domain is going to die, noted at the moment of blame, before the stack unwinds. */
export interface Blame {
  readonly kind: FaultKind;
  readonly message: string;
  /** Its stack is that of the moment of blame; null when nothing of the domain's ran then. */
  readonly error: Error | null;
  readonly chain: readonly string[];
  /** For an overrun slice or entry: the CPU time of the call. */
  readonly ranMs?: number;
}

export class Domain {
  readonly name: string;
  readonly id: number;
  readonly generation: number;
  /** Its manifest entry: what it provides, what it was granted, its limits. */
  readonly entry: ResolvedDomain;
  readonly args = new ArgumentRegion();
  readonly threads: DomainThreads;
  state: DomainState = "loaded";
  /** Counts its lives. What remembers a domain across time must compare this too. */
  incarnation = 0;
  /** When its present life began, in milliseconds since boot. */
  bornMs = 0;
  /** Somebody wants it to live again once it is buried. */
  restartAsked = false;
  /** Dead: what is left to free, and how much of its memory is zero already. */
  reclaim: Reclaim | null = null;
  wiped = 0;
  admitted: Admitted | null = null;
  module: WebAssembly.Module | null = null;
  memory: WebAssembly.Memory | null = null;
  exports: WebAssembly.Exports | null = null;
  capabilities: CapabilityTable | null = null;
  /** Names of manifest grants that were taken back: in all its lives, calls through them answer `revoked`. */
  readonly revoked = new Set<string>();
  blame: Blame | null = null;
  /** Of a domain that another created: who. What it has created itself, and what of its limits they have. */
  creator: Domain | null = null;
  readonly children = new Set<Domain>();
  readonly lent: Share = { ...NOTHING };

  constructor(entry: ResolvedDomain, id: number, generation: number) {
    this.name = entry.name;
    this.entry = entry;
    this.id = id;
    this.generation = generation;
    this.threads = new DomainThreads(entry.limits.threads);
  }

  get alive(): boolean {
    return this.state === "loaded" || this.state === "running";
  }

  /** An exported function that admission has seen with exactly this signature, or null. */
  function(name: string, signature: Signature): Function | null {
    const declared = this.admitted?.exports.get(name);
    if (declared === undefined || !sameSignature(declared, signature)) return null;
    return (this.exports?.[name] as Function | undefined) ?? null;
  }
}

export function sameSignature(a: Signature, b: Signature): boolean {
  return (
    a.params.length === b.params.length &&
    a.results.length === b.results.length &&
    a.params.every((p, i) => p === b.params[i]) &&
    a.results.every((r, i) => r === b.results[i])
  );
}
