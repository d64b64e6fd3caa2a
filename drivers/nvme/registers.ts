/**
 * Controller registers (NVM Express 1.4, section 3.1): offsets in BAR 0, and fields.
 *
 * Names are the specification's. A field is a shift and a mask (what is left after the shift); registers of 64 bits are
 * read as two of 32, and fields of the upper half count from bit 32. The file is AssemblyScript and TypeScript at once,
 * so that the driver, the tracer and the documentation name the same things. Invariant: numbers only, each below 2^31.
 */

/** 3.1.1 Controller Capabilities. */
export const CAP = 0x00;
/** Upper half of CAP. */
export const CAP_HIGH = 0x04;
/** Maximum Queue Entries Supported, 0's based. */
export const CAP_MQES_MASK = 0xffff;
/** Contiguous Queues Required. */
export const CAP_CQR_SHIFT = 16;
/** Timeout, in units of 500 ms: how long CSTS.RDY may take to follow CC.EN. */
export const CAP_TO_SHIFT = 24;
export const CAP_TO_MASK = 0xff;
export const CAP_TO_UNIT_MS = 500;
/** In the upper half: Doorbell Stride. */
export const CAP_DSTRD_MASK = 0xf;
/** In the upper half: NVM command set supported (bit 37 of CAP). */
export const CAP_CSS_NVM_SHIFT = 5;
/** In the upper half: Memory Page Size Minimum, a power of two from 4 KiB on (bits 51:48 of CAP). */
export const CAP_MPSMIN_SHIFT = 16;
export const CAP_MPSMIN_MASK = 0xf;

/** 3.1.2 Version. */
export const VS = 0x08;
/** 3.1.3 Interrupt Mask Set. */
export const INTMS = 0x0c;
/** 3.1.4 Interrupt Mask Clear. */
export const INTMC = 0x10;

/** 3.1.5 Controller Configuration. */
export const CC = 0x14;
/** Enable. */
export const CC_EN = 0x1;
/** Shutdown Notification. */
export const CC_SHN_SHIFT = 14;
export const CC_SHN_MASK = 0x3;
export const CC_SHN_NORMAL = 1;
/** I/O Submission and Completion Queue Entry Size, as powers of two. */
export const CC_IOSQES_SHIFT = 16;
export const CC_IOCQES_SHIFT = 20;
/** Entry sizes of the NVM command set: 64 and 16 bytes. */
export const SQES = 6;
export const CQES = 4;

/** 3.1.6 Controller Status. */
export const CSTS = 0x1c;
/** Ready. */
export const CSTS_RDY = 0x1;
/** Controller Fatal Status. */
export const CSTS_CFS = 0x2;
/** Shutdown Status. */
export const CSTS_SHST_SHIFT = 2;
export const CSTS_SHST_MASK = 0x3;
export const CSTS_SHST_COMPLETE = 2;

/** 3.1.7 NVM Subsystem Reset. */
export const NSSR = 0x20;
/** 3.1.8 to 3.1.10: Admin Queue Attributes, Admin Submission and Completion Queue Base Address. */
export const AQA = 0x24;
export const ASQ = 0x28;
export const ACQ = 0x30;
/** 3.1.11 and 3.1.12: Controller Memory Buffer Location and Size. */
export const CMBLOC = 0x38;
export const CMBSZ = 0x3c;
/** 3.1.24: first doorbell. Queue y's are at 1000h + 2y × (4 << DSTRD), and one stride behind it. */
export const DOORBELLS = 0x1000;
