/**
 * The shared memories of a kernel, the arenas of its heap, and the types of its objects, made once.
 *
 * Invariant: both memories have their final size from the beginning, because views of a memory that grows go stale.
 */
import type { Model } from "./interface/model.ts";
import type { ResolvedArena } from "./manifest/manifest.ts";
import type { Arena, ExchangeHeap } from "../shared-heap/heap.ts";

export const PAGE = 65536;

export function sharedMemory(pages: number): WebAssembly.Memory {
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
}

/** The general arena, which is arena 0 and lacks the heap's first page, and the others at the heap's end. */
export function layOut(heapBytes: number, others: readonly ResolvedArena[]): Arena[] {
  let base = heapBytes - others.reduce((sum, { bytes }) => sum + bytes, 0);
  const arenas: Arena[] = [{ name: "main", base: PAGE, bytes: base - PAGE }];
  for (const { name, bytes } of others) {
    arenas.push({ name, base, bytes });
    base += bytes;
  }
  return arenas;
}

/** Gives every exchangeable type of the model a ledger type id. */
export function registerTypes(heap: ExchangeHeap, model: Model): Map<string, number> {
  for (const [key, type] of Object.entries(model.types)) heap.types.define(key, type);
  return new Map(Object.keys(model.types).map((key) => [key, heap.types.id(key)]));
}
