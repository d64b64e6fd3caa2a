/**
 * A back end around another one that notes each access while somebody looks, and passes faults on.
 *
 * Invariants: the device sees the same accesses in the same order as without it; while nobody looks an access costs one
 * comparison more, while somebody does a few stores: nothing is allocated, and the oldest entries make room.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";

/** What happened. The ring holds its place in this list. */
export const KINDS = [
  "read",
  "write",
  "config-read",
  "config-write",
  "interrupt",
  "vectors",
  "start",
  "quiesce",
  "event",
] as const;
export type AccessKind = (typeof KINDS)[number];
const READ = 0;
const WRITE = 1;
const CONFIG_READ = 2;
const CONFIG_WRITE = 3;
const INTERRUPT = 4;
const VECTORS = 5;
const START = 6;
const QUIESCE = 7;
const EVENT = 8;

export interface Access {
  /** From 1, in order. */
  readonly sequence: number;
  /** Since the wrapper was made. */
  readonly ms: number;
  readonly kind: AccessKind;
  readonly bar: number;
  /** Bytes; of an interrupt, the vector; of vectors, how many were asked for (and `value`: how many there are). */
  readonly offset: number;
  /** Bytes. */
  readonly width: number;
  /** Unsigned. */
  readonly value: number;
}

/** Who wants to see everything as it happens: the recorder. Called after reads, before writes. */
export interface Observer {
  access(kind: AccessKind, bar: number, offset: number, width: number, value: number): void;
  /** The memory that the device reaches from now on. */
  mapped(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void;
}

/** What a back end may offer besides: faults on demand. */
export interface Injectable {
  /** @throws Error that names the mistake in `text` and what is known */
  inject(text: string): void;
}

const ENTRIES = 1 << 16;
/** A reader that does not come back for so long is gone; the ring with it. */
const PATIENCE_MS = 5000;

/** The last accesses, in arrays that are made once. */
class Ring {
  /** Sequence number of the next one. */
  next = 1;
  readonly #kind = new Uint8Array(ENTRIES);
  readonly #bar = new Uint8Array(ENTRIES);
  readonly #width = new Uint8Array(ENTRIES);
  readonly #offset = new Uint32Array(ENTRIES);
  readonly #value = new Uint32Array(ENTRIES);
  readonly #ms = new Float64Array(ENTRIES);

  constructor(first: number) {
    this.next = first;
  }

  push(kind: number, bar: number, offset: number, width: number, value: number, ms: number): void {
    const at = this.next++ % ENTRIES;
    this.#kind[at] = kind;
    this.#bar[at] = bar;
    this.#width[at] = width;
    this.#offset[at] = offset;
    this.#value[at] = value;
    this.#ms[at] = ms;
  }

  at(sequence: number): Access {
    const at = sequence % ENTRIES;
    return {
      sequence,
      ms: this.#ms[at]!,
      kind: KINDS[this.#kind[at]!]!,
      bar: this.#bar[at]!,
      offset: this.#offset[at]!,
      width: this.#width[at]!,
      value: this.#value[at]!,
    };
  }
}

export class TracingBackend implements DeviceBackend {
  readonly inner: DeviceBackend;
  readonly name: string;
  readonly real: boolean;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  /** The last thing that the device did by itself, for people. */
  lastEvent: DeviceEvent | null = null;
  readonly #observer: Observer | null;
  readonly #now: () => number;
  readonly #began: number;
  #ring: Ring | null = null;
  /** Sequence number at which the next ring begins. */
  #first = 1;
  #until = 0;
  /** Whether anything has to be noted. */
  #noting: boolean;

  /**
   * @param observer sees everything, from the first access on
   * @param now a clock, milliseconds
   */
  constructor(inner: DeviceBackend, observer: Observer | null = null, now: () => number = () => performance.now()) {
    this.inner = inner;
    this.name = inner.name;
    this.real = inner.real;
    this.identity = inner.identity;
    this.bars = inner.bars;
    this.#observer = observer;
    this.#noting = observer !== null;
    this.#now = now;
    this.#began = now();
    inner.onEvent = (event) => {
      this.lastEvent = event;
      if (this.#noting) this.#note(EVENT, 0, 0, 0, 0);
      this.onEvent?.(event);
    };
  }

  /** Whether accesses are kept for a reader now. */
  get watched(): boolean {
    return this.#ring !== null;
  }

  /**
   * Accesses after number `since`, oldest first; the first call begins to note them, and gives none.
   * @param since the last number that the reader has seen; undefined: begin now
   * @returns with how many were lost in between, because there were too many
   */
  accesses(since: number | undefined, limit: number): { accesses: Access[]; last: number; lost: number } {
    this.#until = this.#now() + PATIENCE_MS;
    this.#ring ??= new Ring(this.#first);
    this.#noting = true;
    const { next } = this.#ring;
    const wanted = (since ?? next - 1) + 1;
    // An older ring, or more than fits.
    const from = Math.max(Math.min(wanted, next), this.#first, next - ENTRIES);
    const to = Math.min(next, from + limit);
    const accesses: Access[] = [];
    for (let sequence = from; sequence < to; sequence++) accesses.push(this.#ring.at(sequence));
    return { accesses, last: to - 1, lost: Math.max(0, from - wanted) };
  }

  #note(kind: number, bar: number, offset: number, width: number, value: number): void {
    this.#observer?.access(KINDS[kind]!, bar, offset, width, value >>> 0);
    if (this.#ring === null) return;
    const now = this.#now();
    if (now > this.#until) this.#forget();
    else this.#ring.push(kind, bar, offset, width, value, now - this.#began);
  }

  #forget(): void {
    this.#first = this.#ring!.next;
    this.#ring = null;
    this.#noting = this.#observer !== null;
  }

  configRead(offset: number, width: ConfigWidth): number {
    const value = this.inner.configRead(offset, width);
    if (this.#noting) this.#note(CONFIG_READ, 0, offset, width, value);
    return value;
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    if (this.#noting) this.#note(CONFIG_WRITE, 0, offset, width, value);
    this.inner.configWrite(offset, width, value);
  }

  read32(bar: number, offset: number): number {
    const value = this.inner.read32(bar, offset);
    if (this.#noting) this.#note(READ, bar, offset, 4, value);
    return value;
  }

  write32(bar: number, offset: number, value: number): void {
    if (this.#noting) this.#note(WRITE, bar, offset, 4, value);
    this.inner.write32(bar, offset, value);
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void | Promise<void> {
    this.#observer?.mapped(memory, windows);
    return this.inner.map(memory, windows);
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    const enabled = this.inner.interrupts(vectors, (vector) => {
      if (this.#noting) this.#note(INTERRUPT, 0, vector, 0, 0);
      fired(vector);
    });
    if (this.#noting) this.#note(VECTORS, 0, vectors, 0, enabled);
    return enabled;
  }

  start(): void {
    if (this.#noting) this.#note(START, 0, 0, 0, 0);
    this.inner.start();
  }

  quiesce(): ReturnType<DeviceBackend["quiesce"]> {
    if (this.#noting) this.#note(QUIESCE, 0, 0, 0, 0);
    return this.inner.quiesce();
  }

  quiesced(): boolean {
    return this.inner.quiesced?.() ?? false;
  }

  close(): Promise<void> {
    return this.inner.close();
  }

  /**
   * Makes the device misbehave.
   * @throws Error when it cannot, or the fault is not known
   */
  inject(text: string): void {
    const inner = this.inner as DeviceBackend & Partial<Injectable>;
    if (typeof inner.inject !== "function") throw new Error(`${this.name} knows no faults on demand`);
    inner.inject(text);
  }
}
