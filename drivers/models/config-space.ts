/**
 * Configuration space of a PCI Express function: a header of type 0 with power management, MSI-X and PCI Express
 * capabilities, built from a description. Sections are of the PCI Express Base Specification 5.0.
 *
 * Invariant: a write changes the bits that a device lets be written, and no others.
 */

/** What a function is, before anybody drives it. */
export interface PciFunction {
  readonly vendor: number;
  readonly device: number;
  /** Base class, sub-class and programming interface, 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystemVendor: number;
  readonly subsystem: number;
  /** Size of each BAR, a power of two of at least 16; 0: none. A BAR with 64 bits takes two places. */
  readonly bars: readonly { readonly bytes: number; readonly wide: boolean }[];
  readonly msix: { readonly vectors: number; readonly bar: number; readonly table: number; readonly pba: number };
}

/** Register offsets, 7.5.1. */
export const Config = {
  VENDOR_ID: 0x00,
  DEVICE_ID: 0x02,
  COMMAND: 0x04,
  STATUS: 0x06,
  REVISION_ID: 0x08,
  CLASS_CODE: 0x09,
  HEADER_TYPE: 0x0e,
  BAR0: 0x10,
  SUBSYSTEM_VENDOR_ID: 0x2c,
  SUBSYSTEM_ID: 0x2e,
  CAPABILITIES_POINTER: 0x34,
  INTERRUPT_LINE: 0x3c,
} as const;
/** COMMAND, 7.5.1.1.3. */
export const COMMAND_MEMORY_SPACE_ENABLE = 1 << 1;
export const COMMAND_BUS_MASTER_ENABLE = 1 << 2;
const COMMAND_WRITABLE = 0x0547;
const STATUS_CAPABILITIES_LIST = 1 << 4;

const PM = 0x40;
const PM_CONTROL = PM + 4;
const PM_NO_SOFT_RESET = 1 << 3;
export const MSIX = 0x50;
/** Message Control of MSI-X, 7.7.2.2. */
export const MSIX_CONTROL = MSIX + 2;
export const MSIX_ENABLE = 1 << 15;
export const MSIX_FUNCTION_MASK = 1 << 14;
const EXPRESS = 0x80;
const DEVICE_CONTROL = EXPRESS + 8;
/** A bit's number. */
const INITIATE_FLR = 15;
const DEVICE_CONTROL_FIRST = 0x2810;

export const CONFIG_BYTES = 4096;

export class ConfigSpace {
  readonly bytes = new Uint8Array(CONFIG_BYTES);
  readonly #mask = new Uint8Array(CONFIG_BYTES);
  readonly #first: Uint8Array;
  /** Called after a write to COMMAND or to MSI-X's Message Control. */
  onControl: () => void = () => {};
  /** Called when the driver starts a function level reset; the space has its first values then, BARs included. */
  onReset: () => void = () => {};

  constructor(about: PciFunction) {
    this.#header(about);
    this.#bars(about);
    this.#powerManagement();
    this.#msix(about);
    this.#express();
    this.#first = this.bytes.slice();
  }

  get busMaster(): boolean {
    return (this.bytes[Config.COMMAND]! & COMMAND_BUS_MASTER_ENABLE) !== 0;
  }

  get memoryDecoding(): boolean {
    return (this.bytes[Config.COMMAND]! & COMMAND_MEMORY_SPACE_ENABLE) !== 0;
  }

  get msixControl(): number {
    return this.read(MSIX_CONTROL, 2);
  }

  /** @param width 1, 2 or 4 bytes @returns unsigned; all ones outside the space and where the access is not aligned */
  read(offset: number, width: number): number {
    if (!valid(offset, width)) return width === 4 ? 0xffff_ffff : 2 ** (8 * width) - 1;
    let value = 0;
    for (let i = width - 1; i >= 0; i--) value = value * 256 + this.bytes[offset + i]!;
    return value;
  }

  /** Writes the bits that can be written; ignores accesses that are outside the space or not aligned. */
  write(offset: number, width: number, value: number): void {
    if (!valid(offset, width)) return;
    const flr = offset <= DEVICE_CONTROL + 1 && offset + width > DEVICE_CONTROL + 1;
    const bit = INITIATE_FLR + 8 * (DEVICE_CONTROL - offset);
    if (flr && ((value >>> bit) & 1) !== 0) return this.#functionLevelReset();
    for (let i = 0; i < width; i++) {
      const mask = this.#mask[offset + i]!;
      this.bytes[offset + i] = (this.bytes[offset + i]! & ~mask) | ((value >>> (8 * i)) & mask);
    }
    if (touches(offset, width, Config.COMMAND) || touches(offset, width, MSIX_CONTROL)) this.onControl();
  }

