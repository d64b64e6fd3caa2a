/**
 * A back end without a device: it answers from a record, and names the first thing that the driver does otherwise.
 *
 * Writes, commands, configuration and resets have to come as they are in the record, in its order; where commands say
 * addresses, any will do. Reads may be more or fewer, as their number depends on time: one that the record has not at
 * this place has the register's last value. What the device did by itself (answers, data, interrupts) is done when all
 * that came before has been. Invariant: after the first difference the device is gone, and nothing more is answered.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";
import { formatAccess, meaningsOf, type Meanings } from "./format.ts";
import { ADDRESSES, NvmeMemory } from "./nvme-memory.ts";
import { isAccess, type AccessEvent, type DeviceRecord, type RecordEvent } from "./record.ts";

const ONES = 0xffff_ffff;
const NVME = 0x010802;
/** Reads without a write in between: a driver that waits for what the record never says. */
const MAX_READS = 100_000;

const isRead = (event: RecordEvent): boolean => event.kind === "read" || event.kind === "config-read";
/** What the driver does; without reads, the milestones of a record. */
const isDeed = (event: RecordEvent): boolean => isAccess(event) || event.kind === "command";

export class ReplayBackend implements DeviceBackend {
  readonly name: string;
  readonly real: boolean;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  /** What the driver did otherwise than the record, for people; null: nothing so far. */
  difference: string | null = null;
  readonly #events: readonly RecordEvent[];
  readonly #nvme: NvmeMemory | null;
  readonly #meanings: Meanings;
  /** The next event of the record that the driver has to bring about. */
  #at = 0;
  /** The next one that the device does by itself. */
  #done = 0;
  /** The last value of each register, by configuration space or BAR and offset. */
  readonly #values = new Map<string, number>();
  readonly #answered = new Map<number, number>();
  #reads = 0;
  #fired: ((vector: number) => void) | null = null;

  constructor(record: DeviceRecord) {
    const { name, real, identity, bars } = record.header;
    this.name = `replay:${name}`;
    this.real = real;
    this.identity = identity;
    this.bars = bars;
    this.#events = record.events;
    this.#meanings = meaningsOf(identity);
    const listener = {
      command: (queue: number, entry: Uint8Array) => this.#command(queue, entry),
      completion: () => {},
      data: () => {},
    };
    this.#nvme = identity.classCode === NVME ? new NvmeMemory(listener) : null;
  }

  /** Whether the driver has done everything that the record has. */
  get finished(): boolean {
    return this.#events.slice(this.#at).every((event) => !isDeed(event) || isRead(event));
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.#nvme?.map(memory, windows);
  }

  configRead(offset: number, width: ConfigWidth): number {
    return this.#read("config-read", 0, offset, width);
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    this.#deed({ kind: "config-write", bar: 0, offset, width, value: value >>> 0 });
  }

  read32(bar: number, offset: number): number {
    const value = this.#read("read", bar, offset, 4);
    if (bar === 0) this.#nvme?.read(offset, value);
    return value;
  }

  write32(bar: number, offset: number, value: number): void {
    if (this.difference === null && bar === 0) this.#nvme?.write(offset, value >>> 0);
    this.#deed({ kind: "write", bar, offset, width: 4, value: value >>> 0 });
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    const recorded = this.#deed({ kind: "vectors", bar: 0, offset: vectors, width: 0, value: 0 });
    this.#fired = vectors === 0 ? null : fired;
    return recorded?.value ?? 0;
  }

  start(): void {
    this.#deed({ kind: "start", bar: 0, offset: 0, width: 0, value: 0 });
  }

  /** At once: nothing here reaches memory by itself. */
  quiesce(): void {
    this.#deed({ kind: "quiesce", bar: 0, offset: 0, width: 0, value: 0 });
    this.#nvme?.reset();
    this.#answered.clear();
    this.#fired = null;
  }

  async close(): Promise<void> {}

  #read(kind: "read" | "config-read", bar: number, offset: number, width: number): number {
    if (this.difference !== null) return ONES >>> (32 - 8 * width);
    const key = `${kind} ${bar} ${offset} ${width}`;
    for (let i = this.#at; i < this.#events.length; i++) {
      const event = this.#events[i]!;
      if (isDeed(event) && !isRead(event)) break;
      if (!isRead(event)) continue;
      const read = event as AccessEvent;
      this.#values.set(`${read.kind} ${read.bar} ${read.offset} ${read.width}`, read.value);
      if (read.kind !== kind || read.bar !== bar || read.offset !== offset || read.width !== width) continue;
      this.#at = i + 1;
      this.#reads = 0;
      this.#act();
      return read.value;
    }
    const value = this.#values.get(key);
    this.#reads++;
    if (value !== undefined && this.#reads <= MAX_READS) return value;
    this.#differs(formatAccess({ kind, bar, offset, width, value: value ?? 0 }, this.#meanings));
    return ONES >>> (32 - 8 * width);
  }

