/**
 * What the kernel needs from the program that hosts it. It is injected, so that the kernel imports nothing.
 */
import type { DeviceReport } from "../device/devices.ts";
import type { FaultReport } from "../domain/fault.ts";

export interface Host {
  /** CPU time of this thread in microseconds; only differences matter. */
  cpuMicros(): number;
  /** Milliseconds, monotonic, with fractions. */
  now(): number;
  /** Calls once, after at least so many milliseconds, from the host's own loop; the result takes it back. */
  after(ms: number, call: () => void): () => void;
  /** Calls once, from the host's own loop, when it has looked at its timers and sockets. */
  turn(call: () => void): void;
  /** A wait was refused that would never have ended; `ring` names the threads. */
  onDeadlock?(ring: string): void;
  /** Something happened to a device: it was opened, reset, vanished, lied. May be called in the middle of a call. */
  onDevice?(report: DeviceReport): void;
  /** A domain has died and was reclaimed. Called with no frame on the stack. */
  onFault(report: FaultReport): void;
  /** Source position of a byte offset in the module that the domain was built as. */
  locate?(domain: string, offset: number): { file: string; line: number; column: number } | null;
  /**
   * Where a debugger finds the source map of a module, or null. Called before the module is compiled.
   * @param offsets pairs of lowered and original offsets; see `offsetRanges`
   */
  sourceMapUrl?(original: Uint8Array, offsets: Uint32Array): string | null;
  /** Keeps lowered modules between runs. Keys are hex digests; a wrong or missing entry only costs time. */
  readonly cache?: {
    get(key: string): Promise<Uint8Array | null>;
    put(key: string, bytes: Uint8Array): Promise<void>;
  };
}
