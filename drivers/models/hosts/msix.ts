/**
 * The MSI-X table and its pending bits (PCI Express 5.0, 6.1.4 and 7.7.2): which messages of a model get through.
 *
 * Invariant: a message of a masked vector is kept as a pending bit, and sent once when the mask goes.
 */
import { MSIX_CONTROL, MSIX_ENABLE, MSIX_FUNCTION_MASK, type ConfigSpace, type PciFunction } from "../config-space.ts";

const ENTRY_WORDS = 4;
/** Vector Control, the last word of an entry: its mask bit. */
const CONTROL_WORD = 3;
const MASKED = 1;

export class Msix {
  readonly #config: ConfigSpace;
  readonly #about: PciFunction["msix"];
  readonly #table: Int32Array;
  readonly #pending: Int32Array;
  /** Gets the vectors whose messages are sent. */
  send: (vector: number) => void = () => {};

  constructor(config: ConfigSpace, about: PciFunction) {
    this.#config = config;
    this.#about = about.msix;
    this.#table = new Int32Array(about.msix.vectors * ENTRY_WORDS);
    this.#pending = new Int32Array(Math.ceil(about.msix.vectors / 32));
    this.reset();
  }

  get vectors(): number {
    return this.#about.vectors;
  }

  /** All vectors are masked, and nothing is pending. */
  reset(): void {
    this.#pending.fill(0);
    this.#table.fill(0);
    for (let v = 0; v < this.vectors; v++) this.#table[v * ENTRY_WORDS + CONTROL_WORD] = MASKED;
  }

  /** Lets the first `count` vectors through and enables MSI-X; 0 disables it. */
  enable(count: number): void {
    for (let v = 0; v < this.vectors; v++) this.#table[v * ENTRY_WORDS + CONTROL_WORD] = v < count ? 0 : MASKED;
    this.#config.write(MSIX_CONTROL, 2, count > 0 ? MSIX_ENABLE : 0);
    this.sendPending();
  }

  /** The model sends vector `vector`. */
  raise(vector: number): void {
    if (vector >= this.vectors) return;
    if (this.#open(vector)) this.send(vector);
    else this.#pending[vector >> 5]! |= 1 << (vector & 31);
  }

  /** After a mask may have gone. */
  sendPending(): void {
    for (let v = 0; v < this.vectors; v++) {
      const bit = 1 << (v & 31);
      if ((this.#pending[v >> 5]! & bit) === 0 || !this.#open(v)) continue;
      this.#pending[v >> 5]! &= ~bit;
      this.send(v);
    }
  }

  #open(vector: number): boolean {
    const control = this.#config.msixControl;
    if ((control & MSIX_ENABLE) === 0 || (control & MSIX_FUNCTION_MASK) !== 0) return false;
    return (this.#table[vector * ENTRY_WORDS + CONTROL_WORD]! & MASKED) === 0;
  }

  /** Whether an access to a BAR is to the table or the pending bits. */
  has(bar: number, offset: number): boolean {
    return bar === this.#about.bar && (this.#inTable(offset) || this.#inPending(offset));
  }

  #inTable(offset: number): boolean {
    return offset >= this.#about.table && offset < this.#about.table + this.#table.byteLength;
  }

  #inPending(offset: number): boolean {
    return offset >= this.#about.pba && offset < this.#about.pba + this.#pending.byteLength;
  }

  read32(offset: number): number {
    if (this.#inTable(offset)) return this.#table[(offset - this.#about.table) >> 2]!;
    return this.#pending[(offset - this.#about.pba) >> 2]!;
  }

  write32(offset: number, value: number): void {
    if (!this.#inTable(offset)) return;
    this.#table[(offset - this.#about.table) >> 2] = value;
    this.sendPending();
  }
}
