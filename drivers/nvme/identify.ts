/**
 * What a controller and a namespace say of themselves (NVM Express 1.4, section 5.15.2, figures 245 and 247).
 *
 * Offsets are bytes of the data structure. Invariant: what is taken over has been looked at; nonsense of a device ends
 * in `problem`, never in a number that the driver computes with.
 */
import { Slice } from "os/slice";
import { DmaBatch } from "idl/pci";
import { CQES, SQES } from "./registers";

/* Identify Controller data structure, figure 247. */
const VID: u32 = 0;
const SN: u32 = 4;
const SN_BYTES: i32 = 20;
const MN: u32 = 24;
const MN_BYTES: i32 = 40;
const FR: u32 = 64;
const FR_BYTES: i32 = 8;
const MDTS: u32 = 77;
const ELPE: u32 = 262;
const SQES_AT: u32 = 512;
const CQES_AT: u32 = 513;
const ONCS: u32 = 520;
const VWC: u32 = 525;
/* Optional NVM Command Support. */
const ONCS_COMPARE: u32 = 1;
const ONCS_DATASET_MANAGEMENT: u32 = 4;
const ONCS_WRITE_ZEROES: u32 = 8;

/* Identify Namespace data structure, figure 245. */
const NSZE: u32 = 0;
const FLBAS: u32 = 26;
const LBAF: u32 = 128;

/** Bytes of a page of the controller's memory, with CC.MPS 0; the unit of MDTS where CAP.MPSMIN is 0. */
const PAGE: u32 = 4096;
/** A transfer object's room for data. */
const MOST: u32 = 131_072;
/** The greatest logical block that the driver takes, 4 KiB, and the least, as powers of two. */
const BLOCK_SHIFT: u32 = 12;
const LEAST_SHIFT: u32 = 9;

/** A text of the controller's: ASCII, padded with spaces; what is no printable character becomes a question mark. */
class Label {
  value: string = "";
  private bytes: Slice;

  /** @param at first byte of the data structure, @param length bytes */
  constructor(
    private at: u32,
    private length: i32,
  ) {
    this.bytes = Slice.allocate(length);
    this.bytes.setLength(length);
  }

  /** Nothing is allocated unless it has changed. */
  read(page: DmaBatch): void {
    let changed = this.value.length == 0;
    for (let i = 0; i < this.length; i++) {
      const read = page.bytesGet(this.at + i);
      const byte: u8 = read >= 0x20 && read < 0x7f ? read : read == 0 ? 0x20 : 0x3f;
      if (this.bytes.get(i) != byte) changed = true;
      this.bytes.set(i, byte);
    }
    if (changed) this.value = this.bytes.toText().trimEnd();
  }
}

/** The controller. */
export class Controller {
  vendor: u32 = 0;
  readonly serial: Label = new Label(SN, SN_BYTES);
  readonly model: Label = new Label(MN, MN_BYTES);
  readonly firmware: Label = new Label(FR, FR_BYTES);
  /** Most bytes that a command moves. */
  transfer: u32 = PAGE;
  compares: bool = false;
  manages: bool = false;
  writesZeroes: bool = false;
  cache: bool = false;
  errorEntries: u32 = 0;

  /** @returns what is wrong with it; empty: nothing */
  read(page: DmaBatch): string {
    if ((page.bytesGet(SQES_AT) & 0xf) > <u32>SQES || page.bytesGet(SQES_AT) >> 4 < <u32>SQES) return "SQES";
    if ((page.bytesGet(CQES_AT) & 0xf) > <u32>CQES || page.bytesGet(CQES_AT) >> 4 < <u32>CQES) return "CQES";
    this.vendor = page.bytesLoad<u16>(VID);
    this.serial.read(page);
    this.model.read(page);
    this.firmware.read(page);
    // 0: no limit; a power of two of pages otherwise.
    const mdts = <u32>page.bytesGet(MDTS);
    this.transfer = mdts == 0 || mdts > 5 ? MOST : PAGE << mdts;
    const oncs = page.bytesLoad<u16>(ONCS);
    this.compares = (oncs & ONCS_COMPARE) != 0;
    this.manages = (oncs & ONCS_DATASET_MANAGEMENT) != 0;
    this.writesZeroes = (oncs & ONCS_WRITE_ZEROES) != 0;
    this.cache = (page.bytesGet(VWC) & 1) != 0;
    this.errorEntries = <u32>page.bytesGet(ELPE) + 1;
    return "";
  }
}

/** The namespace. */
export class Namespace {
  id: u32 = 1;
  /** Logical blocks, and the size of one as a power of two. */
  size: u64 = 0;
  shift: u32 = LEAST_SHIFT;

  /** Blocks of 4 KiB. */
  @inline get blocks(): u64 {
    return this.size >> this.perBlockShift;
  }

  /** Logical blocks of a block of 4 KiB, as a power of two. */
  @inline get perBlockShift(): u32 {
    return BLOCK_SHIFT - this.shift;
  }

  /** @returns what is wrong with it; empty: nothing */
  read(page: DmaBatch): string {
    const format = page.bytesLoad<u32>(LBAF + ((<u32>page.bytesGet(FLBAS) & 0xf) << 2));
    const shift = (format >> 16) & 0xff;
    if (shift < LEAST_SHIFT || shift > BLOCK_SHIFT) return "LBADS";
    // Metadata would need a buffer of their own.
    if ((format & 0xffff) != 0) return "MS";
    const size = page.bytesLoad<u64>(NSZE);
    if (size == 0 || size > (<u64>1) << (63 - shift)) return "NSZE";
    this.shift = shift;
    this.size = size;
    return "";
  }
}
