/**
 * What this process has of threads and memories, for all systems in it together.
 *
 * V8 aborts the process when the kernel refuses it one more map, so the budgets stay within `vm.max_map_count`.
 */
import { readFileSync } from "node:fs";
import { Budget, type Budgets } from "../../kernel/thread/budget.ts";

/** Maps that each thread's stack and each memory take, and those that Node, V8's heap and code are left. */
const MAPS_EACH = 2;
const MAPS_RESERVED = 8_192;
/** V8's own ceilings are near 30,000 suspended stacks and 16,000 memories. */
const MAX_THREADS = 20_000;
const MAX_MEMORIES = 15_000;
/** Of the maps that are left, threads get this share. */
const THREAD_SHARE = 0.6;
/** Linux's default; other systems have no such limit. */
const DEFAULT_MAPS = 65_530;

/** Budgets for a process that may have so many maps. */
export function budgetsFor(maps: number): Budgets {
  const each = Math.max(0, maps - MAPS_RESERVED) / MAPS_EACH;
  return {
    threads: new Budget(Math.min(MAX_THREADS, Math.floor(each * THREAD_SHARE))),
    memories: new Budget(Math.min(MAX_MEMORIES, Math.floor(each * (1 - THREAD_SHARE)))),
  };
}

function maxMaps(): number {
  try {
    return Number(readFileSync("/proc/sys/vm/max_map_count", "utf8")) || DEFAULT_MAPS;
  } catch {
    return DEFAULT_MAPS;
  }
}

export const processBudgets = budgetsFor(maxMaps());
