/**
 * A device for tests: it copies memory, and says so with an interrupt.
 *
 * Registers of BAR 0, each 32 bits: 00h identification; 04h scratch; 08h source, 0Ch destination, 10h bytes; 14h start,
 * with the vector to signal; 18h copies done; 1Ch copies refused; 20h vanish. Reads as zero elsewhere.
 */
import type { DeviceModel, ModelHost } from "../../models/model.ts";

export const Reg = {
  ID: 0x00,
  SCRATCH: 0x04,
  SOURCE: 0x08,
  DESTINATION: 0x0c,
  BYTES: 0x10,
  START: 0x14,
  DONE: 0x18,
  REFUSED: 0x1c,
  VANISH: 0x20,
} as const;
export const ID = 0x5a3a_2a01;
export const VECTORS = 40;
export const BAR_BYTES = 0x4000;

export class CopyDevice implements DeviceModel {
  readonly function = {
    vendor: 0x1b36,
    device: 0x00aa,
    classCode: 0x08_80_00,
    revision: 3,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
    bars: [
      { bytes: BAR_BYTES, wide: true },
      { bytes: 0, wide: false },
    ],
    msix: { vectors: VECTORS, bar: 0, table: 0x2000, pba: 0x3000 },
  };
  readonly nextEvent = Infinity;
  readonly #host: ModelHost;
  readonly #registers = new Uint32Array(9);
  #start: number | null = null;

  constructor(host: ModelHost) {
    this.#host = host;
    this.reset();
  }

  read32(_bar: number, offset: number): number {
    return this.#registers[offset / 4] ?? 0;
  }

  write32(_bar: number, offset: number, value: number): void {
    if (offset === Reg.START) this.#start = value;
    if (offset === Reg.VANISH) this.#host.gone("told to");
    if (offset >= Reg.SCRATCH && offset <= Reg.BYTES) this.#registers[offset / 4] = value;
  }

  reset(): void {
    this.#registers.fill(0);
    this.#registers[0] = ID;
    this.#start = null;
  }

  step(): boolean {
    if (this.#start === null) return false;
    const vector = this.#start;
    this.#start = null;
    const [, , source, destination, bytes] = this.#registers;
    const from = this.#host.dma.view(source!, bytes!, false);
    const to = this.#host.dma.view(destination!, bytes!, true);
    if (from !== null && to !== null) to.set(from);
    this.#registers[(from !== null && to !== null ? Reg.DONE : Reg.REFUSED) / 4]!++;
    this.#host.interrupt(vector);
    return true;
  }

  inject(): void {}

  close(): void {}
}
