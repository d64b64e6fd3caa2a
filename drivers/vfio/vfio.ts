/**
 * The back end for a real PCI device: bound to vfio-pci, its registers mapped, memory through its own IOMMU space.
 *
 * Source: Linux, Documentation/driver-api/vfio.rst. Invariants: the device reaches the windows that were mapped and
 * nothing else, the IOMMU sees to it; a register is reached only between `start` and `quiesce`, because the system
 * answers an access to a function that does not decode memory with a signal; a device that is gone reads as all ones.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";
import { pinned } from "./heap.ts";
import { errnoOf } from "./native.ts";
import type { Native, NativeMapping, NativeVfioDevice } from "./native.ts";
import { BARS, BUS_MASTER, COMMAND, MEMORY_SPACE, ONES } from "./pci.ts";
import { checkConfigAccess, ones, readIdentity, touchesCommand } from "./pci.ts";
import { Vectors } from "./vectors.ts";

/** Region of the configuration space, and kinds of interrupts (linux/vfio.h). */
const CONFIG_REGION = 7;
const MSI = 1;
const MSIX = 2;
const ERROR = 3;
const REQUEST = 4;
/** `NativeVfioDevice.resetState`. */
const RESET_RUNS = 1;
const RESET_FAILED = 2;

/** A mapped part of a BAR. */
interface Part {
  readonly start: number;
  readonly words: Uint32Array;
  readonly buffer: ArrayBuffer;
  readonly mapping: NativeMapping;
}

/**
 * Whether a 32-bit store of a typed array is one 32-bit store to a register. It is on x86-64, which also keeps stores
 * in order; elsewhere the shim makes it, with a barrier. Loads go through `Atomics`, which no engine merges or drops.
 */
const DIRECT = process.arch === "x64";
/** Both ends of a mapping are pages. */
const PAGE = 4096;

class VfioBackend implements DeviceBackend {
  readonly name: string;
  readonly real = true;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;

  readonly #native: Native;
  readonly #device: NativeVfioDevice;
  readonly #parts: readonly (readonly Part[])[];
  readonly #irqs: readonly number[];
  readonly #watched: Vectors[] = [];
  #vectors: Vectors | null = null;
  #vectorKind = 0;
  #memory: SharedArrayBuffer | null = null;
  #windows: readonly DmaWindow[] = [];
  #mapped = false;
  /** Registers may be reached: memory decoding is on, and no reset is under way. */
  #live = false;
  #quiescing: Promise<void> | null = null;
  /** Changes with each reset, and when one was seen to be over. */
  #turn = 0;
  #closed = false;

  constructor(native: Native, bdf: string, device: NativeVfioDevice) {
    this.#native = native;
    this.#device = device;
    this.name = `vfio:${bdf}`;
    const regions = device.regions();
    this.bars = regions.slice(0, BARS).map(({ bytes }) => ({ bytes }));
    this.identity = readIdentity((offset, width) => this.configRead(offset, width));
    this.#irqs = device.irqs();
    this.#parts = regions
      .slice(0, BARS)
      .map((region, bar) =>
        region.areas.filter((a) => a.bytes >= PAGE && a.bytes % PAGE === 0).map((a) => this.#mapPart(bar, a)),
      );
    this.#watch(ERROR, "the device reported an error that it cannot recover from");
    this.#watch(REQUEST, "the system asks for the device back: it is being unbound or removed");
  }

  #mapPart(bar: number, area: { offset: number; bytes: number }): Part {
    const mapping = this.#device.map(bar, area.offset, area.bytes);
    const buffer = mapping.buffer();
    return { start: area.offset, words: new Uint32Array(buffer), buffer, mapping };
  }

