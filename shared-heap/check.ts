/**
 * The whole-heap invariant checker: reads ledger, slot words and allocator, and says what contradicts what.
 *
 * Changes nothing and trusts nothing but the layout, so that tests may run it after anything at all. Cost: in the
 * order of the ledger's capacity and the heap's granules.
 */
import type { Allocator } from "./allocator.ts";
import {
  CORE_DEPTH,
  DOMAIN_BYTES,
  DOMAIN_OBJECTS,
  DOMAIN_SHIFT,
  DOMAINS,
  GENERATION_BITS,
  headerBytes,
  LENT,
  MAX_DOMAINS,
  MAX_TYPES,
  OBJECT_BYTES,
  OWNER_CONTAINED,
  OWNER_DEVICE,
  OWNER_NONE,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_SLOTS,
  TypeKind,
} from "./layout.ts";
import type { Ledger } from "./ledger.ts";
import { ADDRESS, BLOCK, CHARGED, LINK, RECORD_SHIFT, SIZE, SLOT, TAG, TYPE } from "./records.ts";
import { typeWord } from "./types.ts";

/** `index` is the record to blame, 0 when no single one is. */
export interface Violation {
  readonly index: number;
  readonly reason: string;
}

export function checkHeap(ledger: Ledger): Violation[] {
  return new Checker(ledger).run();
}

