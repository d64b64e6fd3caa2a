/**
 * Submission and completion queues: rings in the driver's memory (NVMe 1.4, 4.1 and 4.6), and the commands in them.
 *
 * Invariant: an entry of a completion queue is written once it is free by the driver's own head doorbell, and its phase
 * tag last, in one store with the status; a full queue gets nothing.
 */
import type { Dma } from "../model.ts";
import { PAGE } from "./prp.ts";
import { CQE_SHIFT, SQE_SHIFT } from "./spec.ts";

/** The words of a ring, a page at a time; views are kept while the host's answers hold. */
class Ring {
  readonly #dma: Dma;
  readonly #base: number;
  readonly #bytes: number;
  readonly #write: boolean;
  readonly #pages: (Int32Array | null)[];
  #epoch = -1;

  constructor(dma: Dma, base: number, bytes: number, write: boolean) {
    this.#dma = dma;
    this.#base = base;
    this.#bytes = bytes;
    this.#write = write;
    this.#pages = Array.from({ length: Math.ceil(bytes / PAGE) }, () => null);
  }

  /** @returns words of the page that `offset` lies in, or null: the host refuses. */
  page(offset: number): Int32Array | null {
    if (this.#epoch !== this.#dma.epoch) {
      this.#pages.fill(null);
      this.#epoch = this.#dma.epoch;
    }
    const index = offset >>> 12;
    return this.#pages[index] ?? this.#look(index);
  }

  #look(index: number): Int32Array | null {
    const bytes = Math.min(PAGE, this.#bytes - index * PAGE);
    const view = this.#dma.view(this.#base + index * PAGE, bytes, this.#write);
    if (view === null) return null;
    const words = new Int32Array(view.buffer, view.byteOffset, bytes >> 2);
    this.#pages[index] = words;
    return words;
  }
}

/** One command, from its fetch to its completion. */
export class Command {
  /** The 16 words of the submission queue entry. */
  readonly words = new Int32Array(16);
  sq: SubmissionQueue;
  /** Word 0 of the completion. */
  result = 0;
  /** When it is carried out, milliseconds of the host's clock. */
  due = 0;
  /** The status that it ended with, while it waits for room in the completion queue. */
  status = 0;
  /** Comes whatever the driver does meanwhile: a fault. */
  stubborn = false;

  constructor(sq: SubmissionQueue) {
    this.sq = sq;
  }

  get opcode(): number {
    return this.words[0]! & 0xff;
  }

  get cid(): number {
    return this.words[0]! >>> 16;
  }

  get nsid(): number {
    return this.words[1]! >>> 0;
  }

  /** A command that outlives the fetch of the next one. */
  copy(): Command {
    const copy = new Command(this.sq);
    copy.words.set(this.words);
    copy.result = this.result;
    return copy;
  }
}

export class CompletionQueue {
  readonly id: number;
  readonly size: number;
  readonly vector: number;
  readonly interrupts: boolean;
  readonly #ring: Ring;
  /** Where the driver reads next (its doorbell) and where the controller writes next. */
  head = 0;
  tail = 0;
  #phase = 1;
  /** Submission queues that complete here. */
  users = 0;
  /** Commands that ended while there was no room. */
  readonly waiting: Command[] = [];
  /** There are entries that no interrupt has told of. */
  news = false;

  constructor(dma: Dma, id: number, base: number, size: number, vector: number, interrupts: boolean) {
    this.id = id;
    this.size = size;
    this.vector = vector;
    this.interrupts = interrupts;
    this.#ring = new Ring(dma, base, size << CQE_SHIFT, true);
  }

  get full(): boolean {
    const next = this.tail + 1;
    return (next === this.size ? 0 : next) === this.head;
  }

  /**
   * Writes one entry. There is room.
   * @param tag command id, status and phase come from it and `status`
   * @returns false: the host refuses
   */
  post(result: number, sqHead: number, sqId: number, cid: number, status: number): boolean {
    const offset = this.tail << CQE_SHIFT;
    const words = this.#ring.page(offset);
    if (words === null) return false;
    const at = (offset & (PAGE - 1)) >> 2;
    words[at] = result;
    words[at + 1] = 0;
    words[at + 2] = sqHead | (sqId << 16);
    // Last, and in one piece: who sees the phase sees all of it, and what the command wrote.
    Atomics.store(words, at + 3, cid | (this.#phase << 16) | (status << 17));
    if (++this.tail === this.size) {
      this.tail = 0;
      this.#phase ^= 1;
    }
    this.news = true;
    return true;
  }
}

export class SubmissionQueue {
  readonly id: number;
  readonly size: number;
  readonly cq: CompletionQueue;
  readonly #ring: Ring;
  /** Where the controller reads next and where the driver writes next (its doorbell). */
  head = 0;
  tail = 0;
  /** Deleted, or its controller was reset: what is still under way for it has no place to end. */
  gone = false;

  constructor(dma: Dma, id: number, base: number, size: number, cq: CompletionQueue) {
    this.id = id;
    this.size = size;
    this.cq = cq;
    this.#ring = new Ring(dma, base, size << SQE_SHIFT, false);
    cq.users++;
  }

  get empty(): boolean {
    return this.head === this.tail;
  }

  /** Takes the next command; the queue is not empty. @returns false: the host refuses */
  fetch(into: Command): boolean {
    const offset = this.head << SQE_SHIFT;
    const words = this.#ring.page(offset);
    if (words === null) return false;
    const at = (offset & (PAGE - 1)) >> 2;
    for (let i = 0; i < 16; i++) into.words[i] = words[at + i]!;
    into.sq = this;
    into.result = 0;
    if (++this.head === this.size) this.head = 0;
    return true;
  }
}
