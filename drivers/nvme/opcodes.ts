/**
 * Commands: opcodes and the fields of their double words (NVM Express 1.4, sections 5 and 6).
 *
 * Names are the specification's. The file is AssemblyScript and TypeScript at once. Invariant: numbers only.
 */

/* Admin commands: figure 139. */
export const DELETE_IO_SUBMISSION_QUEUE = 0x00;
export const CREATE_IO_SUBMISSION_QUEUE = 0x01;
export const GET_LOG_PAGE = 0x02;
export const DELETE_IO_COMPLETION_QUEUE = 0x04;
export const CREATE_IO_COMPLETION_QUEUE = 0x05;
export const IDENTIFY = 0x06;
export const ABORT = 0x08;
export const SET_FEATURES = 0x09;
export const GET_FEATURES = 0x0a;
export const ASYNCHRONOUS_EVENT_REQUEST = 0x0c;

/* NVM command set: figure 346. */
export const FLUSH = 0x00;
export const WRITE = 0x01;
export const READ = 0x02;
export const WRITE_UNCORRECTABLE = 0x04;
export const COMPARE = 0x05;
export const WRITE_ZEROES = 0x08;
export const DATASET_MANAGEMENT = 0x09;

/** 5.2 Asynchronous Event Request, double word 0 of the completion: Log Page Identifier, bits 23:16. */
export const EVENT_LOG_PAGE_SHIFT = 16;
export const EVENT_LOG_PAGE_MASK = 0xff;

/** 5.3 Create I/O Completion Queue, double word 11: Physically Contiguous, Interrupts Enabled, Interrupt Vector. */
export const PC = 0x1;
export const IEN = 0x2;
export const IV_SHIFT = 16;
/** 5.3, 5.4, double word 10: Queue Size (0's based) above the Queue Identifier; in 5.4, 11: CQID above PC. */
export const QSIZE_SHIFT = 16;
export const CQID_SHIFT = 16;

/** 5.14 Get Log Page, double word 10: Number of Dwords Lower (0's based) above the Log Page Identifier. */
export const NUMDL_SHIFT = 16;
/** 5.14.1: log pages. */
export const LOG_ERROR_INFORMATION = 0x01;
export const LOG_SMART = 0x02;
export const LOG_FIRMWARE_SLOT = 0x03;
export const LOG_CHANGED_NAMESPACE_LIST = 0x04;

/** 5.15 Identify, double word 10: Controller or Namespace Structure. */
export const CNS_NAMESPACE = 0x00;
export const CNS_CONTROLLER = 0x01;
export const CNS_ACTIVE_NAMESPACES = 0x02;

/** 5.21.1: features. */
export const FEATURE_VOLATILE_WRITE_CACHE = 0x06;
export const FEATURE_NUMBER_OF_QUEUES = 0x07;
export const FEATURE_ASYNCHRONOUS_EVENT_CONFIGURATION = 0x0b;
/** 5.21.1.7, double word 11 and 0 of the completion: completion queues above submission queues, 0's based. */
export const NCQR_SHIFT = 16;
/** 5.21.1.11, double word 11: all SMART / health critical warnings, and Namespace Attribute Notices. */
export const EVENTS_SMART = 0xff;
export const EVENTS_NAMESPACE = 0x100;

/** 6.6, 6.9, 6.15, double word 12: Force Unit Access. */
export const FUA = 0x40000000;
/** 6.16 Write Zeroes, double word 12: Deallocate. */
export const DEAC = 0x2000000;
/** 6.7 Dataset Management, double word 11: Attribute – Deallocate. */
export const AD = 0x4;
/** 6.7: bytes of a range. */
export const RANGE_BYTES = 16;
