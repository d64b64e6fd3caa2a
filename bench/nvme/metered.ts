/**
 * A back end that tells what an access to the device costs and how many there are: everything below the doorbell.
 *
 * Invariant: the model runs within accesses only (it is stepped), so the time that these take is the model's, and all
 * other time is the system's.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow } from "#kernel/device/backend.ts";

/** Doorbells of completion queues: 1004h, 100Ch, … */
const DOORBELLS = 0x1000;

export class MeteredBackend implements DeviceBackend {
  readonly #inner: DeviceBackend;
  /** Since `clear`: milliseconds within accesses, and their numbers. */
  ms = 0;
  reads = 0;
  writes = 0;
  /** Of the writes, those to doorbells of completion queues. */
  completionDoorbells = 0;

  constructor(inner: DeviceBackend) {
    this.#inner = inner;
  }

  clear(): void {
    this.ms = this.reads = this.writes = this.completionDoorbells = 0;
  }

  read32(bar: number, offset: number): number {
    const begin = performance.now();
    const value = this.#inner.read32(bar, offset);
    this.ms += performance.now() - begin;
    this.reads++;
    return value;
  }

  write32(bar: number, offset: number, value: number): void {
    const begin = performance.now();
    this.#inner.write32(bar, offset, value);
    this.ms += performance.now() - begin;
    this.writes++;
    if (offset >= DOORBELLS && (offset & 4) !== 0) this.completionDoorbells++;
  }

  get name(): string {
    return this.#inner.name;
  }

  get real(): boolean {
    return this.#inner.real;
  }

  get identity(): DeviceBackend["identity"] {
    return this.#inner.identity;
  }

  get bars(): DeviceBackend["bars"] {
    return this.#inner.bars;
  }

  get onEvent(): ((event: DeviceEvent) => void) | undefined {
    return this.#inner.onEvent;
  }

  set onEvent(hear: ((event: DeviceEvent) => void) | undefined) {
    this.#inner.onEvent = hear;
  }

  configRead(offset: number, width: ConfigWidth): number {
    return this.#inner.configRead(offset, width);
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    this.#inner.configWrite(offset, width, value);
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void | Promise<void> {
    return this.#inner.map(memory, windows);
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    return this.#inner.interrupts(vectors, fired);
  }

  start(): void {
    this.#inner.start();
  }

  quiesce(): ReturnType<DeviceBackend["quiesce"]> {
    return this.#inner.quiesce();
  }

  quiesced(): boolean {
    return this.#inner.quiesced?.() ?? false;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/**
 * What it costs to look at the clock around an access.
 * @returns milliseconds that each access seems to cost its caller, beyond what is counted as its own
 */
export function clockOutside(): number {
  const turns = 20_000;
  let lowest = Infinity;
  for (let round = 0; round < 20; round++) {
    let inside = 0;
    const begin = performance.now();
    for (let i = 0; i < turns; i++) {
      const from = performance.now();
      inside += performance.now() - from;
    }
    lowest = Math.min(lowest, (performance.now() - begin - inside) / turns);
  }
  return lowest;
}
