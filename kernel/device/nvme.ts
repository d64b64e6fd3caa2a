/**
 * The grammar of NVM Express: which registers a driver may touch, which commands it may post, and how much memory each
 * of them moves.
 *
 * An allow-list, which fails closed: a device reads or writes memory only as a command of this file says, so what is
 * not here cannot reach any. Sizes of blocks come from the device's own answers, read before its driver sees them.
 * Pure: no memory, no device. Section numbers are those of NVM Express 1.4.
 */

/** 3.1: offsets in BAR 0. */
export const Register = {
  CAP: 0x00,
  INTMS: 0x0c,
  INTMC: 0x10,
  CC: 0x14,
  CSTS: 0x1c,
  NSSR: 0x20,
  AQA: 0x24,
  ASQ: 0x28,
  ACQ: 0x30,
  CMBLOC: 0x38,
  CMBMSC: 0x50,
} as const;
/** 3.1.25: here the doorbells begin. Before them nothing happens by a read. */
export const DOORBELLS = 0x1000;
/** CC.EN and CSTS.RDY. */
export const ENABLE = 1;
export const READY = 1;
/** 01h mass storage, 08h non-volatile memory, 02h NVM Express. */
export const NVME_CLASS = 0x010802;

/** 5 and 6: opcodes with a rule of their own. */
export const Admin = {
  deleteSq: 0x00,
  createSq: 0x01,
  getLogPage: 0x02,
  deleteCq: 0x04,
  createCq: 0x05,
  identify: 0x06,
  abort: 0x08,
  setFeatures: 0x09,
  getFeatures: 0x0a,
  asyncEventRequest: 0x0c,
} as const;
const Io = { flush: 0x00, write: 0x01, read: 0x02, compare: 0x05, writeZeroes: 0x08, datasetManagement: 0x09 } as const;

/** A rule was broken: its driver ends. */
export class RuleError extends Error {}

/** Instead of a number of bytes: the command is one that is not allowed now; its driver may know no better. */
export const REFUSED = -1;

const IDENTIFY_BYTES = 4096;
/** 5.14.1: error information, SMART, firmware slots, changed namespaces, commands supported and effects. */
const LOG_PAGES = [0x01, 0x02, 0x03, 0x04, 0x05];
const MAX_LOG_BYTES = 1 << 20;
/** 5.21.1: those without a data buffer, from arbitration to asynchronous event configuration; no host memory buffer. */
const FEATURES = [0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b];
/** 5.15.1: namespace, controller, active namespaces, namespace descriptors. */
const IDENTIFY_CNS = [0x00, 0x01, 0x02, 0x03];
export const CNS_NAMESPACE = 0x00;
export const CNS_CONTROLLER = 0x01;
const MAX_NAMESPACE = 1023;
/** log2 of the bytes of a block. With 65,536 blocks of the largest, lengths are still positive. */
const BLOCK_SHIFTS = [9, 14] as const;
/** Protection, streams and reserved bits of DW12 (6.9, 6.15): only NLB, FUA and LR are known here. */
const DW12_RESERVED = 0x3fff0000;
/** 6.16: FUA, LR, DEAC and NLB. */
const DW12_ZEROES_RESERVED = 0x3dff0000;
/** 3.1.5: MPS (10:7), CSS (6:4) and reserved bits must be 0; AMS and SHN are the driver's. */
const CC_ZERO = 0xff0007fe | 0;
const CC_ENTRY_SIZES = 0x00460000;
const CC_ENTRY_MASK = 0x00ff0000;

/** @throws RuleError unless the driver may write this to the register */
export function checkRegister(offset: number, value: number): void {
  if (offset === Register.INTMS || offset === Register.INTMC) return;
  if (offset !== Register.CC) throw new RuleError(`register ${registerName(offset)} is not the driver's to write`);
  const entries = value & CC_ENTRY_MASK;
  const right = entries === CC_ENTRY_SIZES || ((value & ENABLE) === 0 && entries === 0);
  if ((value & CC_ZERO) !== 0 || !right)
    throw new RuleError(`CC = 0x${(value >>> 0).toString(16)}: needs MPS 0, CSS 0, IOSQES 6, IOCQES 4`);
}

function registerName(offset: number): string {
  const at = `0x${offset.toString(16)}`;
  if (offset >= DOORBELLS) return `${at} (a doorbell, or beyond)`;
  // ASQ and ACQ have 64 bits.
  const name = Object.entries(Register).find(([, r]) => r === offset || (r >= Register.ASQ && r + 4 === offset))?.[0];
  return name === undefined ? at : `${at} (${name})`;
}

/** What the kernel has learnt from the device's answers, and what commands mean by it. */
export class Grammar {
  /** log2 of the bytes of a block, by namespace; 0: not known, or a format with metadata. */
  readonly #blockShift = new Uint8Array(MAX_NAMESPACE + 1);
  /** Whether commands that change data are let through. */
  writable: boolean;