  #watch(kind: number, text: string): void {
    if ((this.#irqs[kind] ?? 0) === 0) return;
    const vectors = new Vectors(this.#native, 1, () => this.onEvent?.({ kind: "gone", text }));
    this.#device.enableIrqs(kind, vectors.native);
    this.#watched.push(vectors);
  }

  configRead(offset: number, width: ConfigWidth): number {
    checkConfigAccess(offset, width);
    try {
      return this.#device.read(CONFIG_REGION, offset, width);
    } catch {
      return ones(width);
    }
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    checkConfigAccess(offset, width);
    try {
      this.#device.write(CONFIG_REGION, offset, width, value >>> 0);
    } catch {
      // Gone: a bus drops what nobody takes.
    }
    if (touchesCommand(offset, width) && (this.configRead(COMMAND, 2) & MEMORY_SPACE) === 0) this.#live = false;
  }

  read32(bar: number, offset: number): number {
    if (!this.#live) return ONES;
    const parts = this.#parts[bar]!;
    for (let i = 0; i < parts.length; i++) {
      const { start, words, mapping } = parts[i]!;
      const word = (offset - start) >>> 2;
      if (offset < start || word >= words.length) continue;
      return DIRECT ? Atomics.load(words, word) : mapping.load32(offset - start);
    }
    return this.#slowRead(bar, offset);
  }

  write32(bar: number, offset: number, value: number): void {
    if (!this.#live) return;
    const parts = this.#parts[bar]!;
    for (let i = 0; i < parts.length; i++) {
      const { start, words, mapping } = parts[i]!;
      const word = (offset - start) >>> 2;
      if (offset < start || word >= words.length) continue;
      // A plain store: an atomic one would be an exchange, which also reads the register.
      if (DIRECT) words[word] = value;
      else mapping.store32(offset - start, value >>> 0);
      return;
    }
    this.#slowWrite(bar, offset, value);
  }

  /** Parts that may not be mapped, such as the page of the MSI-X table on older systems. */
  #slowRead(bar: number, offset: number): number {
    try {
      return this.#device.read(bar, offset, 4);
    } catch {
      return ONES;
    }
  }

  #slowWrite(bar: number, offset: number, value: number): void {
    try {
      this.#device.write(bar, offset, 4, value >>> 0);
    } catch {
      // Gone, or no such register: dropped, as on a bus.
    }
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.#memory = memory;
    this.#windows = [...windows];
    this.#mapWindows();
  }

  #mapWindows(): void {
    for (const { iova, bytes } of this.#windows) {
      try {
        this.#device.dmaMap(new Uint8Array(this.#memory!, iova, bytes), iova);
        pinned(this.#memory!, { iova, bytes });
      } catch (error) {
        const hint = errnoOf(error) === "ENOMEM" ? "; is the limit of locked memory (ulimit -l) large enough?" : "";
        throw new Error(`${(error as Error).message}${hint}`, { cause: error });
      }
    }
    this.#mapped = true;
  }

  #unmapWindows(): void {
    for (const { iova, bytes } of this.#windows) this.#device.dmaUnmap(iova, bytes);
    this.#mapped = false;
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    this.#dropVectors();
    const kind = this.#irqs[MSIX]! > 0 ? MSIX : MSI;
    const count = Math.min(vectors, this.#irqs[kind] ?? 0);
    if (count === 0) return 0;
    const made = new Vectors(this.#native, count, fired);
    try {
      this.#device.enableIrqs(kind, made.native);
    } catch {
      // Too few in the system, or the device is gone: its driver polls.
      made.close();
      return 0;
    }
    this.#vectors = made;
    this.#vectorKind = kind;
    return count;
  }

  #dropVectors(): void {
    if (this.#vectors === null) return;
    try {
      this.#device.disableIrqs(this.#vectorKind);
    } catch {
      // Gone, with its interrupts.
    }
    this.#vectors.close();
    this.#vectors = null;
  }

  start(): void {
    if (this.#quiescing !== null) throw new Error(`${this.name}: started while it is being reset`);
    try {
      if (!this.#mapped) this.#mapWindows();
    } catch (error) {
      // Without memory it must not become a bus master. From the event loop, never from within a call.
      const text = `its memory cannot be mapped again: ${(error as Error).message}`;
      setImmediate(() => this.onEvent?.({ kind: "gone", text }));
      return;
    }
    this.configWrite(COMMAND, 2, this.configRead(COMMAND, 2) | MEMORY_SPACE | BUS_MASTER);
    this.#live = (this.configRead(COMMAND, 2) & MEMORY_SPACE) !== 0;
  }

  quiesce(): Promise<void> {
    if (this.#quiescing !== null) return this.#quiescing;
    this.configWrite(COMMAND, 2, this.configRead(COMMAND, 2) & ~BUS_MASTER);
    this.#live = false;
    this.#dropVectors();
    // One that failed stays: `quiesced` must never take it for an end.
    const quiescing = this.#reset().then(() => {
      if (this.#quiescing === quiescing) this.#quiescing = null;
    });
    this.#quiescing = quiescing;
    return quiescing;
  }

  /** Resets; a function that has no reset, or that fails to, loses its mappings instead, until the next start. */
  async #reset(): Promise<void> {
    const turn = ++this.#turn;
    try {
      await this.#device.reset();
    } catch {
      // Unless somebody who could not wait has seen to it.
      if (turn === this.#turn && this.#mapped) this.#unmapWindows();
    }
  }

  quiesced(): boolean {
    if (this.#quiescing === null) return true;
    const state = this.#device.resetState();
    if (state === RESET_RUNS) return false;
    try {
      if (state === RESET_FAILED && this.#mapped) this.#unmapWindows();
    } catch {
      // The promise says why.
      return false;
    }
    this.#turn++;
    this.#quiescing = null;
    return true;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    if (this.#quiescing !== null) await this.#quiescing.catch(() => {});
    this.#live = false;
    this.#dropVectors();
    for (const vectors of this.#watched) vectors.close();
    for (const { mapping, buffer } of this.#parts.flat()) mapping.close(buffer);
    if (this.#mapped) this.#unmapWindows();
    this.#device.close();
  }
}

/**
 * Opens a device.
 * @param bdf "0000:00:04.0": domain, bus, device and function, in hexadecimal
 * @throws Error naming the errno and the path: not bound to vfio-pci, its group in use or not viable, no IOMMU.
 */
export function openVfio(native: Native, bdf: string): DeviceBackend {
  if (!/^[0-9a-f]{4,}:[0-9a-f]{2}:[0-1][0-9a-f]\.[0-7]$/.test(bdf))
    throw new Error(`vfio: "${bdf}" is no PCI address, such as 0000:00:04.0`);
  const device = new native.VfioDevice(`/sys/bus/pci/devices/${bdf}`);
  try {
    return new VfioBackend(native, bdf, device);
  } catch (error) {
    device.close();
    throw error;
  }
}
