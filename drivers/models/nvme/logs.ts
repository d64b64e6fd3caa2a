/**
 * Log pages (NVMe 1.4, 5.14.1): errors, SMART, firmware slots, commands supported.
 *
 * Invariant: the newest error is the first entry, and each has a count that no other has.
 */
import { ERROR_LOG_ENTRIES, FIRMWARE } from "./identify.ts";
import type { Command } from "./queues.ts";
import { Admin, Io, MORE } from "./spec.ts";

/** Kelvin; the model neither warms nor cools. */
export const TEMPERATURE = 313;
const ERROR_BYTES = 64;

interface ErrorEntry {
  readonly count: number;
  readonly sqId: number;
  readonly cid: number;
  readonly status: number;
  readonly lba: number;
  readonly nsid: number;
}

/** The error information log, figure 194. */
export class ErrorLog {
  readonly #entries: ErrorEntry[] = [];
  /** Errors in the controller's life. */
  count = 0;

  add(command: Command, status: number): void {
    const { words } = command;
    const lba = command.sq.id === 0 ? 0 : (words[10]! >>> 0) + (words[11]! >>> 0) * 0x1_0000_0000;
    this.#entries.unshift({
      count: ++this.count,
      sqId: command.sq.id,
      cid: command.cid,
      status: status | MORE,
      lba,
      nsid: command.nsid,
    });
    if (this.#entries.length > ERROR_LOG_ENTRIES) this.#entries.pop();
  }

  page(): Uint8Array {
    const bytes = new Uint8Array(ERROR_LOG_ENTRIES * ERROR_BYTES);
    const view = new DataView(bytes.buffer);
    this.#entries.forEach((entry, i) => {
      const at = i * ERROR_BYTES;
      view.setBigUint64(at, BigInt(entry.count), true);
      view.setUint16(at + 8, entry.sqId, true);
      view.setUint16(at + 10, entry.cid, true);
      // The status lies as in a completion: above the phase tag.
      view.setUint16(at + 12, entry.status << 1, true);
      view.setUint16(at + 14, 0xffff, true); // no one field of the command is to blame
      view.setBigUint64(at + 16, BigInt.asUintN(64, BigInt(entry.lba)), true);
      view.setUint32(at + 24, entry.nsid, true);
    });
    return bytes;
  }
}

/** What SMART counts. */
export class Health {
  /** Bits of figure 196, byte 0. */
  warning = 0;
  bytesRead = 0;
  bytesWritten = 0;
  reads = 0;
  writes = 0;
  powerCycles = 1;
  unsafeShutdowns = 0;
  mediaErrors = 0;

  /** Figure 196. @param uptimeMs since the model was made */
  page(errors: number, uptimeMs: number): Uint8Array {
    const bytes = new Uint8Array(512);
    const view = new DataView(bytes.buffer);
    const count = (offset: number, value: number): void => view.setBigUint64(offset, BigInt(Math.floor(value)), true);
    // In thousands of 512 bytes, rounded up.
    const units = (amount: number): number => Math.ceil(amount / 512_000);
    bytes[0] = this.warning;
    view.setUint16(1, TEMPERATURE, true);
    bytes[3] = 100; // spare left, percent
    bytes[4] = 10; // and the least that is well
    count(32, units(this.bytesRead));
    count(48, units(this.bytesWritten));
    count(64, this.reads);
    count(80, this.writes);
    count(112, this.powerCycles);
    count(128, uptimeMs / 3_600_000);
    count(144, this.unsafeShutdowns);
    count(160, this.mediaErrors);
    count(176, errors);
    view.setUint16(200, TEMPERATURE, true); // sensor 1
    return bytes;
  }
}

/** Figure 198: slot 1 is active. */
export function firmwareSlots(): Uint8Array {
  const bytes = new Uint8Array(512);
  bytes[0] = 1;
  bytes.set(new TextEncoder().encode(FIRMWARE.padEnd(8)), 8);
  return bytes;
}

/** Figures 200 and 201: CSUPP, and LBCC for what changes blocks. */
export function commandsSupported(): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  for (const opcode of Object.values(Admin)) view.setUint32(opcode * 4, 1, true);
  const changing: readonly number[] = [Io.WRITE, Io.WRITE_ZEROES, Io.DATASET_MANAGEMENT];
  for (const opcode of Object.values(Io)) view.setUint32(1024 + opcode * 4, changing.includes(opcode) ? 3 : 1, true);
  return bytes;
}
