/**
 * A small NVMe driver for tests of the model, written after the specification and apart from the model's own tables,
 * with full control over what it puts into rings and registers.
 *
 * Invariant: memory is laid out once: the admin rings, pages for lists, and data; nothing is handed out twice.
 */
import type { ModelBackend } from "../../drivers/models/backend.ts";
import { SteppedBackend } from "../../drivers/models/hosts/stepped.ts";

export const WINDOW = 64 << 10;
export const RIG_BYTES = 4 << 20;
/** Quiet defaults of the model: no waits. */
export const FAST = { readyMs: 0, mmioReadNs: 0 } as const;

export interface Completion {
  readonly result: number;
  readonly sqHead: number;
  readonly sqId: number;
  readonly cid: number;
  /** 15 bits: SC, SCT, CRD, M, DNR. */
  readonly status: number;
}

/** One queue pair as its driver sees it. */
export class RigQueue {
  readonly rig: Rig<ModelBackend>;
  readonly id: number;
  readonly size: number;
  readonly sq: number;
  readonly cq: number;
  tail = 0;
  head = 0;
  phase = 1;

  constructor(rig: Rig<ModelBackend>, id: number, size: number) {
    this.rig = rig;
    this.id = id;
    this.size = size;
    this.sq = rig.allocate(size * 64);
    this.cq = rig.allocate(size * 16);
  }

  /** Writes a command; `ring` makes the device see it. */
  put(words: readonly number[]): void {
    const at = this.sq + this.tail * 64;
    for (let i = 0; i < 16; i++) this.rig.view.setInt32(at + i * 4, words[i] ?? 0, true);
    this.tail = (this.tail + 1) % this.size;
  }

  ring(): void {
    this.rig.backend.write32(0, 0x1000 + this.id * 8, this.tail);
  }

  /** What the device has completed since. */
  poll(): Completion[] {
    const found: Completion[] = [];
    for (;;) {
      const at = this.cq + this.head * 16;
      const last = this.rig.view.getUint32(at + 12, true);
      if (((last >>> 16) & 1) !== this.phase) break;
      const middle = this.rig.view.getUint32(at + 8, true);
      found.push({
        result: this.rig.view.getUint32(at, true),
        sqHead: middle & 0xffff,
        sqId: middle >>> 16,
        cid: last & 0xffff,
        status: last >>> 17,
      });
      this.head = (this.head + 1) % this.size;
      if (this.head === 0) this.phase ^= 1;
    }
    if (found.length > 0) this.rig.backend.write32(0, 0x1004 + this.id * 8, this.head);
    return found;
  }

  /** One command and its completion. */
  run(words: readonly number[]): Completion {
    this.put(words);
    this.ring();
    this.rig.step();
    let found = this.poll();
    // A model in a thread of its own takes its time, and does not need this one.
    const end = performance.now() + (this.rig.threaded ? 10_000 : 0);
    while (found.length === 0 && performance.now() < end) found = this.poll();
    if (found.length !== 1) throw new Error(`${found.length} completions instead of one`);
    return found[0]!;
  }
}

export class Rig<B extends ModelBackend = SteppedBackend> {
  readonly memory = new SharedArrayBuffer(RIG_BYTES);
  readonly bytes = new Uint8Array(this.memory);
  readonly view = new DataView(this.memory);
  readonly backend: B;
  readonly threaded: boolean;
  readonly events: string[] = [];
  admin!: RigQueue;
  io!: RigQueue;
  time = 0;
  /** The device's window is all but the first and the last 64 KiB. */
  #next = WINDOW;
  #cid = 0;

  /** @param backend instead of a model that is stepped, with a clock that stands still */
  constructor(options: Readonly<Record<string, unknown>> = {}, backend?: B) {
    this.threaded = backend !== undefined;
    const stepped = (): ModelBackend => new SteppedBackend("nvme", { ...FAST, ...options }, { now: () => this.time });
    this.backend = backend ?? (stepped() as B);
    this.backend.onEvent = ({ kind, text }) => this.events.push(`${kind}: ${text}`);
    if (!this.threaded) void this.map();
  }

