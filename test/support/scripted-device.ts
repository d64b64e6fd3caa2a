/**
 * An NVMe controller that does what a test tells it, also what no controller should: a back end without a will.
 *
 * It reads and writes the exchange heap where it is told to, as a device with bus mastering would; what it wrote outside
 * its windows is the test's to see. Registers are words without meaning, but CSTS.RDY, which follows CC.EN.
 */
import type { DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";

const CC = 0x14;
const CSTS = 0x1c;
const AQA = 0x24;
const ASQ = 0x28;
const ACQ = 0x30;
const DOORBELLS = 0x1000;

/** A submission queue entry, as words. */
export type Entry = Int32Array;

interface Ring {
  sq: number;
  cq: number;
  entries: number;
  /** What the driver's doorbell says, and where the device is. */
  tail: number;
  head: number;
  cqHead: number;
  cqTail: number;
  phase: number;
}

export class ScriptedDevice implements DeviceBackend {
  readonly name = "test:scripted";
  readonly real: boolean;
  readonly writable?: string;
  readonly identity: PciIdentity = {
    vendor: 0x1af4,
    device: 0x10,
    classCode: 0x010802,
    revision: 2,
    subsystemVendor: 0x1af4,
    subsystem: 0x1100,
  };
  readonly bars = [{ bytes: 0x4000 }];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  readonly registers = new Int32Array(DOORBELLS / 4);
  /** Every write to a register, as [offset, value]. */
  readonly writes: [number, number][] = [];
  windows: readonly DmaWindow[] = [];
  readonly rings: (Ring | undefined)[] = [];
  fired: ((vector: number) => void) | null = null;
  /** Bus mastering. */
  running = false;
  closed = false;
  quiesces = 0;
  /** When set, a quiesce lasts until `release`, or fails; or is done at once. */
  hold = false;
  instant = false;
  /** What `quiesced` says; then the device is as after a reset, whatever became of the promise. */
  silent = false;
  #held: { resolve: () => void; reject: (error: Error) => void }[] = [];
  memory: Uint8Array = new Uint8Array(0);
  #words: Int32Array = new Int32Array(0);

  constructor(options: { real?: boolean; writable?: string; identity?: Partial<PciIdentity> } = {}) {
    this.real = options.real ?? false;
    if (options.writable !== undefined) this.writable = options.writable;
    this.identity = { ...this.identity, ...options.identity };
    this.registers[0] = 0x0f0101ff; // CAP: MQES 511, CQR, TO
  }

  // ── DeviceBackend ────────────────────────────────────────────────────────────────────────────────────────────────

  configRead(offset: number, width: number): number {
    return width === 4 && offset === 0 ? 0x00101af4 : 0xff;
  }
  configWrite(): void {}
  read32(bar: number, offset: number): number {
    if (bar !== 0 || offset >= DOORBELLS) throw new Error(`read of BAR ${bar}, ${offset}`);
    return this.registers[offset >> 2]!;
  }
  write32(bar: number, offset: number, value: number): void {
    if (bar !== 0) throw new Error(`write to BAR ${bar}`);
    this.writes.push([offset, value]);
    if (offset >= DOORBELLS) return this.#doorbell((offset - DOORBELLS) >> 2, value);
    this.registers[offset >> 2] = value;
    if (offset !== CC) return;
    this.registers[CSTS >> 2] = value & 1;
    this.rings.length = 0;
    if ((value & 1) !== 0)
      this.rings[0] = ring(
        this.registers[ASQ >> 2]!,
        this.registers[ACQ >> 2]!,
        (this.registers[AQA >> 2]! & 0xfff) + 1,
      );
  }
  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.memory = new Uint8Array(memory);
    this.#words = new Int32Array(memory);
    this.windows = windows;
  }
  interrupts(vectors: number, fired: (vector: number) => void): number {
    this.fired = vectors > 0 ? fired : null;
    return Math.min(vectors, 4);
  }
  start(): void {
    this.running = true;
  }
  quiesce(): void | Promise<void> {
    this.quiesces++;
    this.running = false;
    if (this.instant) return this.#reset();
    if (!this.hold) return Promise.resolve().then(() => this.#reset());
    const held = new Promise<void>((resolve, reject) => this.#held.push({ resolve, reject }));
    return held.then(() => void (this.silent || this.#reset()));
  }
  #reset(): void {
    this.registers.fill(0, CC >> 2);
    this.rings.length = 0;
    this.fired = null;
  }
  quiesced(): boolean {
    if (this.silent) this.#reset();
    return this.silent;
  }
  async close(): Promise<void> {
    this.closed = true;
  }

  #doorbell(number: number, value: number): void {
    const it = this.rings[number >> 1];
    if (it === undefined) return;
    if ((number & 1) === 0) it.tail = value;
    else it.cqHead = value;
  }

  // ── what a test makes it do ──────────────────────────────────────────────────────────────────────────────────────

  /** Ends what `hold` held up. */
  release(error?: Error): void {
    this.hold = false;
    for (const { resolve, reject } of this.#held.splice(0))
      if (error === undefined) resolve();
      else reject(error);
  }

  /** The next command that the driver rang the doorbell for, or null. */
  fetch(queue = 0): Entry | null {
    const it = this.rings[queue]!;
    if (it.head === it.tail) return null;
    const at = (it.sq >> 2) + it.head * 16;
    it.head = (it.head + 1) % it.entries;
    return this.#words.slice(at, at + 16);
  }

  /** Posts a completion of whatever it is told. */
  complete(id: number, options: { queue?: number; status?: number; dw0?: number; as?: number } = {}): void {
    const queue = options.queue ?? 0;
    const it = this.rings[queue]!;
    const at = (it.cq >> 2) + it.cqTail * 4;
    this.#words[at] = options.dw0 ?? 0;
    this.#words[at + 1] = 0;
    this.#words[at + 2] = it.head | ((options.as ?? queue) << 16);
    Atomics.store(this.#words, at + 3, (id & 0xffff) | (it.phase << 16) | ((options.status ?? 0) << 17));
    it.cqTail = (it.cqTail + 1) % it.entries;
    if (it.cqTail === 0) it.phase ^= 1;
  }

  /** Fetches one command and does what it says, as far as admin commands concern queues. @returns it */
  answer(queue = 0, status = 0): Entry {
    const entry = this.fetch(queue);
    if (entry === null) throw new Error(`queue ${queue} is empty`);
    const opcode = entry[0]! & 0xff;
    const id = entry[10]! & 0xffff;
    if (queue === 0 && status === 0 && opcode === 0x05) this.rings[id] = ring(0, entry[6]!, (entry[10]! >>> 16) + 1);
    if (queue === 0 && status === 0 && opcode === 0x01) this.rings[id]!.sq = entry[6]!;
    this.complete(entry[0]! >>> 16, { queue, status });
    return entry;
  }

  /** Writes to memory, wherever it is told. */
  write(address: number, bytes: Uint8Array | readonly number[]): void {
    this.memory.set(bytes, address);
  }

  read(address: number, bytes: number): Uint8Array {
    return this.memory.slice(address, address + bytes);
  }

  /** Whether an address lies in its windows. */
  reaches(address: number, bytes = 1): boolean {
    return this.windows.some((w) => address >= w.iova && address + bytes <= w.iova + w.bytes);
  }
}

function ring(sq: number, cq: number, entries: number): Ring {
  return { sq, cq, entries, tail: 0, head: 0, cqHead: 0, cqTail: 0, phase: 1 };
}
