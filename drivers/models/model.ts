/**
 * What a device model is, and what its host gives it. Whoever hosts one (hosts/, or a vfio-user server) sees no more.
 *
 * Invariant: a model is a state machine after its specification. It has no threads, reads no clock and reaches no
 * memory but through its host, so that any sequence of calls with the same answers gives the same states. Whatever a
 * driver writes, it answers as a device does: it never throws because of it, and each call ends.
 */
import type { PciFunction } from "./config-space.ts";

/** Memory as the device reaches it. */
export interface Dma {
  /** Changes whenever an answer of `view` may hold no longer. Who keeps views looks at it before each use. */
  readonly epoch: number;
  /** What is in one piece on the bus is so in memory, within what is mapped: views may be as long as one likes. */
  readonly contiguous?: boolean;
  /**
   * @param iova bus address, bytes
   * @param bytes more than 0; one memory page at most, unless `contiguous`
   * @param write whether the device writes there
   * @returns the bytes themselves, or null: refused (outside what is mapped, or bus mastering is off)
   */
  view(iova: number, bytes: number, write: boolean): Uint8Array | null;
}

/** What a model can ask of its surroundings. */
export interface ModelHost {
  readonly dma: Dma;
  /** Sends the message of MSI-X vector `vector`. Masks and pending bits are the host's. */
  interrupt(vector: number): void;
  /** A clock that only goes forward, milliseconds. */
  now(): number;
  /** The device vanished: from now on every read is all ones. */
  gone(text: string): void;
}

export interface DeviceModel {
  /** Identity, BARs, capabilities: the same for every instance with the same options. */
  readonly function: PciFunction;
  /**
   * One read of 32 bits. Without side effects where `page` answers it.
   * @param offset a multiple of 4
   * @returns unsigned; 0 where there is no register
   */
  read32(bar: number, offset: number): number;
  /** One write of 32 bits. @param offset a multiple of 4 */
  write32(bar: number, offset: number, value: number): void;
  /** As a function level reset: every outstanding command is dropped, registers have their first values. */
  reset(): void;
  /**
   * Works for a bounded time. To be called after writes, and when `nextEvent` has come.
   * @returns whether it did something, so that more may be left to do
   */
  step(): boolean;
  /** When `step` has to be called even if nothing was written: milliseconds of `now()`, or Infinity. */
  readonly nextEvent: number;
  /** Makes a fault happen. @throws Error that names the mistake in `text` and what is known */
  inject(text: string): void;
  /** Ends it in good order: what it keeps outside (files) is written and closed. */
  close(): void;
}

/**
 * Reads of BAR 0 below this many bytes have no side effects, and are answered from the words of a page that the host
 * made (perhaps shared, so that another thread reads them).
 */
export type RegisterPage = Int32Array<ArrayBufferLike>;
