/**
 * One pair of NVMe queues: its rings, the commands that are under way, and what memory each of them has.
 *
 * The rings are memory that no domain can name; a driver's command is copied in with the addresses filled in here.
 * Invariants: an entry of `#commands` that holds an object names one that is the device's, with this queue and command
 * in its record, and the other way round; a command that fails a check has changed nothing; words that a device or a
 * domain could change meanwhile are read once.
 */
import type { Ledger } from "../../shared-heap/ledger.ts";
import { GENERATION_BITS } from "../../shared-heap/layout.ts";
import { ADDRESS, RECORD_SHIFT, SIZE, TAG, TYPE } from "../../shared-heap/records.ts";
import { Admin, CNS_CONTROLLER, CNS_NAMESPACE, REFUSED, RuleError, serialOf, type Grammar } from "./nvme.ts";
import { listBytes, writePrp } from "./prp.ts";

/** 4.2, 4.6: entries of the two queues, and of a batch. */
const SQ_ENTRY_WORDS = 16;
const CQ_ENTRY_WORDS = 4;
const PAGE = 4096;
/** In `#commands`: free, or a command without an object; else the index of its object. */
const NONE = 0;
const NO_OBJECT = -1;
/** Not a command that makes or deletes a queue. */
const NO_RING = -1;
/** No address: the object lies where the device does not reach. */
const OUTSIDE = -1;
/** Status words of commands that the kernel ended. */
const ENDED = 0xffff0000 | 0;
export const EndReason = { reset: 1, gone: 2 } as const;
/** 5.4: physically contiguous, interrupts enabled. */
const CONTIGUOUS = 1;
const INTERRUPTS = 2;

/** What a queue knows of the device that it belongs to. */
export interface QueueDevice {
  /** Number of the device. */
  readonly number: number;
  readonly ledger: Ledger;
  readonly grammar: Grammar;
  /** By page of 64 KiB of the heap: whether the device can reach it. */
  readonly reach: Uint8Array;
  /** Queue pair of a number, if there is one. */
  queue(id: number): QueuePair | null;
  /** How many interrupt vectors are enabled. */
  readonly vectors: number;
  /** Identify Controller has answered. */
  identified(serial: string): void;
}

/** What the device knows of a queue. */
type Known = "no" | "asked" | "yes";

export class QueuePair {
  readonly id: number;
  readonly entries: number;
  /** Addresses of the rings. */
  readonly sq: number;
  readonly cq: number;
  /** Commands under way: posted, and not yet given back by `complete`. */
  outstanding = 0;
  /** Why nothing comes from the device any more, or 0. */
  ended = 0;
  /** I/O queues: whether the device has been told to use the ring. */
  sqKnown: Known = "no";
  cqKnown: Known = "no";
  /** Entries to write to the doorbells. */
  tail = 0;
  head = 0;
  lies = 0;
  readonly #device: QueueDevice;
  readonly #heap: Int32Array;
  readonly #words: Int32Array;
  readonly #transfer: number;
  readonly #blocks: number[] = [];
  readonly #lists: number;
  readonly #listBytes: number;
  #phase = 1;
  /** By command identifier. */
  readonly #commands: Int32Array;
  /** Of admin commands: opcode, DW10, namespace, and the address of their data. */
  readonly #asked: { readonly opcode: number; readonly dw10: number; readonly nsid: number; address: number }[] = [];
  /** Where to look next for commands that are to be ended. */
  #drain = 0;

