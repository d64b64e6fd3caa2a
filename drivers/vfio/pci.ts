/**
 * Configuration space as both back ends need it: who the device is, and its Command register.
 *
 * Source: PCI Local Bus 3.0, section 6.2. Invariant: a device that is gone reads as all ones and is never an exception.
 */
import type { ConfigWidth, PciIdentity } from "#kernel/device/backend.ts";

/** What reads as nothing does. */
export const ONES = 0xffff_ffff;
/** Bytes of the configuration space of PCI Express. */
export const CONFIG_BYTES = 4096;
/** Number of base address registers. */
export const BARS = 6;

/** Offsets, 6.2.1. */
const VENDOR_ID = 0x00;
const DEVICE_ID = 0x02;
export const COMMAND = 0x04;
const REVISION_ID = 0x08;
const SUBSYSTEM_VENDOR_ID = 0x2c;
const SUBSYSTEM_ID = 0x2e;

/** Bits of the Command register, 6.2.2. */
export const MEMORY_SPACE = 1 << 1;
export const BUS_MASTER = 1 << 2;

export type ConfigRead = (offset: number, width: ConfigWidth) => number;

/** All ones of a width, unsigned. */
export function ones(width: ConfigWidth): number {
  return ONES >>> (32 - 8 * width);
}

export function readIdentity(read: ConfigRead): PciIdentity {
  return {
    vendor: read(VENDOR_ID, 2),
    device: read(DEVICE_ID, 2),
    classCode: read(REVISION_ID, 4) >>> 8,
    revision: read(REVISION_ID, 1),
    subsystemVendor: read(SUBSYSTEM_VENDOR_ID, 2),
    subsystem: read(SUBSYSTEM_ID, 2),
  };
}

/** Whether an access touches the Command register. */
export function touchesCommand(offset: number, width: ConfigWidth): boolean {
  return offset < COMMAND + 2 && offset + width > COMMAND;
}

/** @throws RangeError when it is no access that a bus can make. */
export function checkConfigAccess(offset: number, width: number): void {
  const fits = offset >= 0 && offset + width <= CONFIG_BYTES && offset % width === 0;
  if (!fits || ![1, 2, 4].includes(width))
    throw new RangeError(`configuration space: ${width} bytes at ${offset} are no access`);
}
