/**
 * One device: who drives it, what its driver may do with it, and what becomes of its memory when the driver is gone.
 *
 * Invariants: there is one driver at most, a domain in one life; whatever the device was given stays the device's until
 * it has completed the command, was disabled (CSTS.RDY seen 0), or is silent after `quiesce`; only then is it given
 * back or freed, and the device driven again. A device that cannot be silenced keeps what it has for ever.
 */
import type { Domain } from "../domain/domain.ts";
import type { ResolvedDevice } from "../manifest/manifest.ts";
import type { ExchangeHeap } from "../../shared-heap/heap.ts";
import { OWNER_DEVICE } from "../../shared-heap/layout.ts";
import { PAGE_BYTES } from "../../shared-heap/allocator.ts";
import type { ConfigWidth, DeviceBackend, DmaWindow, PciIdentity } from "./backend.ts";
import { checkRegister, DOORBELLS, ENABLE, Grammar, NVME_CLASS, READY, Register, RuleError } from "./nvme.ts";
import { EndReason, QueuePair, type QueueDevice } from "./queue.ts";

/** As `PciError` of interfaces/pci.ts: its members from 1, which is what a method returns. */
export const Status = { ok: 0, NotYours: 1, Gone: 2, Refused: 3, Invalid: 4, NoMemory: 5, Busy: 6 } as const;

/** Queue pairs, the admin one included. */
const MAX_QUEUES = 65;
const MAX_ENTRIES = 1024;
const MAX_TRANSFER = 2 << 20;
const MAX_VECTORS = 2048;
const CONFIG_BYTES = 4096;

/** What happened to a device; see `DEVICE_EVENTS`. */
export const DEVICE_EVENTS = ["opened", "closed", "reset", "gone", "dma-fault", "lied", "stuck"] as const;
export type DeviceEventKind = (typeof DEVICE_EVENTS)[number];

export interface DeviceKernel {
  readonly heap: ExchangeHeap;
  /** Something happened to the device; `driver` is or was its driver. */
  event(driver: Domain | null, kind: DeviceEventKind, text: string): void;
  /** Makes the domain's `step` run. */
  notify(domain: Domain): void;
}

/** closing: it has no driver any more and is not silent yet. */
export type DeviceState = "closed" | "open" | "resetting" | "closing";

/** What people are told of a device. */
export interface DeviceInfo {
  readonly name: string;
  readonly backend: string;
  readonly identity: PciIdentity;
  readonly state: DeviceState;
  readonly gone: boolean;
  readonly driver: string | null;
  readonly writable: boolean;
  /** What it did that it should not have done. */
  readonly faults: number;
  readonly queues: number;
  /** Commands under way. */
  readonly outstanding: number;
}

export class Device implements QueueDevice {
  readonly name: string;
  readonly number: number;
  readonly backend: DeviceBackend;
  readonly ledger: ExchangeHeap;
  readonly reach: Uint8Array;
  readonly windows: readonly DmaWindow[];
  readonly grammar: Grammar;
  readonly #kernel: DeviceKernel;
  readonly #entry: ResolvedDevice;
  readonly #arena: number;
  readonly #queues: (QueuePair | null)[] = Array.from({ length: MAX_QUEUES }, () => null);
  state: DeviceState = "closed";
  gone = false;
  driver: Domain | null = null;
  /** Its id, or 0, which no caller has. */
  driverId = 0;
  vectors = 0;
  /** As `QueuePair.outside`, of the last `submit`. */
  outside = false;
  #fired = 0;
  #faults = 0;
  #enabled = false;
  /** CC.EN was cleared, and CSTS.RDY was not seen 0 yet. */
  #disabling = false;
  /** Doorbells: those of queue y are at DOORBELLS + y * stride and half a stride behind (3.1.25, 3.1.26). */
  #stride = 8;
  #maxEntries = 0;
  #silence: Promise<void> | null = null;
  /** It could not be silenced: whatever the back end says later, nothing that it could reach is given away. */
  #stuck = false;