  private constructor(device: QueueDevice, id: number, entries: number, transfer: number, blocks: number[]) {
    this.id = id;
    this.entries = entries;
    this.#device = device;
    this.#heap = device.ledger.slots;
    this.#words = device.ledger.words;
    this.#transfer = transfer;
    this.#blocks = blocks;
    [this.sq, this.cq, this.#lists] = blocks as [number, number, number];
    this.#listBytes = listBytes(transfer);
    this.#commands = new Int32Array(entries);
  }

  /**
   * Makes the rings.
   * @param entries power of two
   * @param transfer bytes of data of the largest command
   * @param owner who is charged for them
   * @returns null when there is no room
   */
  static make(
    device: QueueDevice,
    id: number,
    entries: number,
    transfer: number,
    owner: number,
    arena: number,
  ): QueuePair | null {
    const sizes = [entries * SQ_ENTRY_WORDS * 4, entries * CQ_ENTRY_WORDS * 4, entries * listBytes(transfer)];
    const blocks: number[] = [];
    for (const size of sizes) {
      // Whole pages begin at pages: PRP1 of a ring has to (5.3).
      const block = size === 0 ? 0 : device.ledger.reserve(Math.ceil(size / PAGE) * PAGE, owner, arena);
      if (block === 0 && size !== 0) {
        for (const address of blocks) device.ledger.unreserve(address);
        return null;
      }
      blocks.push(block);
    }
    return new QueuePair(device, id, entries, transfer, blocks);
  }

  /** The last `submit` ended before a command whose object is the driver's, and lies in no arena of the device. */
  outside = false;

  /** Whether commands can be posted. */
  get live(): boolean {
    return this.ended === 0 && (this.id === 0 || this.sqKnown === "yes");
  }

  // ── submission ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Copies commands into the ring, as many as there is room for; the doorbell is the caller's to ring.
   * @param batch word index in the heap of the first command
   * @param driver owner of the objects
   * @returns how many, or REFUSED when the first one is
   * @throws RuleError for one that breaks a rule; those before it are in the ring
   */
  submit(batch: number, count: number, driver: number): number {
    const room = Math.min(count, this.entries - 1 - this.outstanding);
    this.outside = false;
    for (let n = 0; n < room; n++)
      if (!this.#post(n, batch + n * SQ_ENTRY_WORDS, driver)) return n === 0 && !this.outside ? REFUSED : n;
    return room;
  }

  /** One command, at word `at` of the heap. @returns false, nothing changed, when it is refused, or `outside` */
  #post(n: number, at: number, driver: number): boolean {
    const heap = this.#heap;
    const dw0 = heap[at]!;
    const nsid = heap[at + 1]!;
    const handle = heap[at + 6]!;
    const offset = heap[at + 7]!;
    const dw10 = heap[at + 10]!;
    const dw11 = heap[at + 11]!;
    const dw12 = heap[at + 12]!;
    const dw13 = heap[at + 13]!;
    const dw14 = heap[at + 14]!;
    const dw15 = heap[at + 15]!;
    const opcode = dw0 & 0xff;
    const id = dw0 >>> 16;
    if (id >= this.entries || this.#commands[id] !== NONE)
      this.#wrong(n, `command identifier ${id} is in use or too large`);
    // Fused commands and SGLs; metadata and the rest where addresses could stand.
    const rest = heap[at + 2]! | heap[at + 3]! | heap[at + 4]! | heap[at + 5]! | heap[at + 8]! | heap[at + 9]!;
    if (((dw0 & 0xff00) | rest) !== 0) this.#wrong(n, "DW0 bits 15:8, DW2 to 5, DW8 or DW9 are not 0");
    const { grammar } = this.#device;
    const ring = this.id === 0 ? this.#ring(n, opcode, dw10, dw11, dw12) : NO_RING;
    let bytes = 0;
    if (this.id !== 0) bytes = grammar.io(opcode, nsid, dw10, dw12, dw13, dw14, dw15);
    else if (ring === NO_RING) bytes = grammar.admin(opcode, dw10, dw11);
    if (bytes === REFUSED) return false;
    let prp1 = ring > 0 ? ring : 0;
    let prp2 = 0;
    if (bytes > 0) {
      prp1 = this.#give(n, id, handle, offset, bytes, driver);
      if (prp1 === OUTSIDE) {
        this.outside = true;
        return false;
      }
      prp2 = writePrp(heap, prp1, bytes, this.#lists + id * this.#listBytes);
    } else {
      if (handle !== 0) this.#wrong(n, `opcode 0x${opcode.toString(16)} moves no data, but an object is named`);
      this.#commands[id] = NO_OBJECT;
    }
    if (this.id === 0) this.#asked[id] = { opcode, dw10, nsid, address: prp1 };
    const slot = (this.sq >> 2) + this.tail * SQ_ENTRY_WORDS;
    this.#addresses(slot, prp1, prp2);
    heap[slot] = dw0;
    heap[slot + 1] = nsid;
    heap[slot + 10] = dw10;
    heap[slot + 11] = dw11;
    heap[slot + 12] = dw12;
    heap[slot + 13] = dw13;
    heap[slot + 14] = dw14;
    heap[slot + 15] = dw15;
    this.outstanding++;
    this.tail = (this.tail + 1) & (this.entries - 1);
    return true;
  }

  /** What lies between DW1 and DW10: the pages, and 0. */
  #addresses(slot: number, prp1: number, prp2: number): void {
    const heap = this.#heap;
    heap[slot + 2] = heap[slot + 3] = heap[slot + 4] = heap[slot + 5] = 0;
    heap[slot + 6] = prp1;
    heap[slot + 7] = 0;
    heap[slot + 8] = prp2;
    heap[slot + 9] = 0;
  }

  /**
   * Makes the object that a command names the device's.
   * @returns the address of the data, or OUTSIDE, and nothing has changed
   * @throws RuleError
   */
  #give(n: number, id: number, handle: number, offset: number, bytes: number, driver: number): number {
    const words = this.#words;
    const { ledger, reach, number } = this.#device;
    const record = (handle >>> GENERATION_BITS) << RECORD_SHIFT;
    if ((words[TAG + record]! ^ handle) !== driver << GENERATION_BITS) this.#wrong(n, "the object is not the driver's");
    if (words[TYPE + record]! < 0) this.#wrong(n, "the object is borrowed");
    const address = words[ADDRESS + record]!;
    if (reach[address >>> 16] === 0) return OUTSIDE;
    const size = words[SIZE + record]!;
    if ((offset & 3) !== 0 || offset < 0 || bytes > size - offset)
      this.#wrong(n, `${bytes} bytes at ${offset >>> 0} do not lie within an object of ${size} bytes`);
    if (bytes > this.#transfer) this.#wrong(n, `${bytes} bytes, the queue was made for ${this.#transfer}`);
    ledger.toDevice(record, handle, number, (this.id << 16) | id);
    this.#commands[id] = record >> RECORD_SHIFT;
    return address + offset;
  }

  /**
   * 5.3 to 5.6: commands that make and delete queues.
   * @returns the address of the ring, 0 for a deletion, NO_RING for another command
   */
  #ring(n: number, opcode: number, dw10: number, dw11: number, dw12: number): number {
    const makes = opcode === Admin.createCq || opcode === Admin.createSq;
    if (!makes && opcode !== Admin.deleteCq && opcode !== Admin.deleteSq) return NO_RING;
    const queue = (dw10 & 0xffff) === 0 ? null : this.#device.queue(dw10 & 0xffff);
    if (queue === null) return this.#wrong(n, `there is no I/O queue ${dw10 & 0xffff}`);
    if (dw12 !== 0) this.#wrong(n, "DW12 is not 0");
    if (!makes) return this.#deleteRing(n, queue, opcode === Admin.deleteSq, (dw10 >>> 16) | dw11);
    if (dw10 >>> 16 !== queue.entries - 1) this.#wrong(n, `queue ${queue.id} has ${queue.entries} entries`);
    return opcode === Admin.createSq ? this.#makeSq(n, queue, dw11) : this.#makeCq(n, queue, dw11);
  }

  #makeSq(n: number, queue: QueuePair, dw11: number): number {
    if (queue.sqKnown !== "no" || queue.cqKnown !== "yes" || queue.ended !== 0)
      this.#wrong(n, `submission queue ${queue.id} exists, or its completion queue does not`);
    // DW11: completion queue, priority, PC.
    if (dw11 >>> 16 !== queue.id || (dw11 & 0xfff9) !== CONTIGUOUS)
      this.#wrong(n, "DW11 must name the completion queue of the same number, and PC");
    queue.sqKnown = "asked";
    return queue.sq;
  }

