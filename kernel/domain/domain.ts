/**
 * One domain: a Wasm instance with its private memory, its capabilities and what it was granted.
 *
 * The words that hot code reads (alive, quotas, result words) live in the ledger's domain record; this object holds
 * the rest. Invariant: `DOMAIN_ALIVE` equals `generation` exactly while the state is "loaded" or "running".
 */
import type { Signature } from "../interface/model.ts";
import type { Admitted } from "../wasm/policy.ts";
import type { CapabilityTable } from "../capability/table.ts";
import type { FaultKind } from "./fault.ts";

export type DomainState = "loaded" | "running" | "dying" | "dead";

/** What a domain's folder declares: names of what it provides and needs, by interface. */
export interface DomainInterfaces {
  /** name → interface; the n-th name of one interface is object n of the domain. */
  readonly provides: Readonly<Record<string, string>>;
  readonly uses: Readonly<Record<string, string>>;
}

export interface DomainLimits {
  /** Pages of 64 KiB of private memory. */
  readonly memoryPages: number;
  /** Bytes of exchange heap that may be charged to the domain, as blocks. */
  readonly heapBytes: number;
  readonly heapObjects: number;
  /** CPU milliseconds that one of its frames may run before it is ended. */
  readonly sliceMs: number;
}

export const DEFAULT_LIMITS: DomainLimits = { memoryPages: 256, heapBytes: 16 << 20, heapObjects: 65536, sliceMs: 200 };

/** A grant: under this name the domain may reach that object. */
export interface Grant {
  readonly interface: string;
  /** Domain and provided name. */
  readonly target: string;
  readonly provided: string;
}

/** Why the domain is going to die, noted at the moment of blame, before the stack unwinds. */
export interface Blame {
  readonly kind: FaultKind;
  readonly message: string;
  /** Stack at the moment of blame; "" when the error itself carries it. */
  readonly stack: string;
  readonly chain: readonly string[];
}

/** The region of a domain's memory that proxies put text and bytes into, used as a stack. */
export interface ArgumentStack {
  top: number;
  end: number;
}

export class Domain {
  readonly name: string;
  readonly id: number;
  readonly generation: number;
  readonly interfaces: DomainInterfaces;
  readonly limits: DomainLimits;
  readonly grants: ReadonlyMap<string, Grant>;
  readonly args: ArgumentStack = { top: 0, end: 0 };
  state: DomainState = "loaded";
  admitted: Admitted | null = null;
  memory: WebAssembly.Memory | null = null;
  exports: WebAssembly.Exports | null = null;
  capabilities: CapabilityTable | null = null;
  blame: Blame | null = null;
  calls = 0;

  constructor(spec: {
    name: string;
    id: number;
    generation: number;
    interfaces: DomainInterfaces;
    limits: DomainLimits;
    grants: ReadonlyMap<string, Grant>;
  }) {
    this.name = spec.name;
    this.id = spec.id;
    this.generation = spec.generation;
    this.interfaces = spec.interfaces;
    this.limits = spec.limits;
    this.grants = spec.grants;
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