  /** @param kernel what it needs of the kernel; @param number index among the system's devices */
  constructor(kernel: DeviceKernel, entry: ResolvedDevice, number: number, backend: DeviceBackend) {
    const { heap } = kernel;
    this.#kernel = kernel;
    this.#entry = entry;
    this.name = entry.name;
    this.number = number;
    this.backend = backend;
    this.ledger = heap;
    this.grammar = new Grammar(!backend.real);
    const arenas = entry.arenas.map((name) => heap.allocator.arenas[heap.arena(name)]!);
    this.windows = arenas.map(({ base, bytes }) => ({ iova: base, bytes }));
    this.#arena = heap.arena(entry.arenas[0]!);
    this.reach = new Uint8Array(Math.ceil(heap.bytes.length / PAGE_BYTES));
    for (const { iova, bytes } of this.windows) this.reach.fill(1, iova / PAGE_BYTES, (iova + bytes) / PAGE_BYTES);
    backend.onEvent = ({ kind, text }) => (kind === "gone" ? this.#vanish(text) : this.#misbehave(kind, text));
  }

  get #registerBytes(): number {
    return this.backend.bars[0]?.bytes ?? 0;
  }

  queue(id: number): QueuePair | null {
    return this.#queues[id] ?? null;
  }

  identified(serial: string): void {
    this.grammar.writable = !this.backend.real || serial === this.#entry.writable?.trim();
  }

  // ── driver ───────────────────────────────────────────────────────────────────────────────────────────────────────

  open(caller: Domain): number {
    if (this.gone) return Status.Gone;
    if (this.backend.identity.classCode !== NVME_CLASS) return Status.Refused;
    this.look();
    if (this.state !== "closed") return Status.Busy;
    this.#begin();
    this.state = "open";
    this.driver = caller;
    this.driverId = caller.id;
    this.#kernel.event(caller, "opened", "");
    return Status.ok;
  }