  #makeCq(n: number, queue: QueuePair, dw11: number): number {
    if (queue.cqKnown !== "no" || queue.ended !== 0) this.#wrong(n, `completion queue ${queue.id} exists`);
    // DW11: vector, IEN, PC.
    const vector = dw11 >>> 16;
    const enabled = (dw11 & INTERRUPTS) === 0 ? vector === 0 : vector < this.#device.vectors;
    if ((dw11 & 0xfffd) !== CONTIGUOUS) this.#wrong(n, "DW11 must say PC");
    if (!enabled) this.#wrong(n, `interrupt vector ${vector} is not enabled`);
    queue.cqKnown = "asked";
    return queue.cq;
  }

  #deleteRing(n: number, queue: QueuePair, submission: boolean, rest: number): number {
    const known = submission ? queue.sqKnown : queue.cqKnown;
    if (known !== "yes" || (!submission && queue.sqKnown !== "no"))
      this.#wrong(n, `queue ${queue.id} does not exist, or its submission queue still does`);
    if (rest !== 0) this.#wrong(n, "deletes a queue, with more in DW10 and DW11 than its number");
    if (submission) queue.sqKnown = "asked";
    else queue.cqKnown = "asked";
    return 0;
  }

  #wrong(n: number, why: string): never {
    throw new RuleError(`command ${n} of queue ${this.id}: ${why}`);
  }

  // ── completion ───────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Takes completions out of the ring, and of a queue that has ended the commands that are left. The doorbell is the
   * caller's to ring, when `head` has changed.
   * @param batch word index in the heap where they are written
   * @param max how many at most
   * @param driver new owner of the objects
   * @returns how many
   */
  complete(batch: number, max: number, driver: number): number {
    const heap = this.#heap;
    const commands = this.#commands;
    const mask = this.entries - 1;
    let out = batch;
    let done = 0;
    // What the device makes up counts too: it keeps nobody here.
    for (let seen = 0; seen < max; seen++) {
      const at = (this.cq >> 2) + this.head * CQ_ENTRY_WORDS;
      // What follows is read after the phase tag (4.6.1), which the device writes last.
      const dw3 = Atomics.load(heap, at + 3);
      if (((dw3 >>> 16) & 1) !== this.#phase) break;
      const dw0 = heap[at]!;
      const dw2 = heap[at + 2]!;
      this.head = (this.head + 1) & mask;
      if (this.head === 0) this.#phase ^= 1;
      const id = dw3 & 0xffff;
      if (id >= this.entries || commands[id] === NONE || dw2 >>> 16 !== this.id) {
        this.lies++;
        continue;
      }
      const status = dw3 >>> 17;
      if (this.id === 0) this.#answered(id, status);
      heap[out] = dw0;
      heap[out + 1] = this.#release(id, driver);
      heap[out + 2] = id | (this.id << 16);
      heap[out + 3] = status;
      out += CQ_ENTRY_WORDS;
      done++;
    }
    return this.ended === 0 ? done : this.#end(out, done, max, driver);
  }

  /** The command's object is the driver's again. @returns its handle, or 0 */
  #release(id: number, driver: number): number {
    const object = this.#commands[id]!;
    this.#commands[id] = NONE;
    this.outstanding--;
    return object === NO_OBJECT ? 0 : this.#device.ledger.fromDevice(object << RECORD_SHIFT, driver);
  }

  /** Commands that the device will never complete. */
  #end(from: number, before: number, max: number, driver: number): number {
    const heap = this.#heap;
    let [out, done] = [from, before];
    for (; done < max && this.outstanding > 0; this.#drain++) {
      const id = this.#drain % this.entries;
      if (this.#commands[id] === NONE) continue;
      heap[out] = 0;
      heap[out + 1] = this.#release(id, driver);
      heap[out + 2] = id | (this.id << 16);
      heap[out + 3] = ENDED | this.ended;
      out += CQ_ENTRY_WORDS;
      done++;
    }
    return done;
  }

  /** What the kernel learns from the device's answer, before anybody else can write to the object. */
  #answered(id: number, status: number): void {
    // What came before a reset says nothing of the device that there is now.
    if (this.ended !== 0) return;
    const { opcode, dw10, nsid, address } = this.#asked[id]!;
    const { grammar, ledger } = this.#device;
    const done = status === 0;
    switch (opcode) {
      case Admin.identify:
        if (done && dw10 === CNS_NAMESPACE) grammar.learnNamespace(nsid, (i) => this.#heap[(address >> 2) + i]!);
        if (done && dw10 === CNS_CONTROLLER)
          this.#device.identified(serialOf(ledger.bytes.slice(address, address + 24)));
        return;
      case Admin.createCq:
      case Admin.createSq:
      case Admin.deleteCq:
      case Admin.deleteSq: {
        const made = opcode === Admin.createCq || opcode === Admin.createSq;
        this.#device.queue(dw10 & 0xffff)?.told(opcode === Admin.createSq || opcode === Admin.deleteSq, made, done);
        return;
      }
      default:
    }
  }

  /** The device has answered a command to make or to delete one of the rings. */
  told(submission: boolean, made: boolean, done: boolean): void {
    const known = made === done ? "yes" : "no";
    if (submission) this.sqKnown = known;
    else this.cqKnown = known;
    // 5.6: a deleted submission queue's commands are completed or will never be.
    if (submission && !made && done) this.ended ||= EndReason.reset;
  }

  /** How often the device completed what it was not given, since this was last asked. */
  takeLies(): number {
    const { lies } = this;
    this.lies = 0;
    return lies;
  }

  // ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

  /** The device uses neither ring any more. */
  end(reason: number): void {
    this.ended ||= reason;
    this.sqKnown = this.cqKnown = "no";
  }

  /** Who made the queue is dead: the device is charged until the rings can be given back. */
  recharge(owner: number): void {
    for (const block of this.#blocks) if (block !== 0) this.#device.ledger.rechargeReserved(block, owner);
  }

  /** Gives the rings back, and frees what the commands under way have. The device must be silent. */
  free(): void {
    for (const object of this.#commands) if (object > 0) this.#device.ledger.freeAt(object);
    this.#commands.fill(NONE);
    this.outstanding = 0;
    for (const block of this.#blocks) if (block !== 0) this.#device.ledger.unreserve(block);
    this.#blocks.length = 0;
  }

  /** What contradicts the ledger, in words. */
  check(): string[] {
    const { ledger, number } = this.#device;
    const wrong: string[] = [];
    let count = 0;
    this.#commands.forEach((object, id) => {
      if (object === NONE) return;
      count++;
      if (object > 0 && !ledger.isDevices(object, number, (this.id << 16) | id))
        wrong.push(`queue ${this.id}, command ${id}: object ${object} is not the device's`);
    });
    if (count !== this.outstanding) wrong.push(`queue ${this.id}: ${count} commands, counted ${this.outstanding}`);
    return wrong;
  }
}
