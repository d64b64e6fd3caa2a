/**
 * A device model as a PCI function whose regions and vectors a client reaches.
 *
 * Invariant: a model sees aligned accesses of 32 bits to BARs that it has, in the client's order, whatever the client
 * asks for; its memory is the client's windows, its interrupts the client's eventfds.
 */
import { ConfigSpace } from "../models/config-space.ts";
import type { DeviceModel, ModelHost } from "../models/model.ts";
import type { NativeDescriptor } from "./native.ts";
import { CONFIG_BYTES } from "./pci.ts";
import { Errno, REGION_CONFIG } from "./wire.ts";
import { Windows } from "./windows.ts";

export class ServedDevice {
  readonly windows = new Windows();
  readonly model: DeviceModel;
  readonly #config: ConfigSpace;
  readonly #vectors: (NativeDescriptor | null)[];
  #gone = false;

  /** @param make makes the model for the host that it is given */
  constructor(make: (host: ModelHost) => DeviceModel) {
    this.model = make({
      dma: this.windows,
      interrupt: (vector) => this.signal(vector),
      now: () => performance.now(),
      gone: () => void (this.#gone = true),
    });
    this.#config = new ConfigSpace(this.model.function);
    this.#config.onControl = () => void (this.windows.busMaster = this.#config.busMaster);
    this.#config.onReset = () => this.model.reset();
    this.#vectors = Array.from({ length: this.model.function.msix.vectors }, () => null);
  }

  get vectors(): number {
    return this.#vectors.length;
  }

  /** Bytes of a region; 0: there is none. */
  regionBytes(region: number): number {
    if (region === REGION_CONFIG) return CONFIG_BYTES;
    return this.model.function.bars[region]?.bytes ?? 0;
  }

  /** Takes over the eventfd of a vector, or null for none. */
  setVector(vector: number, eventfd: NativeDescriptor | null): void {
    this.#vectors[vector]?.close();
    eventfd?.nonblocking();
    this.#vectors[vector] = eventfd;
  }

  signal(vector: number): void {
    try {
      this.#vectors[vector]?.signal();
    } catch {
      // No eventfd, or nobody at its other end: the client's own loss, once.
      this.setVector(vector, null);
    }
  }

  reset(): void {
    this.#config.reset();
    this.model.reset();
  }

  /** The client is gone: what it gave is given back, the device keeps its state. */
  release(): void {
    this.windows.clear();
    for (let vector = 0; vector < this.#vectors.length; vector++) this.setVector(vector, null);
  }

  /** Reads part of a region, which holds it. @returns 0 or an errno */
  read(region: number, offset: number, into: Uint8Array): number {
    if (this.#gone) into.fill(0xff);
    else if (region === REGION_CONFIG) this.#readConfig(offset, into);
    else if (!this.#config.memoryDecoding) into.fill(0xff);
    else this.#readBar(region, offset, into);
    return 0;
  }

  /** Writes part of a region, which holds it. @returns 0 or an errno */
  write(region: number, offset: number, from: Uint8Array): number {
    if (this.#gone) return 0;
    if (region === REGION_CONFIG) return this.#writeConfig(offset, from);
    if (!this.#config.memoryDecoding) return 0;
    // What a device does with less than a register is nowhere specified; no driver does it.
    if (offset % 4 !== 0 || from.length % 4 !== 0) return Errno.EINVAL;
    const view = new DataView(from.buffer, from.byteOffset, from.length);
    for (let at = 0; at < from.length; at += 4)
      if (!this.#isMsix(region, offset + at)) this.model.write32(region, offset + at, view.getUint32(at, true));
    return 0;
  }

  /** Table and pending bits: a client sends its interrupts itself, and masks them itself. */
  #isMsix(bar: number, offset: number): boolean {
    const { msix } = this.model.function;
    const inTable = offset >= msix.table && offset < msix.table + 16 * msix.vectors;
    const inPending = offset >= msix.pba && offset < msix.pba + 8 * Math.ceil(msix.vectors / 64);
    return bar === msix.bar && (inTable || inPending);
  }

  #readBar(bar: number, offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length;) {
      const inside = (offset + at) % 4;
      const word = this.model.read32(bar, offset + at - inside);
      for (let i = inside; i < 4 && at < into.length; i++) into[at++] = (word >>> (8 * i)) & 0xff;
    }
  }

  #readConfig(offset: number, into: Uint8Array): void {
    for (let at = 0; at < into.length; at++) into[at] = this.#config.read(offset + at, 1);
  }

  /** In accesses of their natural size: a register is written whole. */
  #writeConfig(offset: number, from: Uint8Array): number {
    for (let at = 0; at < from.length;) {
      const left = from.length - at;
      const width = (offset + at) % 4 === 0 && left >= 4 ? 4 : (offset + at) % 2 === 0 && left >= 2 ? 2 : 1;
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + from[at + i]!;
      this.#config.write(offset + at, width, value);
      at += width;
    }
    return 0;
  }
}
