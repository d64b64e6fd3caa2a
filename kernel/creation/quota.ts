/**
 * What a domain may consume, and what of it it has lent to its children.
 *
 * Invariant: what a domain uses itself, what it has lent, and what is left are together its limit, at any time; so the
 * limits of all descendants together never exceed their ancestor's.
 */
import type { Domain } from "../domain/domain.ts";
import type { Limits } from "../manifest/manifest.ts";
import type { ExchangeHeap } from "../../shared-heap/heap.ts";

/** Limits that are divided. Times are not: they bound each entry by itself. */
export type Share = { -readonly [K in Exclude<keyof Limits, "sliceMs" | "entryMs">]-?: number };

export const NOTHING: Readonly<Share> = { memoryPages: 0, heapBytes: 0, heapObjects: 0, threads: 0, domains: 0 };
const KEYS = Object.keys(NOTHING) as (keyof Share)[];

/** Private memory counts as what the module may grow to; the exchange heap as what is charged now. */
export function left(heap: ExchangeHeap, domain: Domain): Share {
  const { limits } = domain.entry;
  const { bytes, objects } = heap.charged(domain.id);
  const memoryPages = domain.admitted?.memory?.maximum ?? 0;
  const own = { memoryPages, heapBytes: bytes, heapObjects: objects, threads: domain.threads.live.size, domains: 0 };
  const rest = { ...NOTHING };
  for (const key of KEYS) rest[key] = Math.max(0, limits[key] - domain.lent[key] - own[key]);
  return rest;
}

/** Whether anything of it is at a child, or at an image. */
export function hasLent({ lent }: Domain): boolean {
  return KEYS.some((key) => lent[key] > 0);
}

/** The first of the limits of which less is left than wanted, or null. */
export function lacking(heap: ExchangeHeap, domain: Domain, share: Readonly<Share>): keyof Share | null {
  const rest = left(heap, domain);
  return KEYS.find((key) => share[key] > rest[key]) ?? null;
}

/** Takes a share from a domain, or gives it back (`sign` -1). */
export function lend(heap: ExchangeHeap, domain: Domain, share: Readonly<Share>, sign: 1 | -1 = 1): void {
  for (const key of KEYS) domain.lent[key] += sign * share[key];
  limit(heap, domain);
}

/** Puts what a domain may consume itself where it is looked at. */
export function limit(heap: ExchangeHeap, { id, entry: { limits }, lent, threads }: Domain): void {
  heap.setLimits(id, limits.heapBytes - lent.heapBytes, limits.heapObjects - lent.heapObjects);
  threads.limit = limits.threads - lent.threads;
}
