/**
 * Puts the exchange heap of a system into huge pages, before anything uses it.
 *
 * Invariant: a heap that cannot be put there works all the same; the reason is said.
 */
import { layOut } from "#kernel/memory.ts";
import type { System } from "#runtime/node/system.ts";
import { hugePages } from "../../drivers/vfio/heap.ts";
import { loadNative } from "../../drivers/vfio/native.ts";
import { buildNative } from "./build.ts";

const MIB = 1 << 20;

/**
 * Each arena on its own, so that a device's process is given the memory file of its arena and no more.
 * @param system made, not started yet
 * @returns lines for people: what was had, and why not all
 */
export function backHeap(system: System, note: (line: string) => void): string[] {
  let native;
  try {
    native = loadNative(buildNative(note));
  } catch (error) {
    // Not built, or not for this machine: the heap works all the same.
    return [`no huge pages: ${(error as Error).message}`];
  }
  const memory = system.kernel.heapMemory.buffer as unknown as SharedArrayBuffer;
  const { heap } = system.manifest;
  return layOut(heap.bytes, heap.arenas ?? []).map(({ name, base, bytes }) => {
    const had = hugePages(native, memory, { iova: base, bytes });
    const why = had.reason === "" ? "" : ` (${had.reason})`;
    return `arena ${name}: ${had.bytes / MIB} of ${(bytes / MIB).toFixed(1)} MiB in huge pages${why}`;
  });
}