  map(): void | Promise<void> {
    return this.backend.map(this.memory, [{ iova: WINDOW, bytes: RIG_BYTES - 2 * WINDOW }]);
  }

  step(): void {
    if (this.backend instanceof SteppedBackend) this.backend.step();
  }

  /** Pages of the window. */
  allocate(bytes: number): number {
    const at = this.#next;
    this.#next += Math.ceil(bytes / 4096) * 4096;
    if (this.#next > RIG_BYTES - WINDOW) throw new Error("the rig's memory is used up");
    return at;
  }

  read(offset: number): number {
    return this.backend.read32(0, offset) >>> 0;
  }

  write(offset: number, value: number): void {
    this.backend.write32(0, offset, value);
  }

  /** 7.6.1: controller initialization. */
  enable(entries = 16): void {
    this.backend.start();
    this.admin = new RigQueue(this, 0, entries);
    this.bytes.fill(0, this.admin.cq, this.admin.cq + entries * 16);
    this.write(0x24, (entries - 1) | ((entries - 1) << 16));
    this.write(0x28, this.admin.sq);
    this.write(0x2c, 0);
    this.write(0x30, this.admin.cq);
    this.write(0x34, 0);
    this.write(0x14, 1 | (6 << 16) | (4 << 20));
    this.step();
    const end = performance.now() + (this.threaded ? 10_000 : 0);
    while ((this.read(0x1c) & 1) === 0 && performance.now() < end);
  }

  /** Enabled, with I/O queue pair 1. */
  bringUp(entries = 16): void {
    this.enable();
    this.io = this.createPair(1, entries);
  }

  createPair(id: number, entries: number, vector = 0): RigQueue {
    const queue = new RigQueue(this, id, entries);
    this.bytes.fill(0, queue.cq, queue.cq + entries * 16);
    const cq = this.admin.run(this.command(0x05, 0, queue.cq, 0, [id | ((entries - 1) << 16), 3 | (vector << 16)]));
    const sq = this.admin.run(this.command(0x01, 0, queue.sq, 0, [id | ((entries - 1) << 16), 1 | (id << 16)]));
    if (cq.status !== 0 || sq.status !== 0) throw new Error(`queues refused: ${cq.status}, ${sq.status}`);
    return queue;
  }

  /** As `bringUp`, but whatever comes of it; memory is laid out anew. */
  bringUpAnyhow(): void {
    this.#next = WINDOW;
    this.write(0x14, 0);
    this.enable();
    this.io = new RigQueue(this, 1, 16);
    const size = (1 | (15 << 16)) >>> 0;
    this.bytes.fill(0, this.io.cq, this.io.cq + 256);
    this.admin.put(this.command(0x05, 0, this.io.cq, 0, [size, 3]));
    this.admin.put(this.command(0x01, 0, this.io.sq, 0, [size, 1 | (1 << 16)]));
    this.admin.ring();
    this.step();
  }

  nextCid(): number {
    this.#cid = (this.#cid + 1) & 0xffff;
    return this.#cid;
  }

  /** The words of a command; `rest` are words 10 and following. */
  command(opcode: number, nsid: number, prp1: number, prp2 = 0, rest: readonly number[] = []): number[] {
    const high = (address: number): number => Math.floor(address / 2 ** 32);
    return [opcode | (this.nextCid() << 16), nsid, 0, 0, 0, 0, prp1 | 0, high(prp1), prp2 | 0, high(prp2), ...rest];
  }

  /** A read, write or compare of `blocks` from `lba`; data of one page, or two with `prp2`. */
  transfer(opcode: number, lba: number, blocks: number, prp1: number, prp2 = 0, flags = 0): number[] {
    return this.command(opcode, 1, prp1, prp2, [lba | 0, Math.floor(lba / 2 ** 32), (blocks - 1) | flags]);
  }

  /** What an admin command that answers with a page gives. */
  page(opcode: number, nsid: number, rest: readonly number[]): { completion: Completion; data: DataView } {
    const at = this.allocate(4096);
    const completion = this.admin.run(this.command(opcode, nsid, at, 0, rest));
    return { completion, data: new DataView(this.memory, at, 4096) };
  }
}
