/**
 * The back end for a device that another process serves over a UNIX socket: our own server (serve.ts), SPDK, QEMU.
 *
 * Source: QEMU, docs/interop/vfio-user.rst. Invariants: the server gets the memory of the windows and no other, as
 * memory files; a server that is slow, gone or talks nonsense is a device that is gone, and never an exception.
 * A server is trusted with the windows' bytes: it has them mapped, so that `quiesce` rests on its word.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";
import { memoryFile } from "./heap.ts";
import type { Native } from "./native.ts";
import { BARS, BUS_MASTER, COMMAND, MEMORY_SPACE, ONES } from "./pci.ts";
import { checkConfigAccess, ones, readIdentity } from "./pci.ts";
import { Session } from "./session.ts";
import { Vectors } from "./vectors.ts";
import * as wire from "./wire.ts";
import { Command, Size } from "./wire.ts";

/** How long an access waits for the server, and how long a reset does, milliseconds. */
const PATIENCE_MS = 1_000;
const RESET_MS = 5_000;
/** How often somebody looks whether the server is still there, milliseconds. */
const LOOK_MS = 100;

class VfioUserBackend implements DeviceBackend {
  readonly name: string;
  readonly real = true;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;

  readonly #native: Native;
  readonly #session: Session;
  readonly #most: number;
  readonly #looking: NodeJS.Timeout;
  #vectors: Vectors | null = null;
  #live = false;
  #quiescing: Promise<void> | null = null;

  constructor(native: Native, path: string) {
    this.#native = native;
    this.name = `vfio-user:${path}`;
    // From the event loop, never from within an access.
    this.#session = new Session(native, path, PATIENCE_MS, (why) =>
      setImmediate(() => this.onEvent?.({ kind: "gone", text: `${this.name}: ${why}` })),
    );
    try {
      this.#checkDevice();
      this.bars = Array.from({ length: BARS }, (_, bar) => ({ bytes: this.#regionBytes(bar) }));
      this.identity = readIdentity((offset, width) => this.configRead(offset, width));
      this.#most = this.#vectorCount();
    } catch (error) {
      this.#session.close();
      throw error;
    }
    this.#looking = setInterval(() => this.#session.look(), LOOK_MS).unref();
  }

  #checkDevice(): void {
    const { out, in: reply } = this.#session;
    for (let at = 0; at < Size.DEVICE_INFO; at += 4) out.setU32(at, 0);
    out.setU32(0, Size.DEVICE_INFO);
    this.#session.request(Command.DEVICE_GET_INFO, Size.DEVICE_INFO, Size.DEVICE_INFO);
    const wanted = wire.VFIO_DEVICE_FLAGS_PCI | wire.VFIO_DEVICE_FLAGS_RESET;
    if ((reply.u32(4) & wanted) !== wanted) throw new Error(`${this.name}: no PCI device with a reset`);
    if (reply.u32(8) <= wire.REGION_CONFIG || reply.u32(12) <= wire.IRQ_MSIX)
      throw new Error(
        `${this.name}: ${reply.u32(8)} regions and ${reply.u32(12)} kinds of interrupts are no PCI device`,
      );
  }

  #regionBytes(region: number): number {
    const { out, in: reply } = this.#session;
    for (let at = 0; at < Size.REGION_INFO; at += 4) out.setU32(at, 0);
    out.setU32(0, Size.REGION_INFO);
    out.setU32(8, region);
    this.#session.request(Command.DEVICE_GET_REGION_INFO, Size.REGION_INFO, Size.REGION_INFO);
    // A part that could be mapped is reached by messages like all others.
    for (const descriptor of this.#session.takeDescriptors()) descriptor.close();
    const bytes = reply.u64(16);
    if (Number.isNaN(bytes)) throw new Error(`${this.name}: region ${region} has no possible size`);
    return bytes;
  }

  #vectorCount(): number {
    const { out, in: reply } = this.#session;
    for (let at = 0; at < Size.IRQ_INFO; at += 4) out.setU32(at, 0);
    out.setU32(0, Size.IRQ_INFO);
    out.setU32(8, wire.IRQ_MSIX);
    this.#session.request(Command.DEVICE_GET_IRQ_INFO, Size.IRQ_INFO, Size.IRQ_INFO);
    return Math.min(reply.u32(12), 2048);
  }

