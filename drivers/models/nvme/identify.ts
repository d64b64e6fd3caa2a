/**
 * Identify data structures (NVMe 1.4, 5.15.2): what the controller and its namespace say about themselves.
 *
 * Invariant: each field stands for something that the model does; what is not done reads as zero.
 */
import { MDTS, PAGE } from "./prp.ts";
import { NSID } from "./spec.ts";
import type { Store } from "./store.ts";

/** Optional NVM commands: compare, dataset management, write zeroes, and the select field of Get Features. */
const ONCS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 4);
/** Log page attributes: SMART per namespace as well, commands supported page, lengths and offsets of 64 bits. */
const LPA = 0b111;
/** Limits, all 0's based where the specification has it so. */
export const ABORT_LIMIT = 3;
export const ASYNC_EVENT_LIMIT = 3;
export const ERROR_LOG_ENTRIES = 64;
export const FIRMWARE = "1.0";
const MODEL = "Samara NVMe model";
/** Kelvin: the default threshold of warnings, and of the critical one. */
export const WARNING_TEMPERATURE = 343;
const CRITICAL_TEMPERATURE = 373;
/** IEEE OUI 52-54-00, locally administered, most significant byte first. */
const OUI = [0x52, 0x54, 0x00] as const;

function text(at: Uint8Array, offset: number, bytes: number, value: string): void {
  for (let i = 0; i < bytes; i++) at[offset + i] = i < value.length ? value.charCodeAt(i) : 0x20;
}

/** 16 bytes that belong to a serial number (FNV-1a, four times over). */
function digest(serial: string): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  for (let word = 0; word < 4; word++) {
    let hash = 0x811c_9dc5 ^ word;
    for (const char of serial) hash = Math.imul(hash ^ char.charCodeAt(0), 0x0100_0193);
    view.setUint32(word * 4, hash);
  }
  // As a UUID made at random: version 4, variant 1 (RFC 4122, 4.4).
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

function uuid(serial: string): string {
  const hex = Array.from(digest(serial), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** Figure 247. */
export function identifyController(serial: string, vendor: number): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, vendor, true);
  view.setUint16(2, vendor, true);
  text(bytes, 4, 20, serial);
  text(bytes, 24, 40, MODEL);
  text(bytes, 64, 8, FIRMWARE);
  bytes[72] = 6; // RAB
  bytes.set([...OUI].toReversed(), 73);
  bytes[77] = MDTS;
  view.setUint32(80, 0x0001_0400, true); // VER
  bytes[111] = 1; // CNTRLTYPE: an I/O controller
  bytes[258] = ABORT_LIMIT;
  bytes[259] = ASYNC_EVENT_LIMIT;
  bytes[260] = 0b011; // FRMW: one slot, which is read only
  bytes[261] = LPA;
  bytes[262] = ERROR_LOG_ENTRIES - 1;
  view.setUint16(266, WARNING_TEMPERATURE, true);
  view.setUint16(268, CRITICAL_TEMPERATURE, true);
  bytes[512] = 0x66; // SQES: 64 bytes
  bytes[513] = 0x44; // CQES: 16 bytes
  view.setUint32(516, 1, true); // NN
  view.setUint16(520, ONCS, true);
  bytes[525] = 0b111; // VWC: there is one; a flush may be for all namespaces
  const nqn = `nqn.2014-08.org.nvmexpress:uuid:${uuid(serial)}`;
  for (let i = 0; i < nqn.length; i++) bytes[768 + i] = nqn.charCodeAt(i);
  view.setUint16(2048, 900, true); // PSD0, MP: 9 W
  return bytes;
}

/** Figure 245. */
export function identifyNamespace(store: Store, serial: string): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  const view = new DataView(bytes.buffer);
  for (const offset of [0, 8, 16]) view.setBigUint64(offset, BigInt(store.blocks), true);
  bytes[33] = 0b001; // DLFEAT: deallocated blocks read as zeros
  bytes.set(namespaceGuid(serial), 104);
  bytes.set(extendedUniqueId(serial), 120);
  bytes[130] = store.lbaShift; // LBAF0, LBADS
  return bytes;
}

/** Vendor's 8 bytes, OUI, 5 more: NGUID, figure 245. */
function namespaceGuid(serial: string): Uint8Array {
  const bytes = digest(serial);
  bytes.set(OUI, 8);
  return bytes;
}

function extendedUniqueId(serial: string): Uint8Array {
  const bytes = digest(serial).slice(0, 8);
  bytes.set(OUI, 0);
  return bytes;
}

/** 5.15.2.3: namespaces with an id above `above`. */
export function activeNamespaces(above: number): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  if (above < NSID) new DataView(bytes.buffer).setUint32(0, NSID, true);
  return bytes;
}

/** 5.15.2.4, figure 249: EUI64, NGUID and UUID, each after type and length. */
export function namespaceDescriptors(serial: string): Uint8Array {
  const bytes = new Uint8Array(PAGE);
  let at = 0;
  const ids = [extendedUniqueId(serial), namespaceGuid(serial), digest(serial)];
  ids.forEach((id, i) => {
    bytes[at] = i + 1;
    bytes[at + 1] = id.length;
    bytes.set(id, at + 4);
    at += 4 + id.length;
  });
  return bytes;
}
