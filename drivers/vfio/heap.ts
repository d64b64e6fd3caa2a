/**
 * Memory files below the exchange heap's DMA windows: what another process can be given to map.
 *
 * Invariant: a window is backed once, before anything uses its pages; pages that a real device has pinned stay where
 * they are, so a window is not backed after that.
 */
import type { DmaWindow } from "#kernel/device/backend.ts";
import type { Native, NativeDescriptor } from "./native.ts";

interface Backed {
  readonly window: DmaWindow;
  /** null: pinned by a device as it was. */
  readonly file: NativeDescriptor | null;
}

/** What is known of each heap. */
const HEAPS = new WeakMap<SharedArrayBuffer, Backed[]>();

function known(memory: SharedArrayBuffer): Backed[] {
  const found = HEAPS.get(memory) ?? [];
  HEAPS.set(memory, found);
  return found;
}

const same = (a: DmaWindow, b: DmaWindow): boolean => a.iova === b.iova && a.bytes === b.bytes;
const overlap = (a: DmaWindow, b: DmaWindow): boolean => a.iova < b.iova + b.bytes && b.iova < a.iova + a.bytes;
const shown = ({ iova, bytes }: DmaWindow): string => `the heap's bytes ${iova} to ${iova + bytes}`;

/**
 * The memory file below a window; made when there is none.
 * @throws Error when the pages are in use by a device, or no memory file can be made.
 */
export function memoryFile(native: Native, memory: SharedArrayBuffer, window: DmaWindow): NativeDescriptor {
  const backed = known(memory);
  const found = backed.find((other) => same(other.window, window));
  if (found !== undefined && found.file !== null) return found.file;
  const clash = found ?? backed.find((other) => overlap(other.window, window));
  if (clash !== undefined) {
    const why = clash.file === null ? "are pinned by a device already" : "are in another window in part";
    throw new Error(`${shown(window)} ${why}: open devices of other processes (vfio-user) first`);
  }
  const file = native.back(new Uint8Array(memory, window.iova, window.bytes), false);
  backed.push({ window, file });
  return file;
}

/** Notes that a device has pinned a window's pages. */
export function pinned(memory: SharedArrayBuffer, window: DmaWindow): void {
  const backed = known(memory);
  if (!backed.some((other) => same(other.window, window))) backed.push({ window, file: null });
}

/** What came of a try to put a range of the heap into huge pages. */
export interface HugePages {
  /** Bytes in pages of 2 MiB from the system's pool; 0 when there are none. */
  readonly bytes: number;
  /** Why not all of it, for people; "" when all is. */
  readonly reason: string;
}

/**
 * Puts as much of a window as starts and ends at 2 MiB boundaries into huge pages, or asks for transparent ones.
 * Before any device, thread or process uses the heap. What is in huge pages is a window for `memoryFile` from then on,
 * so an arena for devices of other processes has to be whole huge pages, or none.
 */
export function hugePages(native: Native, memory: SharedArrayBuffer, window: DmaWindow): HugePages {
  const HUGE = 2 << 20;
  const skip = native.hugeOffset(new Uint8Array(memory, window.iova, window.bytes));
  const bytes = Math.floor(Math.max(0, window.bytes - skip) / HUGE) * HUGE;
  if (bytes === 0) return { bytes, reason: `${shown(window)} hold no whole huge page of 2 MiB` };
  const inner = { iova: window.iova + skip, bytes };
  const view = new Uint8Array(memory, inner.iova, bytes);
  if (known(memory).some((other) => overlap(other.window, window)))
    return { bytes: 0, reason: `${shown(window)} are in use already` };
  try {
    const file = native.back(view, true);
    known(memory).push({ window: inner, file });
  } catch (error) {
    return { bytes: 0, reason: fallback(native, view, (error as Error).message) };
  }
  const left = window.bytes - bytes;
  return { bytes, reason: left === 0 ? "" : `${left} bytes lie outside of whole huge pages` };
}

function fallback(native: Native, view: Uint8Array, why: string): string {
  try {
    native.adviseHuge(view);
    return `${why}; transparent huge pages instead`;
  } catch (error) {
    return `${why}; ${(error as Error).message}`;
  }
}
