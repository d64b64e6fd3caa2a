/**
 * The registers of an NVM Express controller, by name and field: NVM Express 1.4, section 3.1.
 *
 * Invariant: names, offsets and fields are the specification's. Registers of 64 bits are accessed by halves, so each
 * half stands for itself; the upper one is called NAME+4.
 */
import { bits, configMeaning, hex, showFields, type Field, type Meaning, type Register } from "./registers.ts";

const register = (name: string, ...fields: Field[]): Register => ({ name, fields });

/** By offset in BAR 0. */
export const NVME_REGISTERS: Readonly<Record<number, Register>> = {
  // 3.1.1
  0x00: register("CAP", ["MQES", 15, 0], ["CQR", 16, 16], ["AMS", 18, 17], ["TO", 31, 24]),
  0x04: register(
    "CAP+4",
    ["DSTRD", 3, 0],
    ["NSSRS", 4, 4],
    ["CSS", 12, 5],
    ["BPS", 13, 13],
    ["MPSMIN", 19, 16],
    ["MPSMAX", 23, 20],
    ["PMRS", 24, 24],
    ["CMBS", 25, 25],
  ),
  // 3.1.2
  0x08: register("VS", ["MJR", 31, 16], ["MNR", 15, 8], ["TER", 7, 0]),
  // 3.1.3, 3.1.4
  0x0c: register("INTMS", ["IVMS", 31, 0]),
  0x10: register("INTMC", ["IVMC", 31, 0]),
  // 3.1.5
  0x14: register(
    "CC",
    ["EN", 0, 0],
    ["CSS", 6, 4],
    ["MPS", 10, 7],
    ["AMS", 13, 11],
    ["SHN", 15, 14],
    ["IOSQES", 19, 16],
    ["IOCQES", 23, 20],
  ),
  // 3.1.6
  0x1c: register("CSTS", ["RDY", 0, 0], ["CFS", 1, 1], ["SHST", 3, 2], ["NSSRO", 4, 4], ["PP", 5, 5]),
  // 3.1.7
  0x20: register("NSSR", ["NSSRC", 31, 0]),
  // 3.1.8
  0x24: register("AQA", ["ASQS", 11, 0], ["ACQS", 27, 16]),
  // 3.1.9, 3.1.10
  0x28: register("ASQ"),
  0x2c: register("ASQ+4"),
  0x30: register("ACQ"),
  0x34: register("ACQ+4"),
  // 3.1.11
  0x38: register(
    "CMBLOC",
    ["BIR", 2, 0],
    ["CQMMS", 3, 3],
    ["CQPDS", 4, 4],
    ["CDPMLS", 5, 5],
    ["CDPCILS", 6, 6],
    ["CDMMMS", 7, 7],
    ["CQDA", 8, 8],
    ["OFST", 31, 12],
  ),
  // 3.1.12
  0x3c: register(
    "CMBSZ",
    ["SQS", 0, 0],
    ["CQS", 1, 1],
    ["LISTS", 2, 2],
    ["RDS", 3, 3],
    ["WDS", 4, 4],
    ["SZU", 11, 8],
    ["SZ", 31, 12],
  ),
  // 3.1.13 to 3.1.15
  0x40: register("BPINFO", ["BPSZ", 14, 0], ["BRS", 25, 24], ["ABPID", 31, 31]),
  0x44: register("BPRSEL", ["BPRSZ", 9, 0], ["BPROF", 29, 10], ["BPID", 31, 31]),
  0x48: register("BPMBL"),
  0x4c: register("BPMBL+4"),
  // 3.1.16, 3.1.17
  0x50: register("CMBMSC", ["CRE", 0, 0], ["CMSE", 1, 1]),
  0x54: register("CMBMSC+4"),
  0x58: register("CMBSTS", ["CBAI", 0, 0]),
};

/** 3.1.24 and 3.1.25: Submission Queue y Tail, Completion Queue y Head. */
const DOORBELLS = 0x1000;
const CAP_HIGH = 0x04;

/** What accesses to one controller mean. It learns the doorbell stride from what is read of CAP. */
export class NvmeMeanings {
  /** Doorbell Stride: doorbells are 4 << DSTRD bytes apart. */
  #stride = 0;

  /** @param value unsigned */
  meaning(bar: number, offset: number, value: number): Meaning {
    if (bar !== 0) return { register: `BAR${bar} ${hex(offset, 4)}`, fields: "" };
    if (offset === CAP_HIGH) this.#stride = bits(value, 3, 0);
    if (offset >= DOORBELLS) return this.#doorbell(offset, value);
    const known = NVME_REGISTERS[offset];
    if (known === undefined) return { register: hex(offset, 4), fields: "" };
    return { register: known.name, fields: showFields(known.fields, value) };
  }

  config(offset: number, width: number, value: number): Meaning {
    return configMeaning(offset, width, value);
  }

  #doorbell(offset: number, value: number): Meaning {
    const number = (offset - DOORBELLS) / (4 << this.#stride);
    if (!Number.isInteger(number)) return { register: hex(offset, 4), fields: "" };
    const queue = number >>> 1;
    return number % 2 === 0
      ? { register: `SQ${queue}TDBL`, fields: `SQT=${bits(value, 15, 0)}` }
      : { register: `CQ${queue}HDBL`, fields: `CQH=${bits(value, 15, 0)}` };
  }
}
