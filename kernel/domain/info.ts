/**
 * What people are told of a domain.
 *
 * Shows, changes nothing; every figure is read from where it is counted.
 */
import type { ResolvedDomain } from "../manifest/manifest.ts";
import { DOMAIN_CPU, DOMAIN_FAULTS, FRAME_TIME_UNIT_US } from "../../shared-heap/layout.ts";
import type { ExchangeHeap } from "../../shared-heap/heap.ts";
import type { Domain } from "./domain.ts";
import { recordWord } from "./lives.ts";

export interface DomainInfo {
  readonly name: string;
  readonly id: number;
  /** Counts its lives, from 1. */
  readonly incarnation: number;
  readonly state: Domain["state"];
  /** Whether the supervisor is going to restart it. */
  readonly restarting: boolean;
  readonly faults: number;
  readonly bytes: number;
  readonly objects: number;
  readonly threads: number;
  readonly memoryBytes: number;
  /** CPU time that it was found running, in all its lives; counted in samples of about a millisecond. */
  readonly cpuMs: number;
  /** How long it has been in its present life; 0 when it is dead. */
  readonly upMs: number;
  readonly limits: ResolvedDomain["limits"];
}

export interface InfoKernel {
  readonly ledger: Int32Array;
  readonly heap: ExchangeHeap;
  readonly trace: { readonly ms: number };
}

export function describeDomain(d: Domain, { ledger, heap, trace }: InfoKernel): Omit<DomainInfo, "restarting"> {
  return {
    name: d.name,
    id: d.id,
    incarnation: d.incarnation,
    state: d.state,
    faults: ledger[recordWord(d, DOMAIN_FAULTS)]!,
    ...heap.charged(d.id),
    threads: d.threads.live.size,
    memoryBytes: d.memory?.buffer.byteLength ?? 0,
    cpuMs: ((ledger[recordWord(d, DOMAIN_CPU)]! >>> 0) * FRAME_TIME_UNIT_US) / 1000,
    upMs: d.alive ? trace.ms - d.bornMs : 0,
    limits: d.entry.limits,
  };
}
