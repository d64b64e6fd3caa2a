/**
 * Log pages (NVM Express 1.4, section 5.14.1): the error log and the SMART / health log.
 *
 * Offsets are bytes of the log page. Invariant: counters of 128 bits are cut to what fits, never wrapped.
 */
import { DmaBatch } from "idl/pci";

/** Bytes of an Error Information Log Entry, figure 195. */
export const ERROR_ENTRY: u32 = 64;
/** How many of them a page holds. */
export const ERROR_ENTRIES: u32 = DmaBatch.bytesLength / ERROR_ENTRY;
/** Bytes of the SMART / Health Information Log Page, figure 196. */
export const SMART_BYTES: u32 = 512;

/* Figure 195. */
export const ERROR_COUNT: u32 = 0;
export const ERROR_SQID: u32 = 8;
export const ERROR_CID: u32 = 10;
export const ERROR_STATUS: u32 = 12;
export const ERROR_LBA: u32 = 16;
export const ERROR_NSID: u32 = 24;

/* Figure 196. */
export const SMART_CRITICAL_WARNING: u32 = 0;
export const SMART_COMPOSITE_TEMPERATURE: u32 = 1;
export const SMART_AVAILABLE_SPARE: u32 = 3;
export const SMART_PERCENTAGE_USED: u32 = 5;
export const SMART_POWER_CYCLES: u32 = 112;
export const SMART_UNSAFE_SHUTDOWNS: u32 = 144;
export const SMART_MEDIA_ERRORS: u32 = 160;
export const SMART_ERROR_ENTRIES: u32 = 176;

/** A counter of 128 bits. */
export function counter(page: DmaBatch, at: u32): u32 {
  const low = page.bytesLoad<u64>(at);
  return page.bytesLoad<u64>(at + 8) != 0 || low > <u64>u32.MAX_VALUE ? u32.MAX_VALUE : <u32>low;
}

/** Composite Temperature, which lies at an odd address; kelvin. */
export function temperature(page: DmaBatch): u32 {
  return <u32>page.bytesGet(SMART_COMPOSITE_TEMPERATURE) | ((<u32>page.bytesGet(SMART_COMPOSITE_TEMPERATURE + 1)) << 8);
}