  /** @returns the value, or all ones */
  #read(region: number, offset: number, width: ConfigWidth): number {
    const { out, in: reply } = this.#session;
    out.setU64(0, offset);
    out.setU32(8, region);
    out.setU32(12, width);
    try {
      this.#session.request(Command.REGION_READ, Size.REGION_ACCESS, Size.REGION_ACCESS + width);
    } catch {
      return ones(width);
    }
    // What stands behind the bytes that were asked for is the server's own.
    const word = reply.u32(Size.REGION_ACCESS);
    return width === 4 ? word : word & ones(width);
  }

  #write(region: number, offset: number, width: ConfigWidth, value: number): void {
    const { out } = this.#session;
    out.setU64(0, offset);
    out.setU32(8, region);
    out.setU32(12, width);
    out.setU32(Size.REGION_ACCESS, value);
    try {
      this.#session.request(Command.REGION_WRITE, Size.REGION_ACCESS + width, 0);
    } catch {
      // Gone, or no such register: dropped, as on a bus.
    }
  }

  configRead(offset: number, width: ConfigWidth): number {
    checkConfigAccess(offset, width);
    return this.#read(wire.REGION_CONFIG, offset, width);
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    checkConfigAccess(offset, width);
    this.#write(wire.REGION_CONFIG, offset, width, value);
  }

  read32(bar: number, offset: number): number {
    return this.#live ? this.#read(bar, offset, 4) : ONES;
  }

  write32(bar: number, offset: number, value: number): void {
    if (this.#live) this.#write(bar, offset, 4, value);
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    const { out } = this.#session;
    for (const window of windows) {
      const file = memoryFile(this.#native, memory, window);
      out.setU32(0, Size.DMA_MAP);
      out.setU32(4, wire.VFIO_DMA_MAP_FLAG_READ | wire.VFIO_DMA_MAP_FLAG_WRITE);
      out.setU64(8, 0);
      out.setU64(16, window.iova);
      out.setU64(24, window.bytes);
      this.#session.attach(file);
      this.#session.request(Command.DMA_MAP, Size.DMA_MAP, 0);
    }
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    this.#dropVectors();
    const count = Math.min(vectors, this.#most);
    if (count === 0 || this.#session.gone) return 0;
    const made = new Vectors(this.#native, count, fired);
    try {
      for (let first = 0; first < count; first += this.#session.mostDescriptors) {
        const part = Math.min(this.#session.mostDescriptors, count - first);
        this.#session.attachVectors(made.native, first, part);
        this.#setIrqs(wire.VFIO_IRQ_SET_DATA_EVENTFD, first, part);
      }
    } catch {
      // Refused, or gone: a device without interrupts.
      made.close();
      return 0;
    }
    this.#vectors = made;
    return count;
  }

  #setIrqs(data: number, start: number, count: number): void {
    const { out } = this.#session;
    out.setU32(0, Size.IRQ_SET);
    out.setU32(4, data | wire.VFIO_IRQ_SET_ACTION_TRIGGER);
    out.setU32(8, wire.IRQ_MSIX);
    out.setU32(12, start);
    out.setU32(16, count);
    this.#session.request(Command.DEVICE_SET_IRQS, Size.IRQ_SET, 0);
  }

  #dropVectors(): void {
    if (this.#vectors === null) return;
    this.#vectors.close();
    this.#vectors = null;
    try {
      this.#setIrqs(wire.VFIO_IRQ_SET_DATA_NONE, 0, 0);
    } catch {
      // Whoever is gone signals nothing.
    }
  }

  start(): void {
    if (this.#quiescing !== null) throw new Error(`${this.name}: started while it is being reset`);
    this.configWrite(COMMAND, 2, this.configRead(COMMAND, 2) | MEMORY_SPACE | BUS_MASTER);
    this.#live = true;
  }

  quiesce(): Promise<void> {
    if (this.#quiescing !== null) return this.#quiescing;
    this.#live = false;
    this.configWrite(COMMAND, 2, this.configRead(COMMAND, 2) & ~BUS_MASTER);
    this.#dropVectors();
    // One that failed stays: `quiesced` must never take it for an end.
    const quiescing = this.#session.reset(RESET_MS).then(() => {
      if (this.#quiescing === quiescing) this.#quiescing = null;
    });
    this.#quiescing = quiescing;
    return quiescing;
  }

  quiesced(): boolean {
    if (this.#quiescing !== null && !this.#session.resetDone()) return false;
    this.#quiescing = null;
    return true;
  }

  async close(): Promise<void> {
    clearInterval(this.#looking);
    this.#live = false;
    if (this.#quiescing !== null) await this.#quiescing.catch(() => {});
    this.#dropVectors();
    this.#session.close();
  }
}

/**
 * Connects to a device.
 * @param path of the socket
 * @throws Error naming errno and path when nobody listens, or what the server said wrongly.
 */
export function connectVfioUser(native: Native, path: string): DeviceBackend {
  return new VfioUserBackend(native, path);
}
