/**
 * What passes through memory between a driver and its NVM Express controller, as it can be seen at the doorbells.
 *
 * A submission doorbell shows new commands; a completion doorbell, that answers were read, and so that the data of
 * their commands is there. Invariant: reads memory only within what was mapped for the device, whatever the queues
 * hold.
 * Source: NVM Express 1.4, sections 3.1 (registers), 4.1 to 4.6 (queues, entries, PRP), 5.3 to 5.6, 5.14, 5.15.
 */
import type { DmaWindow } from "#kernel/device/backend.ts";

const CAP_HIGH = 0x04;
const CC = 0x14;
const AQA = 0x24;
const ASQ = 0x28;
const ACQ = 0x30;
const DOORBELLS = 0x1000;
const CC_EN = 1;
const SQE_BYTES = 64;
const CQE_BYTES = 16;
/** Bytes of an entry that are addresses or nobody's: DW2 to DW9. */
export const ADDRESSES = [8, 40] as const;
const IDENTIFY = 0x06;
const READ = 0x02;
const LOG_PAGE = 0x02;
const MAX_BYTES = 2 << 20;
/** Of PRP lists: as many as the largest transfer has pages, and the links between lists. */
const MAX_ENTRIES = 520;

interface Queue {
  base: number;
  entries: number;
  /** Tail of a submission queue, head of a completion queue: what its doorbell said last. */
  at: number;
}

export interface Listener {
  command(queue: number, entry: Uint8Array): void;
  completion(queue: number, entry: Uint8Array): void;
  /** Data that the device wrote for a command of submission queue `queue`. */
  data(queue: number, command: number, bytes: Uint8Array): void;
}

export class NvmeMemory {
  readonly #listener: Listener;
  #bytes: Uint8Array = new Uint8Array(0);
  #view: DataView = new DataView(new ArrayBuffer(0));
  #windows: readonly DmaWindow[] = [];
  readonly #submission = new Map<number, Queue>();
  readonly #completion = new Map<number, Queue>();
  /** Entries of commands under way, by queue << 16 | identifier. */
  readonly #open = new Map<number, Uint8Array>();
  /** log2 of a block's bytes, by namespace. */
  readonly #blockShift = new Map<number, number>();
  readonly #registers = new Map<number, number>();
  #stride = 0;

  constructor(listener: Listener) {
    this.#listener = listener;
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.#bytes = new Uint8Array(memory);
    this.#view = new DataView(memory);
    this.#windows = windows;
  }

  /** A register of BAR 0 was read. */
  read(offset: number, value: number): void {
    if (offset === CAP_HIGH) this.#stride = value & 15;
  }

  /** A register of BAR 0 is written. */
  write(offset: number, value: number): void {
    if (offset >= DOORBELLS) return this.#doorbell((offset - DOORBELLS) / (4 << this.#stride), value);
    this.#registers.set(offset, value);
    if (offset === CC) this.#enable((value & CC_EN) !== 0);
  }

  /** Everything is as after a reset. */
  reset(): void {
    for (const map of [this.#submission, this.#completion, this.#open]) map.clear();
  }

  #enable(enabled: boolean): void {
    if (!enabled) return this.reset();
    const register = (offset: number): number => (this.#registers.get(offset) ?? 0) >>> 0;
    const address = (offset: number): number => register(offset) + register(offset + 4) * 2 ** 32;
    const sizes = register(AQA);
    this.#submission.set(0, { base: address(ASQ), entries: (sizes & 0xfff) + 1, at: 0 });
    this.#completion.set(0, { base: address(ACQ), entries: ((sizes >>> 16) & 0xfff) + 1, at: 0 });
  }

  #doorbell(number: number, value: number): void {
    const isTail = number % 2 === 0;
    const id = number >>> 1;
    const queue = (isTail ? this.#submission : this.#completion).get(id);
    if (queue === undefined || value >= queue.entries) return;
    for (; queue.at !== value; queue.at = (queue.at + 1) % queue.entries) {
      const bytes = isTail ? SQE_BYTES : CQE_BYTES;
      const entry = this.#read(queue.base + queue.at * bytes, bytes);
      if (entry.length < bytes) continue;
      if (isTail) this.#command(id, entry);
      else this.#answered(id, entry);
    }
  }

  /** A copy, cut where the device's windows end. */
  #read(address: number, bytes: number): Uint8Array {
    return this.#reaches(address, bytes) ? this.#bytes.slice(address, address + bytes) : new Uint8Array(0);
  }

  #reaches(address: number, bytes: number): boolean {
    return this.#windows.some((w) => address >= w.iova && address + bytes <= w.iova + w.bytes);
  }

