/**
 * Accesses as lines of text, in the names of the device's specification; and the first difference of two traces.
 *
 * Invariant: a line says all of the access; equal lines are equal accesses, apart from number and time.
 */
import type { PciIdentity } from "#kernel/device/backend.ts";
import { NvmeMeanings } from "./nvme-registers.ts";
import { configMeaning, hex, type Meaning } from "./registers.ts";
import type { Access } from "./tracing.ts";

/** 01h mass storage, 08h non-volatile memory, 02h NVM Express. */
const NVME = 0x010802;

/** Gives accesses of one device their meaning; in order, for it learns from what it sees. */
export interface Meanings {
  meaning(bar: number, offset: number, value: number): Meaning;
  config(offset: number, width: number, value: number): Meaning;
}

const UNKNOWN: Meanings = {
  meaning: (bar, offset) => ({ register: `BAR${bar} ${hex(offset, 4)}`, fields: "" }),
  config: configMeaning,
};

/** Of what a device is, by its class. */
export function meaningsOf(identity: Pick<PciIdentity, "classCode">): Meanings {
  return identity.classCode === NVME ? new NvmeMeanings() : UNKNOWN;
}

/** The access without number and time: `write CC 0x00460001  EN=1 …`. */
export function formatAccess(access: Omit<Access, "sequence" | "ms">, meanings: Meanings): string {
  const { kind, bar, offset, width, value } = access;
  if (kind === "interrupt") return `interrupt, vector ${offset}`;
  if (kind === "vectors") return `interrupt vectors: ${offset} asked for, ${value} enabled`;
  if (kind === "start" || kind === "quiesce" || kind === "event") return kind;
  const config = kind === "config-read" || kind === "config-write";
  const verb = kind.endsWith("read") ? "read " : "write";
  const { register, fields } = config ? meanings.config(offset, width, value) : meanings.meaning(bar, offset, value);
  const place = config ? `PCI ${register}` : register;
  return `${verb} ${place.padEnd(9)} ${hex(value, width * 2)}  ${fields}`.trimEnd();
}

/** A whole line: number, time since the device was made, access. */
export function formatTraced(access: Access, meanings: Meanings): string {
  const { sequence, ms } = access;
  return `${String(sequence).padStart(8)} ${(ms / 1000).toFixed(6).padStart(12)}s  ${formatAccess(access, meanings)}`;
}