  /** Memory decoding and bus mastering on; nothing is known of the device. */
  #begin(): void {
    this.backend.start();
    this.grammar.forget(!this.backend.real);
    this.#enabled = (this.backend.read32(0, Register.CC) & ENABLE) !== 0;
    this.#disabling = false;
    this.vectors = this.#fired = 0;
    const low = this.backend.read32(0, Register.CAP);
    const high = this.backend.read32(0, Register.CAP + 4);
    // CAP.MQES and CAP.DSTRD (3.1.1).
    this.#maxEntries = Math.min(MAX_ENTRIES, (low & 0xffff) + 1);
    this.#stride = 8 << (high & 15);
  }

  /** The driver has closed the device, or is dead: nothing of the device's is anybody's before it is silent. */
  close(): number {
    const { driver } = this;
    if (driver === null) return Status.ok;
    this.driver = null;
    this.driverId = 0;
    this.state = "closing";
    for (const queue of this.#queues) queue?.recharge(OWNER_DEVICE);
    this.#kernel.event(driver, "closed", "");
    this.#quiesce();
    return Status.ok;
  }

  reset(): number {
    if (this.gone) return Status.Gone;
    if (this.state !== "open") return Status.Busy;
    this.state = "resetting";
    this.#kernel.event(this.driver, "reset", "");
    this.#quiesce();
    return Status.ok;
  }

  /** What can be silenced at once is silent when this returns, also in the middle of a call. */
  #quiesce(): void {
    // One at a time is enough: who closes while a reset is under way waits for that.
    if (this.#silence !== null || this.#stuck) return;
    let stopping: void | Promise<void>;
    try {
      stopping = this.backend.quiesce();
    } catch (error) {
      return this.#keep(error);
    }
    if (stopping === undefined) return this.#silent();
    const silence: Promise<void> = stopping.then(
      () => void (this.#silence === silence && this.#silent()),
      (error: unknown) => void (this.#silence === silence && this.#keep(error)),
    );
    this.#silence = silence;
  }

  /** A caller that cannot wait asks again and again: the end of a reset must not need the event loop. */
  look(): void {
    if (this.#silence !== null && !this.#stuck && this.backend.quiesced?.() === true) this.#silent();
  }

  /** No access of the device to memory can come any more. */
  #silent(): void {
    this.#silence = null;
    this.#enabled = this.#disabling = false;
    const { driver } = this;
    if (driver === null) {
      this.#queues.forEach((queue) => queue?.free());
      this.#queues.fill(null);
      this.state = "closed";
      return;
    }
    try {
      if (!this.gone) this.#begin();
    } catch (error) {
      this.#vanish(String(error));
    }
    for (const queue of this.#queues) queue?.end(this.gone ? EndReason.gone : EndReason.reset);
    this.state = "open";
    this.#kernel.notify(driver);
  }

  #keep(error: unknown): void {
    this.gone = this.#stuck = true;
    this.state = this.driver === null ? "closing" : "resetting";
    this.#kernel.event(this.driver, "stuck", `cannot be silenced, and keeps its memory: ${String(error)}`);
    if (this.driver !== null) this.#kernel.notify(this.driver);
  }

  /** When nothing of the device is under way; at once if nothing is. */
  async settled(): Promise<void> {
    await this.#silence;
  }

  // ── what the device does ─────────────────────────────────────────────────────────────────────────────────────────

  #vanish(text: string): void {
    if (this.gone) return;
    this.gone = true;
    this.#kernel.event(this.driver, "gone", text);
    if (this.state !== "open") return;
    this.state = "resetting";
    this.#quiesce();
  }

  /** A device that goes on and on is reported at its 1st, 2nd, 4th, 8th … time. */
  #misbehave(kind: "dma-fault" | "lied", text: string, times = 1): void {
    const before = this.#faults;
    this.#faults += times;
    if (Math.clz32(before) !== Math.clz32(this.#faults))
      this.#kernel.event(this.driver, kind, `${text} (${this.#faults} faults so far)`);
  }

  readonly #interrupt = (vector: number): void => {
    this.#fired |= 1 << (vector & 31);
    if (this.driver !== null) this.#kernel.notify(this.driver);
  };

  interrupts(vectors: number): number {
    if (vectors > MAX_VECTORS) return -Status.Invalid;
    this.vectors = Math.min(vectors, this.backend.interrupts(vectors, this.#interrupt));
    return this.vectors;
  }

  /** Vectors that fired since this was last asked. */
  pending(): number {
    const fired = this.#fired;
    this.#fired = 0;
    return fired;
  }

  // ── registers ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Whether this register can be read without consequence. */
  mayRead(bar: number, offset: number): boolean {
    return bar === 0 && (offset & 3) === 0 && offset < Math.min(DOORBELLS, this.#registerBytes);
  }

  /** @returns 32 bits; all ones when the device is gone */
  read32(offset: number): number {
    if (this.gone) return -1;
    const value = this.backend.read32(0, offset) | 0;
    if (offset === Register.CSTS && this.#disabling && (value & READY) === 0) this.#disabled();
    return value;
  }

  /** @throws RuleError */
  write32(bar: number, offset: number, value: number): number {
    if (bar !== 0) throw new RuleError(`BAR ${bar} is not the driver's to write`);
    checkRegister(offset, value);
    if (this.gone) return Status.Gone;
    if (offset === Register.CC && !this.#control((value & ENABLE) !== 0)) return Status.Busy;
    this.backend.write32(0, offset, value);
    return Status.ok;
  }

  /** 7.6.1, 7.3.2: CC.EN may be set again when CSTS.RDY was 0. @returns whether it may be written now */
  #control(enable: boolean): boolean {
    if (enable && this.#disabling) this.read32(Register.CSTS);
    if (enable && this.#disabling) return false;
    // The registers that hold their addresses survive CC.EN = 0.
    if (enable && this.#queues[0] === null) throw new RuleError("CC.EN without admin queues");
    if (!enable && this.#enabled) this.#disabling = true;
    this.#enabled = enable;
    return true;
  }

  /** A disabled controller uses no queue, and has forgotten those that it was told of. */
  #disabled(): void {
    this.#disabling = false;
    for (const queue of this.#queues) queue?.end(EndReason.reset);
  }

  /** @returns unsigned, or -Status */
  configRead(offset: number, width: number): number {
    const good = (width === 1 || width === 2 || width === 4) && offset % width === 0 && offset < CONFIG_BYTES;
    return good ? this.backend.configRead(offset, width as ConfigWidth) >>> 0 : -Status.Invalid;
  }

  // ── queues ───────────────────────────────────────────────────────────────────────────────────────────────────────

  createQueue(id: number, entries: number, transfer: number): number {
    const powerOfTwo = entries >= 2 && (entries & (entries - 1)) === 0;
    if (id >= MAX_QUEUES || !powerOfTwo || entries > this.#maxEntries || transfer > MAX_TRANSFER) return Status.Invalid;
    // The rings of the admin queues are given to a device that is disabled (3.1.7 to 3.1.9).
    if (id === 0 && (this.#enabled || this.#disabling)) return Status.Refused;
    if (!this.#doorbellsExist(id)) return Status.Invalid;
    if (this.#queues[id] !== null && this.destroyQueue(id) !== Status.ok) return Status.Busy;
    const queue = QueuePair.make(this, id, entries, transfer, this.driverId, this.#arena);
    if (queue === null) return Status.NoMemory;
    this.#queues[id] = queue;
    if (id === 0) this.#locateAdmin(queue);
    return Status.ok;
  }

  #doorbellsExist(id: number): boolean {
    return DOORBELLS + (id + 1) * this.#stride <= this.#registerBytes;
  }

  #locateAdmin({ sq, cq, entries }: QueuePair): void {
    const write = (register: number, value: number): void => this.backend.write32(0, register, value);
    write(Register.AQA, ((entries - 1) << 16) | (entries - 1));
    write(Register.ASQ, sq);
    write(Register.ASQ + 4, 0);
    write(Register.ACQ, cq);
    write(Register.ACQ + 4, 0);
  }

  destroyQueue(id: number): number {
    const queue = this.#queues[id] ?? null;
    if (queue === null) return Status.Invalid;
    const adminInUse = id === 0 && (this.#enabled || this.#disabling);
    const inUse = adminInUse || queue.sqKnown !== "no" || queue.cqKnown !== "no";
    if (inUse || queue.outstanding > 0) return Status.Busy;
    queue.free();
    this.#queues[id] = null;
    return Status.ok;
  }

  /**
   * Posts commands of a batch and rings the doorbell.
   * @param batch word index in the heap
   * @returns how many were taken, or -Status
   * @throws RuleError
   */
  submit(id: number, batch: number, count: number): number {
    const queue = this.#queues[id] ?? null;
    if (this.gone) return -Status.Gone;
    if (queue === null || !queue.live || !this.#enabled) return -Status.Invalid;
    const taken = queue.submit(batch, count, this.driverId);
    this.outside = queue.outside;
    if (taken > 0) this.backend.write32(0, DOORBELLS + id * this.#stride, queue.tail);
    return taken < 0 ? -Status.Refused : taken;
  }

  /** Takes completions and rings the doorbell. @returns how many, or -Status */
  complete(id: number, batch: number, max: number): number {
    const queue = this.#queues[id] ?? null;
    if (queue === null) return -Status.Invalid;
    const { head } = queue;
    const done = queue.complete(batch, max, this.driverId);
    if (queue.head !== head && this.#enabled && queue.ended === 0)
      this.backend.write32(0, DOORBELLS + id * this.#stride + (this.#stride >> 1), queue.head);
    if (queue.lies !== 0) this.#misbehave("lied", `completed what queue ${id} has not`, queue.takeLies());
    return done;
  }

  // ── for people and tests ─────────────────────────────────────────────────────────────────────────────────────────

  get faults(): number {
    return this.#faults;
  }

  info(): DeviceInfo {
    const { name, backend, state, gone, driver, faults } = this;
    const queues = this.#queues.filter((queue) => queue !== null);
    return {
      name,
      backend: backend.name,
      identity: backend.identity,
      state,
      gone,
      driver: driver?.name ?? null,
      writable: this.grammar.writable,
      faults,
      queues: queues.length,
      outstanding: queues.reduce((sum, { outstanding }) => sum + outstanding, 0),
    };
  }

  /** What contradicts the ledger, in words. */
  check(): string[] {
    return this.#queues.flatMap((queue) => queue?.check() ?? []).map((text) => `${this.name}: ${text}`);
  }
}