  #command(queue: number, entry: Uint8Array): void {
    const view = viewOf(entry);
    this.#open.set((queue << 16) | view.getUint16(2, true), entry);
    if (queue === 0) this.#manage(entry[0]!, view);
    this.#listener.command(queue, entry);
  }

  /** 5.3 to 5.6: queues come and go. */
  #manage(opcode: number, view: DataView): void {
    const [id, entries] = [view.getUint16(40, true), view.getUint16(42, true) + 1];
    const base = Number(view.getBigUint64(24, true));
    if (opcode === 0x01) this.#submission.set(id, { base, entries, at: 0 });
    else if (opcode === 0x05) this.#completion.set(id, { base, entries, at: 0 });
    else if (opcode === 0x00) this.#submission.delete(id);
    else if (opcode === 0x04) this.#completion.delete(id);
  }

  #answered(queue: number, entry: Uint8Array): void {
    const view = viewOf(entry);
    const [submission, command] = [view.getUint16(10, true), view.getUint16(12, true)];
    const key = (submission << 16) | command;
    const asked = this.#open.get(key);
    this.#open.delete(key);
    const failed = view.getUint16(14, true) >>> 1 !== 0;
    if (asked !== undefined && !failed) {
      const data = this.#gather(asked, this.#answerBytes(submission, asked));
      if (data.length > 0) this.#listener.data(submission, command, data);
      this.#learn(submission, asked, data);
    }
    this.#listener.completion(queue, entry);
  }

  /** How many bytes a command makes the device write. */
  #answerBytes(queue: number, entry: Uint8Array): number {
    const view = viewOf(entry);
    const [opcode, dw10, dw11] = [entry[0]!, view.getUint32(40, true), view.getUint32(44, true)];
    if (queue === 0) {
      if (opcode === IDENTIFY) return 4096;
      return opcode === LOG_PAGE ? ((dw10 >>> 16) + (dw11 & 0xffff) * 65536 + 1) * 4 : 0;
    }
    const shift = this.#blockShift.get(view.getUint32(4, true));
    return opcode === READ && shift !== undefined ? (view.getUint16(48, true) + 1) * 2 ** shift : 0;
  }

  /** 5.15.2.1: the size of a block, out of the answer to Identify Namespace. */
  #learn(queue: number, entry: Uint8Array, data: Uint8Array): void {
    const view = viewOf(entry);
    if (queue !== 0 || entry[0] !== IDENTIFY || entry[40] !== 0 || data.length < 4096) return;
    this.#blockShift.set(view.getUint32(4, true), data[128 + (data[26]! & 15) * 4 + 2]!);
  }

  /** Where a command's data lies, in order: 4.3, with pages of 4 KiB. */
  #pieces(entry: Uint8Array, bytes: number): { address: number; bytes: number }[] {
    const view = viewOf(entry);
    const pieces: { address: number; bytes: number }[] = [];
    const [first, second] = [24, 32].map((at) => Number(view.getBigUint64(at, true))) as [number, number];
    /** @returns how many of `left` bytes go to this page */
    const add = (address: number, left: number): number => {
      const size = Math.min(left, 4096 - (address % 4096));
      if (size > 0 && this.#reaches(address, size)) pieces.push({ address, bytes: size });
      return size;
    };
    let left = Math.min(bytes, MAX_BYTES);
    left -= add(first, left);
    if (left <= 4096) left -= add(second, left);
    let at = second;
    for (let n = 0; n < MAX_ENTRIES && left > 0; n++) {
      if (!this.#reaches(at, 8)) break;
      const next = Number(this.#view.getBigUint64(at, true));
      // The last entry of a page leads to the next one, when there is more than it could name itself.
      if ((at + 8) % 4096 === 0 && left > 4096) at = next;
      else {
        left -= add(next, left);
        at += 8;
      }
    }
    return pieces;
  }

  #gather(entry: Uint8Array, bytes: number): Uint8Array {
    const pieces = this.#pieces(entry, bytes);
    const data = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.bytes, 0));
    let at = 0;
    for (const piece of pieces) {
      data.set(this.#bytes.subarray(piece.address, piece.address + piece.bytes), at);
      at += piece.bytes;
    }
    return data;
  }

  /** Writes data where a command under way wants it, as the device would. */
  deliver(queue: number, command: number, data: Uint8Array): void {
    const entry = this.#open.get((queue << 16) | command);
    if (entry === undefined) return;
    let at = 0;
    for (const piece of this.#pieces(entry, data.length)) {
      this.#bytes.set(data.subarray(at, at + piece.bytes), piece.address);
      at += piece.bytes;
    }
  }

  /**
   * Writes an answer, with its phase tag (4.6.1), into a completion queue. The status word comes last, as the device
   * writes it.
   * @param answered how many the queue was given before
   */
  complete(queue: number, entry: Uint8Array, answered: number): void {
    const ring = this.#completion.get(queue);
    if (ring === undefined) return;
    const address = ring.base + (answered % ring.entries) * CQE_BYTES;
    if (!this.#reaches(address, CQE_BYTES) || address % 4 !== 0) return;
    const phase = Math.floor(answered / ring.entries) % 2 === 0 ? 1 : 0;
    const view = viewOf(entry);
    const words = new Int32Array(this.#view.buffer, address, 4);
    for (let i = 0; i < 3; i++) words[i] = view.getInt32(i * 4, true);
    Atomics.store(words, 3, (view.getInt32(12, true) & ~0x10000) | (phase << 16));
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
