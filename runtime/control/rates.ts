/**
 * What `top` shows: two answers of a system, some time apart, as rates.
 *
 * Invariants: calls of all edges add up to the total, and CPU of all domains and of the host to that of the thread,
 * both to rounding. A count that became smaller began anew.
 */
import type { EdgeInfo } from "../node/system.ts";
import { formatState } from "./format.ts";
import type { TopAnswer } from "./handlers.ts";

export interface DomainRates {
  readonly name: string;
  readonly state: string;
  readonly incarnation: number;
  readonly cpuPercent: number;
  /** Into the domain, and by it, per second. */
  readonly callsIn: number;
  readonly callsOut: number;
  readonly bytes: number;
  readonly objects: number;
  readonly faults: number;
  readonly restarts: number;
}

export interface EdgeRates extends EdgeInfo {
  readonly callsPerSecond: number;
}

export interface Rates {
  readonly system: string;
  readonly pid: number;
  readonly uptimeMs: number;
  /** Between the two answers. */
  readonly intervalMs: number;
  readonly total: {
    readonly callsPerSecond: number;
    readonly cpuPercent: number;
    readonly hostPercent: number;
    readonly bytes: number;
    readonly objects: number;
  };
  /** Busiest first. */
  readonly domains: readonly DomainRates[];
  readonly edges: readonly EdgeRates[];
  readonly edgesLeftOff: number;
}

const key = (e: EdgeInfo): string => `${e.caller}\0${e.callee}\0${e.interface}\0${e.method}`;

/** Several objects of one interface are one edge to people. */
function merge(edges: readonly EdgeInfo[]): Map<string, EdgeInfo> {
  const merged = new Map<string, EdgeInfo>();
  for (const edge of edges) {
    const known = merged.get(key(edge));
    merged.set(key(edge), known === undefined ? edge : { ...known, calls: known.calls + edge.calls });
  }
  return merged;
}

export function rates(before: TopAnswer, after: TopAnswer): Rates {
  const intervalMs = Math.max(1, after.statistics.uptimeMs - before.statistics.uptimeMs);
  const perSecond = (count: number): number => (count * 1000) / intervalMs;
  const percent = (ms: number): number => (Math.max(0, ms) * 100) / intervalMs;
  const former = merge(before.edges);
  const edges = [...merge(after.edges).values()].map((edge) => {
    const difference = edge.calls - (former.get(key(edge))?.calls ?? 0);
    return { ...edge, callsPerSecond: perSecond(difference < 0 ? edge.calls : difference) };
  });
  const sum = (some: readonly EdgeRates[]): number => some.reduce((total, e) => total + e.callsPerSecond, 0);
  const domains = after.domains.map((d) => {
    const then = before.domains.find(({ name }) => name === d.name);
    return {
      name: d.name,
      state: formatState(d),
      incarnation: d.incarnation,
      cpuPercent: percent(d.cpuMs - (then?.cpuMs ?? 0)),
      callsIn: sum(edges.filter((e) => e.callee === d.name)),
      callsOut: sum(edges.filter((e) => e.caller === d.name)),
      bytes: d.bytes,
      objects: d.objects,
      faults: d.faults,
      restarts: d.incarnation - 1,
    };
  });
  const cpuPercent = percent(after.statistics.cpuMs - before.statistics.cpuMs);
  const inDomains = domains.reduce((total, d) => total + d.cpuPercent, 0);
  return {
    system: after.name,
    pid: after.pid,
    uptimeMs: after.statistics.uptimeMs,
    intervalMs,
    total: {
      callsPerSecond: sum(edges),
      cpuPercent,
      hostPercent: Math.max(0, cpuPercent - inDomains),
      bytes: after.statistics.bytes,
      objects: after.statistics.objects,
    },
    domains: domains.toSorted((a, b) => b.cpuPercent - a.cpuPercent || b.callsIn - a.callsIn),
    edges: edges.toSorted((a, b) => b.callsPerSecond - a.callsPerSecond || b.calls - a.calls),
    edgesLeftOff: after.edgesLeftOff,
  };
}