  /** The next thing that the record has the driver do, reads apart. */
  #next(): RecordEvent | undefined {
    while (this.#at < this.#events.length) {
      const event = this.#events[this.#at]!;
      if (isDeed(event) && !isRead(event)) return event;
      if (isRead(event)) {
        const read = event as AccessEvent;
        this.#values.set(`${read.kind} ${read.bar} ${read.offset} ${read.width}`, read.value);
      }
      this.#at++;
    }
    return undefined;
  }

  /** The driver did something other than a read. @returns the record's event, or null when it is another one */
  #deed(access: AccessEvent): AccessEvent | null {
    if (this.difference !== null) return null;
    const next = this.#next();
    const same =
      next !== undefined &&
      isAccess(next) &&
      next.kind === access.kind &&
      next.bar === access.bar &&
      next.offset === access.offset &&
      next.width === access.width &&
      (next.value === access.value || access.kind === "vectors" || this.#isAddress(access));
    if (!same) return (this.#differs(formatAccess(access, this.#meanings)), null);
    this.#advance();
    return next;
  }

  /** ASQ and ACQ: where the queues lie, anybody may choose. */
  #isAddress({ kind, bar, offset }: AccessEvent): boolean {
    return this.#nvme !== null && kind === "write" && bar === 0 && offset >= 0x28 && offset < 0x38;
  }

  #command(queue: number, entry: Uint8Array): void {
    if (this.difference !== null) return;
    const next = this.#next();
    const [from, to] = ADDRESSES;
    const same =
      next?.kind === "command" &&
      next.queue === queue &&
      next.bytes.every((byte, i) => (i >= from && i < to) || byte === entry[i]);
    if (same) this.#advance();
    else this.#differs(formatCommand(queue, entry));
  }

  #advance(): void {
    this.#at++;
    this.#reads = 0;
    this.#act();
  }

  /** Does what the device did by itself, up to the next thing that the driver has to do first. */
  #act(): void {
    for (this.#done = Math.max(this.#done, 0); this.#done < this.#events.length; this.#done++) {
      const event = this.#events[this.#done]!;
      if (isDeed(event) && !isRead(event) && this.#done >= this.#at) return;
      if (event.kind === "data") this.#nvme?.deliver(event.queue, event.command, event.bytes);
      else if (event.kind === "completion") this.#complete(event.queue, event.bytes);
      else if (event.kind === "interrupt") setImmediate((vector: number) => this.#fired?.(vector), event.offset);
      else if (event.kind === "event") this.#report("the device reported an event here");
    }
  }

  #complete(queue: number, entry: Uint8Array): void {
    const answered = this.#answered.get(queue) ?? 0;
    this.#nvme?.complete(queue, entry, answered);
    this.#answered.set(queue, answered + 1);
  }

  #differs(did: string): void {
    const next = this.#next();
    const expected =
      next === undefined
        ? "the record ends here"
        : `line ${this.#at + 2} of the record has: ${formatRecorded(next, this.#meanings)}`;
    this.difference = `the driver did: ${did}; ${expected}`;
    this.#report(this.difference);
  }

  #report(text: string): void {
    setImmediate(() => this.onEvent?.({ kind: "gone", text }));
  }
}

/** A submission queue entry, for people: what decides is its first and its last words. */
export function formatCommand(queue: number, entry: Uint8Array): string {
  const view = new DataView(entry.buffer, entry.byteOffset, entry.byteLength);
  const words = [10, 11, 12, 13, 14, 15].map((n) => `CDW${n}=0x${view.getUint32(n * 4, true).toString(16)}`);
  const opcode = `OPC=0x${entry[0]!.toString(16).padStart(2, "0")}`;
  const whose = `CID=${view.getUint16(2, true)} NSID=${view.getUint32(4, true)}`;
  return `command in SQ${queue}: ${opcode} ${whose} ${words.join(" ")}`;
}

/** Any event of a record, for people. */
export function formatRecorded(event: RecordEvent, meanings: Meanings): string {
  switch (event.kind) {
    case "command":
      return formatCommand(event.queue, event.bytes);
    case "completion": {
      const view = new DataView(event.bytes.buffer, event.bytes.byteOffset, event.bytes.byteLength);
      const [submission, command] = [view.getUint16(10, true), view.getUint16(12, true)];
      const status = (view.getUint16(14, true) >>> 1).toString(16);
      return `completion in CQ${event.queue}: SQID=${submission} CID=${command} SF=0x${status}`;
    }
    case "data":
      return `data for command ${event.command} of SQ${event.queue}: ${event.bytes.length} bytes`;
    default:
      return formatAccess(event, meanings);
  }
}