class Checker {
  readonly #ledger: Ledger;
  readonly #words: Int32Array;
  readonly #allocator: Allocator;
  readonly #found: Violation[] = [];
  /** Record that holds the block at an address. */
  readonly #blocks = new Map<number, number>();
  /** Object that a device has for a command. */
  readonly #commands = new Map<string, number>();
  /** Bytes and objects charged to each domain, by the records. */
  readonly #bytes = new Float64Array(MAX_DOMAINS);
  readonly #objects = new Float64Array(MAX_DOMAINS);
  #live = 0;
  #free = 0;
  #dying = 0;

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    this.#words = ledger.words;
    this.#allocator = ledger.allocator;
  }

  run(): Violation[] {
    const ledger = this.#ledger;
    if (!this.#words.subarray(TAG, TAG + OBJECT_BYTES / 4).every((w) => w === 0)) this.#blame(0, "record 0 is in use");
    for (let index = 1; index < ledger.highWater; index++) this.#record(index);
    this.#unused();
    this.#list(
      "free",
      ledger.freeHead,
      this.#free,
      (i) => ledger.ownerAt(i) === OWNER_NONE && ledger.at(TYPE, i) === 0,
    );
    this.#list(
      "dying",
      ledger.dyingHead,
      this.#dying,
      (i) => ledger.ownerAt(i) === OWNER_NONE && ledger.at(TYPE, i) !== 0,
    );
    if (this.#live !== ledger.live) this.#blame(0, `${this.#live} live objects, counted ${ledger.live}`);
    this.#reserved();
    if (this.#blocks.size !== this.#allocator.blocks)
      this.#blame(0, `${this.#allocator.blocks} blocks in use, ${this.#blocks.size} belong to somebody`);
    this.#charges();
    for (const reason of this.#allocator.check()) this.#blame(0, `allocator: ${reason}`);
    return this.#found;
  }

  #blame(index: number, reason: string): void {
    this.#found.push({ index, reason });
  }

  #record(index: number): void {
    const ledger = this.#ledger;
    const owner = ledger.ownerAt(index);
    if (owner === OWNER_NONE && ledger.at(TYPE, index) === 0) {
      this.#free++;
      for (const word of [ADDRESS, SIZE, BLOCK, CHARGED, SLOT])
        if (ledger.at(word, index) !== 0) this.#blame(index, "a free record holds more than tag and link");
      return;
    }
    if (owner === OWNER_NONE) this.#dying++;
    else this.#live++;
    const lent = (ledger.at(TYPE, index) & LENT) !== 0;
    const type = ledger.at(TYPE, index) & ~LENT;
    const known = type > 0 && type < MAX_TYPES && this.#words[typeWord(type) + (TYPE_KIND >> 2)] !== TypeKind.none;
    if (owner >= MAX_DOMAINS) this.#blame(index, `owner ${owner}`);
    if (!known) return this.#blame(index, `type ${type} is not defined`);
    this.#block(index, type);
    if (lent) {
      const holds = owner !== OWNER_NONE && owner !== OWNER_CONTAINED && owner !== OWNER_DEVICE;
      if (!holds) this.#blame(index, `lent, and of owner ${owner}`);
      if (this.#words[CORE_DEPTH >> 2] === 0) this.#blame(index, "lent while nobody runs");
    }
    if (owner === OWNER_CONTAINED) this.#contained(index);
    else if (owner === OWNER_DEVICE) this.#device(index);
    else if (owner !== OWNER_NONE)
      if (ledger.at(LINK, index) !== 0 || ledger.at(SLOT, index) !== 0) this.#blame(index, "a root with link or slot");
    this.#slots(index, type);
  }

  /** The object lies inside one block that is in use, and in no other object's. */
  #block(index: number, type: number): void {
    const ledger = this.#ledger;
    const word = typeWord(type);
    const header = headerBytes(this.#words[word + (TYPE_KIND >> 2)]!, this.#words[word + (TYPE_SLOTS >> 2)]!);
    const base = (ledger.at(ADDRESS, index) >>> 0) - header;
    const block = ledger.at(BLOCK, index);
    const size = ledger.at(SIZE, index);
    const charged = ledger.at(CHARGED, index);
    const inUse = this.#allocator.isBlock(base);
    if (!inUse) this.#blame(index, `no block begins at address ${base}`);
    if (inUse)
      if (this.#allocator.blockSize(base) !== block) this.#blame(index, `block of ${block} bytes, allocated otherwise`);
    if (size < 0 || header + size > block) this.#blame(index, `${size} visible bytes do not fit`);
    if (this.#blocks.has(base)) this.#blame(index, `shares its block with object ${this.#blocks.get(base)}`);
    this.#blocks.set(base, index);
    const chargeable = charged > OWNER_NONE && charged < MAX_DOMAINS && charged !== OWNER_CONTAINED;
    if (!chargeable) return this.#blame(index, `charged to ${charged}`);
    this.#bytes[charged]! += block;
    this.#objects[charged]! += 1;
  }

  /** LINK and SLOT name a command, and no other object's do. */
  #device(index: number): void {
    const command = `${this.#ledger.at(LINK, index)}/${this.#ledger.at(SLOT, index)}`;
    const other = this.#commands.get(command);
    if (other !== undefined) this.#blame(index, `is in device/command ${command}, as object ${other} is`);
    this.#commands.set(command, index);
  }

  /** Blocks without a handle are nobody else's, and are charged to somebody. */
  #reserved(): void {
    for (const [address, { bytes, owner }] of this.#ledger.reserved) {
      if (this.#blocks.has(address)) this.#blame(this.#blocks.get(address)!, `its block ${address} is reserved`);
      if (!this.#allocator.isBlock(address)) this.#blame(0, `no block begins at the reserved address ${address}`);
      else if (this.#allocator.blockSize(address) !== bytes)
        this.#blame(0, `reserved block ${address}: not ${bytes} bytes`);
      this.#blocks.set(address, 0);
      this.#bytes[owner]! += bytes;
    }
  }

  /** LINK and SLOT name a slot, and the slot names this object. */
  #contained(index: number): void {
    const ledger = this.#ledger;
    const container = ledger.at(LINK, index);
    const slot = ledger.at(SLOT, index);
    const type = ledger.at(TYPE, container) & ~LENT;
    const exists = container > 0 && container < ledger.highWater && type > 0 && type < MAX_TYPES;
    if (!exists) return this.#blame(index, `lies in object ${container}, which does not exist`);
    const slots = this.#words[typeWord(type) + (TYPE_SLOTS >> 2)]!;
    if (slot < 0 || slot >= slots) this.#blame(index, `lies in slot ${slot} of ${slots}`);
    const there = this.#ledger.slots[(ledger.at(ADDRESS, container) >>> 2) - 1 - slot];
    const handle = ledger.at(TAG, index) ^ (OWNER_CONTAINED << GENERATION_BITS);
    if (there !== handle)
      this.#blame(index, `slot ${slot} of object ${container} holds 0x${(there! >>> 0).toString(16)}`);
  }

  /** Every occupied slot holds the current handle of an object that lies there; a deque's are just its ring. */
  #slots(index: number, type: number): void {
    const ledger = this.#ledger;
    const word = typeWord(type);
    const kind = this.#words[word + (TYPE_KIND >> 2)]!;
    const slots = this.#words[word + (TYPE_SLOTS >> 2)]!;
    const element = this.#words[word + (TYPE_ELEMENT >> 2)]!;
    const base = (ledger.at(ADDRESS, index) >>> 2) - 1;
    const head = kind === TypeKind.deque ? ledger.slots[base - slots]! : 0;
    const length = kind === TypeKind.deque ? ledger.slots[base - slots - 1]! : 0;
    if (head < 0 || head > Math.max(slots - 1, 0) || length < 0 || length > slots)
      this.#blame(index, `deque of ${slots} with head ${head}, length ${length}`);
    for (let slot = 0; slot < slots; slot++) {
      const handle = ledger.slots[base - slot]!;
      if (kind === TypeKind.deque) {
        const inRing = (slot - head + slots) % slots < length;
        if ((handle !== 0) !== inRing)
          this.#blame(index, `deque slot ${slot}: occupied ${handle !== 0}, in the ring ${inRing}`);
      }
      if (handle === 0) continue;
      const inner = handle >>> GENERATION_BITS;
      const lies =
        inner > 0 &&
        inner < ledger.highWater &&
        ledger.at(LINK, inner) === index &&
        ledger.at(SLOT, inner) === slot &&
        (ledger.at(TAG, inner) ^ handle) === OWNER_CONTAINED << GENERATION_BITS;
      if (!lies) this.#blame(index, `slot ${slot} holds object ${inner}, which does not lie there`);
      const wanted = kind === TypeKind.record ? this.#words[(element >> 2) + slot] : element;
      if (lies && ledger.at(TYPE, inner) !== wanted) this.#blame(inner, `lies in a slot for type ${wanted}`);
    }
  }

  /** Records that were never used hold nothing but, below MAX_DOMAINS, their tag. */
  #unused(): void {
    const words = this.#words;
    const end = (words.length - TAG) >> RECORD_SHIFT;
    for (let index = this.#ledger.highWater; index < end; index++) {
      const first = TAG + (index << RECORD_SHIFT);
      let other = words[first]! ^ (index < MAX_DOMAINS ? index << GENERATION_BITS : 0);
      for (let word = first + 1; word < first + OBJECT_BYTES / 4; word++) other |= words[word]!;
      if (other !== 0) this.#blame(index, "a record that was never used is not clean");
    }
  }

  /** A list made by LINK words ends, and holds all `count` records that belong to it. */
  #list(name: string, head: number, count: number, belongs: (index: number) => boolean): void {
    let length = 0;
    for (let index = head; index !== 0 && length <= count; index = this.#ledger.at(LINK, index), length++) {
      const right = index > 0 && index < this.#ledger.highWater && belongs(index);
      if (!right) return this.#blame(index, `in the ${name} list by mistake`);
    }
    if (length !== count)
      this.#blame(0, `${count} ${name} records, ${length > count ? "in circles" : length} in their list`);
  }

  #charges(): void {
    const words = this.#words;
    for (let id = 0, word = DOMAINS >> 2; id < MAX_DOMAINS; id++, word += 1 << (DOMAIN_SHIFT - 2)) {
      const bytes = words[word + (DOMAIN_BYTES >> 2)]! >>> 0;
      const objects = words[word + (DOMAIN_OBJECTS >> 2)]! >>> 0;
      if (bytes === this.#bytes[id] && objects === this.#objects[id]) continue;
      const right = `${this.#bytes[id]} bytes, ${this.#objects[id]} objects`;
      this.#blame(0, `domain ${id}: charged ${bytes} bytes, ${objects} objects; its records say ${right}`);
    }
  }
}
