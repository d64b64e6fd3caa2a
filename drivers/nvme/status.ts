/**
 * Status Field of a completion (NVM Express 1.4, section 4.6.1): what each code means to a client.
 *
 * A code here is the field without its phase tag, as the device layer gives it: Status Code in bits 7:0, Status Code
 * Type in 10:8, More in 13, Do Not Retry in 14. Invariant: every code, also one that the specification does not know,
 * has a `BlockStatus` and an `NvmeError`; only what cannot have been a fault of the request is tried again.
 */
import { BlockStatus } from "idl/block-device";
import { NvmeError } from "idl/nvme";

export const SUCCESS: u32 = 0;
/** Code and type, without More, Do Not Retry and the retry delay. */
const CODE_MASK: u32 = 0x7ff;
const DO_NOT_RETRY: u32 = 1 << 14;
/** The device layer ended the command: there is no answer of the device. */
export const ENDED: u32 = 0xffff0000;
/** The driver's own verdict on a command: the device is gone, or did not answer in time. */
export const VERDICT_GONE: u32 = 0xffffff01;
export const VERDICT_NOT_READY: u32 = 0xffffff02;
export const VERDICT_REFUSED: u32 = 0xffffff03;
export const VERDICT_EXHAUSTED: u32 = 0xffffff04;

/* Generic Command Status, figure 128 (type 0). */
const INVALID_COMMAND_OPCODE: u32 = 0x001;
const INVALID_FIELD_IN_COMMAND: u32 = 0x002;
const INTERNAL_ERROR: u32 = 0x006;
const COMMAND_ABORT_REQUESTED: u32 = 0x007;
const COMMAND_ABORTED_SQ_DELETION: u32 = 0x008;
const INVALID_NAMESPACE_OR_FORMAT: u32 = 0x00b;
const COMMAND_INTERRUPTED: u32 = 0x021;
const NAMESPACE_IS_WRITE_PROTECTED: u32 = 0x020;
const TRANSIENT_TRANSPORT_ERROR: u32 = 0x022;
const LBA_OUT_OF_RANGE: u32 = 0x080;
const CAPACITY_EXCEEDED: u32 = 0x081;
const NAMESPACE_NOT_READY: u32 = 0x082;

/* Command Specific Status of the NVM command set, figure 131 (type 1). */
const ATTEMPTED_WRITE_TO_READ_ONLY_RANGE: u32 = 0x182;

/* Media and Data Integrity Errors, figure 133 (type 2). */
const UNRECOVERED_READ_ERROR: u32 = 0x281;
const GUARD_CHECK_ERROR: u32 = 0x282;
const APPLICATION_TAG_CHECK_ERROR: u32 = 0x283;
const REFERENCE_TAG_CHECK_ERROR: u32 = 0x284;
const COMPARE_FAILURE: u32 = 0x285;
const ACCESS_DENIED: u32 = 0x286;

/** Whether the same command may succeed when it is sent again: 4.6.1, and what the specification says of each code. */
export function isTransient(code: u32): bool {
  if (code >= ENDED) return code < VERDICT_GONE;
  if ((code & DO_NOT_RETRY) != 0) return false;
  switch (code & CODE_MASK) {
    case INTERNAL_ERROR:
    case COMMAND_ABORT_REQUESTED:
    case COMMAND_ABORTED_SQ_DELETION:
    case COMMAND_INTERRUPTED:
    case TRANSIENT_TRANSPORT_ERROR:
    case NAMESPACE_NOT_READY:
      return true;
    default:
      return false;
  }
}

/** @param code a status field, or a verdict of the driver's */
export function errorOf(code: u32): NvmeError {
  if (code >= ENDED) return verdictOf(code);
  switch (code & CODE_MASK) {
    case INVALID_COMMAND_OPCODE:
      return NvmeError.Unsupported;
    case INVALID_FIELD_IN_COMMAND:
    case INVALID_NAMESPACE_OR_FORMAT:
      return NvmeError.Invalid;
    case LBA_OUT_OF_RANGE:
    case CAPACITY_EXCEEDED:
      return NvmeError.OutOfRange;
    case NAMESPACE_NOT_READY:
      return NvmeError.NotReady;
    case NAMESPACE_IS_WRITE_PROTECTED:
    case ATTEMPTED_WRITE_TO_READ_ONLY_RANGE:
    case ACCESS_DENIED:
      return NvmeError.WriteProtected;
    case UNRECOVERED_READ_ERROR:
    case GUARD_CHECK_ERROR:
    case APPLICATION_TAG_CHECK_ERROR:
    case REFERENCE_TAG_CHECK_ERROR:
      return NvmeError.Corrupt;
    case COMPARE_FAILURE:
      return NvmeError.Mismatch;
    default:
      return NvmeError.Io;
  }
}

function verdictOf(code: u32): NvmeError {
  if (code == VERDICT_GONE) return NvmeError.Gone;
  if (code == VERDICT_NOT_READY) return NvmeError.NotReady;
  if (code == VERDICT_REFUSED) return NvmeError.WriteProtected;
  if (code == VERDICT_EXHAUSTED) return NvmeError.Exhausted;
  return NvmeError.Io;
}

/** What a client of `BlockDevice` gets. */
export function blockStatusOf(code: u32): BlockStatus {
  if (code == SUCCESS) return BlockStatus.Ok;
  switch (errorOf(code)) {
    case NvmeError.OutOfRange:
      return BlockStatus.OutOfRange;
    case NvmeError.Corrupt:
      return BlockStatus.Corrupt;
    case NvmeError.Unsupported:
      return BlockStatus.Unsupported;
    default:
      return BlockStatus.Io;
  }
}
