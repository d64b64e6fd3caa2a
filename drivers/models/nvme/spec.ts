/**
 * Numbers of the NVM Express Base Specification 1.4, under its names. Owns them for the model; nothing here acts.
 *
 * Invariant: an offset is in bytes from the start of BAR 0, a status is the 15 bits above the phase tag.
 */

/** Controller registers, 3.1. Those of 64 bits are two words, low first. */
export const Register = {
  CAP: 0x00,
  VS: 0x08,
  INTMS: 0x0c,
  INTMC: 0x10,
  CC: 0x14,
  CSTS: 0x1c,
  NSSR: 0x20,
  AQA: 0x24,
  ASQ: 0x28,
  ACQ: 0x30,
} as const;
/** 3.1.24: submission queue y's tail at `DOORBELLS + 8 y`, completion queue y's head 4 bytes further (CAP.DSTRD 0). */
export const DOORBELLS = 0x1000;
export const VERSION_1_4 = 0x0001_0400;

/** CC, 3.1.5. */
export const CC_EN = 1;
export const CC_CSS_SHIFT = 4;
export const CC_MPS_SHIFT = 7;
export const CC_AMS_SHIFT = 11;
export const CC_SHN_SHIFT = 14;
export const CC_IOSQES_SHIFT = 16;
export const CC_IOCQES_SHIFT = 20;
/** CSTS, 3.1.6. */
export const CSTS_RDY = 1;
export const CSTS_CFS = 1 << 1;
export const CSTS_SHST_MASK = 3 << 2;
export const CSTS_SHST_OCCURRING = 1 << 2;
export const CSTS_SHST_COMPLETE = 2 << 2;

/** Sizes of entries, as powers of two. */
export const SQE_SHIFT = 6;
export const CQE_SHIFT = 4;

/** Admin opcodes, figure 139. */
export const Admin = {
  DELETE_IO_SQ: 0x00,
  CREATE_IO_SQ: 0x01,
  GET_LOG_PAGE: 0x02,
  DELETE_IO_CQ: 0x04,
  CREATE_IO_CQ: 0x05,
  IDENTIFY: 0x06,
  ABORT: 0x08,
  SET_FEATURES: 0x09,
  GET_FEATURES: 0x0a,
  ASYNC_EVENT_REQUEST: 0x0c,
} as const;
/** NVM opcodes, figure 346. */
export const Io = {
  FLUSH: 0x00,
  WRITE: 0x01,
  READ: 0x02,
  COMPARE: 0x05,
  WRITE_ZEROES: 0x08,
  DATASET_MANAGEMENT: 0x09,
} as const;

/** Feature identifiers, figure 271. */
export const Feature = {
  ARBITRATION: 0x01,
  POWER_MANAGEMENT: 0x02,
  TEMPERATURE_THRESHOLD: 0x04,
  ERROR_RECOVERY: 0x05,
  VOLATILE_WRITE_CACHE: 0x06,
  NUMBER_OF_QUEUES: 0x07,
  INTERRUPT_COALESCING: 0x08,
  INTERRUPT_VECTOR_CONFIGURATION: 0x09,
  WRITE_ATOMICITY: 0x0a,
  ASYNC_EVENT_CONFIGURATION: 0x0b,
} as const;

/** Log page identifiers, figure 192. */
export const Log = { ERROR: 0x01, SMART: 0x02, FIRMWARE_SLOT: 0x03, COMMANDS_SUPPORTED: 0x05 } as const;

/** Identify's CNS, figure 244. */
export const Cns = {
  NAMESPACE: 0x00,
  CONTROLLER: 0x01,
  ACTIVE_NAMESPACES: 0x02,
  NAMESPACE_DESCRIPTORS: 0x03,
} as const;

/** Do Not Retry, and More (the error log has an entry), in a status. */
export const DNR = 1 << 14;
export const MORE = 1 << 13;
const COMMAND_SPECIFIC = 1 << 8;
const MEDIA = 2 << 8;
/** Status values, figures 127 to 130: code, type above it, and DNR where a retry would fail again. */
export const Status = {
  SUCCESS: 0x00,
  INVALID_OPCODE: 0x01 | DNR,
  INVALID_FIELD: 0x02 | DNR,
  DATA_TRANSFER_ERROR: 0x04,
  INTERNAL_ERROR: 0x06,
  ABORT_REQUESTED: 0x07,
  ABORTED_SQ_DELETION: 0x08,
  INVALID_NAMESPACE: 0x0b | DNR,
  COMMAND_SEQUENCE_ERROR: 0x0c | DNR,
  INVALID_PRP_OFFSET: 0x13 | DNR,
  LBA_OUT_OF_RANGE: 0x80 | DNR,
  COMPLETION_QUEUE_INVALID: 0x00 | COMMAND_SPECIFIC | DNR,
  INVALID_QUEUE_IDENTIFIER: 0x01 | COMMAND_SPECIFIC | DNR,
  INVALID_QUEUE_SIZE: 0x02 | COMMAND_SPECIFIC | DNR,
  ASYNC_EVENT_LIMIT_EXCEEDED: 0x05 | COMMAND_SPECIFIC | DNR,
  INVALID_INTERRUPT_VECTOR: 0x08 | COMMAND_SPECIFIC | DNR,
  INVALID_LOG_PAGE: 0x09 | COMMAND_SPECIFIC | DNR,
  INVALID_QUEUE_DELETION: 0x0c | COMMAND_SPECIFIC | DNR,
  FEATURE_NOT_SAVEABLE: 0x0d | COMMAND_SPECIFIC | DNR,
  WRITE_FAULT: 0x80 | MEDIA,
  UNRECOVERED_READ_ERROR: 0x81 | MEDIA,
  COMPARE_FAILURE: 0x85 | MEDIA | DNR,
} as const;

/** The only namespace, and the value that means all. */
export const NSID = 1;
export const NSID_ALL = 0xffff_ffff;