  constructor(writable: boolean) {
    this.writable = writable;
  }

  /** After a reset, the device may be another for all that is known. */
  forget(writable: boolean): void {
    this.#blockShift.fill(0);
    this.writable = writable;
  }

  /**
   * 5.15.2.1, Figure 245: takes the size of a block from Identify Namespace.
   * @param dword double word `i` of the data structure
   */
  learnNamespace(nsid: number, dword: (i: number) => number): void {
    const namespace = nsid >>> 0;
    if (namespace === 0 || namespace > MAX_NAMESPACE) return;
    const format = dword(32 + ((dword(6) >>> 16) & 15));
    const [metadata, shift] = [format & 0xffff, (format >>> 16) & 0xff];
    const known = metadata === 0 && shift >= BLOCK_SHIFTS[0] && shift <= BLOCK_SHIFTS[1];
    this.#blockShift[namespace] = known ? shift : 0;
  }

  /**
   * Bytes that an I/O command (6) moves between memory and device; or REFUSED.
   * @throws RuleError for one that is not in the grammar
   */
  io(opcode: number, nsid: number, dw10: number, dw12: number, dw13: number, dw14: number, dw15: number): number {
    switch (opcode) {
      case Io.read:
      case Io.write:
      case Io.compare: {
        if (((dw12 & DW12_RESERVED) | (dw13 & ~0xff) | dw14 | dw15) !== 0) reserved(opcode);
        const shift = nsid >>> 0 <= MAX_NAMESPACE ? this.#blockShift[nsid]! : 0;
        if (shift === 0 || (opcode === Io.write && !this.writable)) return REFUSED;
        return ((dw12 & 0xffff) + 1) << shift;
      }
      case Io.flush:
        if ((dw10 | dw12 | dw13 | dw14 | dw15) !== 0) reserved(opcode);
        return 0;
      case Io.writeZeroes:
        if (((dw12 & DW12_ZEROES_RESERVED) | dw13 | dw14 | dw15) !== 0) reserved(opcode);
        return this.writable ? 0 : REFUSED;
      case Io.datasetManagement:
        if (((dw10 & ~0xff) | dw12 | dw13 | dw14 | dw15) !== 0) reserved(opcode);
        return this.writable ? ((dw10 & 0xff) + 1) * 16 : REFUSED;
      default:
        throw new RuleError(`I/O opcode 0x${opcode.toString(16)} is not in the grammar`);
    }
  }

  /**
   * The same for an admin command (5) that makes or deletes no queue.
   * @throws RuleError for one that is not in the grammar
   */
  admin(opcode: number, dw10: number, dw11: number): number {
    switch (opcode) {
      case Admin.identify:
        if (!IDENTIFY_CNS.includes(dw10))
          throw new RuleError(`Identify with DW10 0x${hex(dw10)} is not in the grammar`);
        return IDENTIFY_BYTES;
      case Admin.getLogPage: {
        const dwords = ((dw10 >>> 16) | ((dw11 & 0xffff) << 16)) >>> 0;
        // Bit 15 asks to keep the event; bits 11:8 and the upper half of DW11 are for pages that are not allowed.
        if (!LOG_PAGES.includes(dw10 & 0x7fff) || dw11 >>> 16 !== 0)
          throw new RuleError(`log page 0x${hex(dw10 & 0x7fff)} is not in the grammar`);
        if (dwords >= MAX_LOG_BYTES / 4) throw new RuleError(`a log page of ${dwords + 1} double words`);
        return (dwords + 1) * 4;
      }
      case Admin.setFeatures:
        if (!FEATURES.includes(dw10)) throw new RuleError(`Set Features 0x${hex(dw10)} is not in the grammar`);
        return 0;
      case Admin.getFeatures:
        // Bits 10:8 select the current, default, saved value or what can be set.
        if (!FEATURES.includes(dw10 & ~0x700)) throw new RuleError(`Get Features 0x${hex(dw10)} is not in the grammar`);
        return 0;
      case Admin.abort:
      case Admin.asyncEventRequest:
        return 0;
      default:
        throw new RuleError(`admin opcode 0x${opcode.toString(16)} is not in the grammar`);
    }
  }
}

function reserved(opcode: number): never {
  throw new RuleError(`I/O opcode 0x${opcode.toString(16)}: a reserved or unsupported bit is set`);
}

function hex(value: number): string {
  return (value >>> 0).toString(16);
}

/** 5.15.2.2: the serial number, bytes 4 to 23 of Identify Controller. */
export function serialOf(data: Uint8Array): string {
  return String.fromCharCode(...data.subarray(4, 24)).trim();
}
