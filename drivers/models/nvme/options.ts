/**
 * What can be set about an NVMe model, its defaults, and what is wrong with what somebody gave.
 *
 * Invariant: a model is made of complete, checked options only; a mistake is an Error that names key and cause.
 */
import type { PciFunction } from "../config-space.ts";

export interface NvmeOptions {
  /** Path of the file that holds the namespace, made if it is missing; "": memory. */
  readonly file: string;
  /** Size of the namespace in bytes; 0: what the file has, else 64 MiB. */
  readonly bytes: number;
  /** Size of a logical block. */
  readonly lbaBytes: 512 | 4096;
  /** Up to 20 printable characters. */
  readonly serial: string;
  /** I/O queue pairs, and entries of the largest queue. */
  readonly queues: number;
  readonly entries: number;
  /** Whether the volatile write cache is on after a reset. */
  readonly writeCache: boolean;
  /** From CC.EN = 1 to CSTS.RDY = 1, milliseconds. */
  readonly readyMs: number;
  /** How long one read of a register takes, nanoseconds; the host's business. */
  readonly mmioReadNs: number;
  /** How long a command takes, microseconds, beside the transfer. */
  readonly readUs: number;
  readonly writeUs: number;
  /** MB/s (10^6 bytes) of all transfers together; 0: no limit. */
  readonly megabytesPerSecond: number;
  /**
   * Not 0: the write cache writes back single sectors early, at random from this seed, as a device may at any time.
   * Faults draw from it, too.
   */
  readonly seed: number;
}

export const NVME_DEFAULTS: NvmeOptions = {
  file: "",
  bytes: 0,
  lbaBytes: 512,
  serial: "SAMARA0001",
  queues: 8,
  entries: 1024,
  writeCache: true,
  readyMs: 100,
  mmioReadNs: 800,
  readUs: 0,
  writeUs: 0,
  megabytesPerSecond: 0,
  seed: 0,
};
export const DEFAULT_BYTES = 64 << 20;

const RANGES: { readonly [key: string]: readonly [number, number] } = {
  bytes: [0, 2 ** 42],
  queues: [1, 64],
  entries: [2, 4096],
  readyMs: [0, 60_000],
  mmioReadNs: [0, 1_000_000],
  readUs: [0, 10_000_000],
  writeUs: [0, 10_000_000],
  megabytesPerSecond: [0, 1_000_000],
  seed: [0, 0xffff_ffff],
};

/**
 * @param given keys of `NvmeOptions`
 * @throws Error that names the key that is unknown or whose value cannot be
 */
export function nvmeOptions(given: Readonly<Record<string, unknown>>): NvmeOptions {
  for (const [key, value] of Object.entries(given)) {
    if (!(key in NVME_DEFAULTS))
      throw new Error(`model:nvme: unknown option ${key}; there are ${Object.keys(NVME_DEFAULTS).join(", ")}`);
    check(key, value);
  }
  const options = { ...NVME_DEFAULTS, ...given } as NvmeOptions;
  if (options.bytes % options.lbaBytes !== 0)
    throw new Error(`model:nvme: bytes: ${options.bytes} is no multiple of lbaBytes, ${options.lbaBytes}`);
  return options;
}

function check(key: string, value: unknown): void {
  const wrong = (cause: string): never => {
    throw new Error(`model:nvme: ${key}: ${cause}, not ${JSON.stringify(value) ?? String(value)}`);
  };
  const wanted = typeof NVME_DEFAULTS[key as keyof NvmeOptions];
  if (typeof value !== wanted) wrong(`a ${wanted}`);
  if (key === "lbaBytes" && value !== 512 && value !== 4096) wrong("512 or 4096");
  if (key === "serial" && !/^[\x21-\x7e]{1,20}$/.test(value as string)) wrong("1 to 20 printable characters");
  const range = RANGES[key];
  if (range === undefined) return;
  const whole = Number.isFinite(value) && (key.endsWith("Us") || Number.isInteger(value));
  if (!whole || (value as number) < range[0] || (value as number) > range[1]) wrong(`${range[0]} to ${range[1]}`);
}

/** BAR 0: registers and doorbells in the lower half, MSI-X in the upper. */
const BAR_BYTES = 0x4000;
const MSIX_TABLE = 0x2000;
const MSIX_PBA = 0x3000;

/** Vectors: one for the admin queue and one for each I/O queue. */
export function vectorsOf(options: NvmeOptions): number {
  return options.queues + 1;
}

/** An NVM Express controller under an id that is free for experiments (1AF4h:10F0h to 10FFh). */
export function nvmeFunction(options: NvmeOptions): PciFunction {
  return {
    vendor: 0x1af4,
    device: 0x10f0,
    classCode: 0x01_08_02,
    revision: 1,
    subsystemVendor: 0x1af4,
    subsystem: 0x10f0,
    bars: [{ bytes: BAR_BYTES, wide: true }],
    msix: { vectors: vectorsOf(options), bar: 0, table: MSIX_TABLE, pba: MSIX_PBA },
  };
}