  /** First values everywhere. */
  reset(): void {
    this.bytes.set(this.#first);
    this.onControl();
  }

  #functionLevelReset(): void {
    this.reset();
    this.onReset();
  }

  #put(offset: number, width: number, value: number, writable = 0): void {
    for (let i = 0; i < width; i++) {
      this.bytes[offset + i] = (value >>> (8 * i)) & 0xff;
      this.#mask[offset + i] = (writable >>> (8 * i)) & 0xff;
    }
  }

  #header(about: PciFunction): void {
    this.#put(Config.VENDOR_ID, 2, about.vendor);
    this.#put(Config.DEVICE_ID, 2, about.device);
    this.#put(Config.COMMAND, 2, 0, COMMAND_WRITABLE);
    this.#put(Config.STATUS, 2, STATUS_CAPABILITIES_LIST);
    this.#put(Config.REVISION_ID, 1, about.revision);
    this.#put(Config.CLASS_CODE, 3, about.classCode);
    this.#put(Config.SUBSYSTEM_VENDOR_ID, 2, about.subsystemVendor);
    this.#put(Config.SUBSYSTEM_ID, 2, about.subsystem);
    this.#put(Config.CAPABILITIES_POINTER, 1, PM);
    this.#put(Config.INTERRUPT_LINE, 1, 0, 0xff);
  }

  /** 7.5.1.2.1: who writes all ones to a BAR reads back which address bits it decodes. */
  #bars(about: PciFunction): void {
    about.bars.forEach(({ bytes, wide }, i) => {
      if (bytes === 0) return;
      if ((bytes & (bytes - 1)) !== 0 || bytes < 16) throw new Error(`BAR ${i}: ${bytes} bytes is no power of two`);
      this.#put(Config.BAR0 + 4 * i, 4, wide ? 0b100 : 0, ~(bytes - 1));
      if (wide) this.#put(Config.BAR0 + 4 * i + 4, 4, 0, 0xffff_ffff);
    });
  }

  /** 7.5.2: version 3, no states but D0 and D3hot, nothing is lost between them. */
  #powerManagement(): void {
    this.#put(PM, 2, 0x01 | (MSIX << 8));
    this.#put(PM + 2, 2, 0x0003);
    this.#put(PM_CONTROL, 2, PM_NO_SOFT_RESET, 0x0003);
  }

  /** 7.7.2. */
  #msix({ msix }: PciFunction): void {
    this.#put(MSIX, 2, 0x11 | (EXPRESS << 8));
    this.#put(MSIX_CONTROL, 2, msix.vectors - 1, MSIX_ENABLE | MSIX_FUNCTION_MASK);
    this.#put(MSIX + 4, 4, msix.table | msix.bar);
    this.#put(MSIX + 8, 4, msix.pba | msix.bar);
  }

  /** 7.5.3: an endpoint, version 2, four lanes of 8 GT/s, with function level reset. */
  #express(): void {
    this.#put(EXPRESS, 4, 0x10 | (0x0002 << 16));
    this.#put(EXPRESS + 0x04, 4, 0x1000_8000);
    this.#put(DEVICE_CONTROL, 2, DEVICE_CONTROL_FIRST, 0x7fff);
    this.#put(EXPRESS + 0x0c, 4, 0x0000_0043);
    this.#put(EXPRESS + 0x10, 2, 0, 0x0fc3);
    this.#put(EXPRESS + 0x12, 2, 0x0043);
    this.#put(EXPRESS + 0x2c, 4, 0x0000_000e);
    this.#put(EXPRESS + 0x30, 2, 0x0003, 0x00ff);
  }
}

function valid(offset: number, width: number): boolean {
  return (width === 1 || width === 2 || width === 4) && offset >= 0 && offset % width === 0 && offset < CONFIG_BYTES;
}

function touches(offset: number, width: number, register: number): boolean {
  return offset < register + 2 && offset + width > register;
}
