/**
 * The memory between the kernel's thread and a model's: posted writes in one direction, interrupts in the other.
 *
 * Invariant: writes arrive in their order, each once (one thread puts, one takes); what was stored before a `put` is
 * seen by who takes it, since both counters are accessed atomically.
 */

const PUT = 0;
const TAKEN = 1;
const MASTERING = 2;
const ASLEEP = 3;
const NEWS = 4;
const VECTORS = 8;
const VECTOR_WORDS = 4;
const ENTRIES = 16;
/** A power of two. */
const CAPACITY = 1024;

/** What an entry is; beside it a number of 24 bits (BAR and offset), and a word. */
export const Post = { write: 0, functionReset: 1, fault: 2, stop: 3 } as const;
const KIND_SHIFT = 28;
const BAR_SHIFT = 24;
const OFFSET_MASK = 0xff_ffff;

export class Mailbox {
  readonly #words: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer((ENTRIES + CAPACITY * 2) * 4)) {
    this.#words = new Int32Array(buffer);
  }

  get buffer(): SharedArrayBuffer {
    return this.#words.buffer;
  }

  // ── the kernel's side ────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Puts an entry, and wakes who sleeps.
   * @param patienceMs how long to wait for room
   * @returns false: there was none
   */
  put(kind: number, bar: number, offset: number, value: number, patienceMs: number): boolean {
    const words = this.#words;
    const count = words[PUT]!;
    if (((count - Atomics.load(words, TAKEN)) | 0) >= CAPACITY && !this.#waitForTaken(count - CAPACITY + 1, patienceMs))
      return false;
    const at = ENTRIES + (count & (CAPACITY - 1)) * 2;
    words[at] = (kind << KIND_SHIFT) | (bar << BAR_SHIFT) | offset;
    words[at + 1] = value;
    Atomics.store(words, PUT, (count + 1) | 0);
    if (Atomics.load(words, ASLEEP) !== 0) Atomics.notify(words, PUT);
    return true;
  }

  /** Waits until everything that was put is done. @returns false: it was not in time */
  drain(patienceMs: number): boolean {
    return this.#waitForTaken(this.#words[PUT]!, patienceMs);
  }

  #waitForTaken(count: number, patienceMs: number): boolean {
    const words = this.#words;
    let end = 0;
    for (;;) {
      const taken = Atomics.load(words, TAKEN);
      if (((taken - count) | 0) >= 0) return true;
      const now = performance.now();
      if (end === 0) end = now + patienceMs;
      if (now >= end) return false;
      Atomics.wait(words, TAKEN, taken, end - now);
    }
  }

  /** Bus mastering, in effect at once. */
  set mastering(on: boolean) {
    if (((this.#words[MASTERING]! & 1) === 1) !== on) Atomics.add(this.#words, MASTERING, 1);
  }

  /** Takes the vectors that were raised since; `raise` says so again from now on. */
  takeVectors(each: (vector: number) => void): void {
    Atomics.store(this.#words, NEWS, 0);
    for (let i = 0; i < VECTOR_WORDS; i++) {
      let bits = Atomics.exchange(this.#words, VECTORS + i, 0);
      for (; bits !== 0; bits &= bits - 1) each(i * 32 + (31 - Math.clz32(bits & -bits)));
    }
  }

  // ── the model's side ─────────────────────────────────────────────────────────────────────────────────────────────

  /** Odd while bus mastering is on. */
  get masteringCount(): number {
    return Atomics.load(this.#words, MASTERING);
  }

  get empty(): boolean {
    return Atomics.load(this.#words, PUT) === this.#words[TAKEN]!;
  }

  /** Hands all entries to `each`; one is done when it returns. @returns whether there were any */
  take(each: (kind: number, bar: number, offset: number, value: number) => void): boolean {
    const words = this.#words;
    const until = Atomics.load(words, PUT);
    let taken = words[TAKEN]!;
    if (taken === until) return false;
    while (taken !== until) {
      const at = ENTRIES + (taken & (CAPACITY - 1)) * 2;
      const head = words[at]!;
      each(head >>> KIND_SHIFT, (head >>> BAR_SHIFT) & 15, head & OFFSET_MASK, words[at + 1]!);
      taken = (taken + 1) | 0;
      Atomics.store(words, TAKEN, taken);
    }
    Atomics.notify(words, TAKEN);
    return true;
  }

  /** Sleeps until something is put. @param ms at most, or Infinity */
  sleep(ms: number): void {
    const words = this.#words;
    Atomics.store(words, ASLEEP, 1);
    // Looked at after the store: who puts looks at it after its own.
    Atomics.wait(words, PUT, words[TAKEN]!, ms);
    Atomics.store(words, ASLEEP, 0);
  }

  /** @returns whether the kernel's thread has to be told that there are vectors */
  raise(vector: number): boolean {
    Atomics.or(this.#words, VECTORS + (vector >> 5), 1 << (vector & 31));
    return Atomics.exchange(this.#words, NEWS, 1) === 0;
  }
}
