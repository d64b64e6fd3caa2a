/**
 * The world in which hostile modules run: an exchange heap and a ledger with an attacker, a victim and canaries.
 *
 * Owns the memories, the objects in them and the prediction of what an attacker can change. Every byte that is not
 * `open` must be the same after a run as before. All bytes that the attacker has no right to read hold a secret, of
 * which there are two: a module whose observations differ between them has read what is not its own.
 */
import { ExchangeHeap } from "#shared-heap/heap.ts";
import {
  CORE_DEPTH,
  CORE_EPOCH,
  DOMAIN_ALIVE,
  DOMAIN_RETURN,
  DOMAIN_SHIFT,
  DOMAINS,
  EDGES,
  FRAMES,
  GENERATION_BITS,
  GENERATION_MASK,
  MAX_DOMAINS,
  OBJECT_ADDRESS,
  OBJECT_BYTES,
  OBJECT_LINK,
  OBJECT_SHIFT,
  OBJECT_SIZE,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OBJECTS,
  OWNER_HOST,
  RETURN_WORDS,
  TYPE_MASK,
  TypeKind,
  TYPES,
} from "#shared-heap/layout.ts";
import { HEAP_PAGES, LEDGER_PAGES } from "./policy.ts";

export const VICTIM = 4;
export const ATTACKER = 5;
export const BYSTANDER = 6;
/** Bytes of the two secrets, repeated through all that the attacker may not read. */
export const SECRETS = [
  [0xc5, 0x3a, 0x9e, 0x71],
  [0x2d, 0xb4, 0x67, 0xe8],
] as const;

/** Type ids, as registered below. */
export const T = { plain: 1, node: 2, array: 3, deque: 4, big: 5 } as const;
interface TypeRow {
  readonly kind: number;
  readonly slots: readonly number[];
  readonly size: number;
}
const TYPE_TABLE: Readonly<Record<number, TypeRow>> = {
  [T.plain]: { kind: TypeKind.record, slots: [], size: 64 },
  [T.node]: { kind: TypeKind.record, slots: [T.plain, T.node], size: 40 },
  [T.array]: { kind: TypeKind.array, slots: [T.plain, T.plain, T.plain], size: 0 },
  [T.deque]: { kind: TypeKind.deque, slots: [T.plain, T.plain, T.plain, T.plain], size: 0 },
  [T.big]: { kind: TypeKind.record, slots: [], size: 70_000 },
};

/** What the attacker may do with an object: everything, write its bytes only (borrowed), or nothing. */
export type Right = "open" | "bytes" | "none";

export interface WorldObject {
  readonly name: string;
  readonly index: number;
  readonly handle: number;
  readonly type: number;
  readonly address: number;
  readonly size: number;
  readonly right: Right;
}

interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * Most of the ledger: records of domains that are not there, types, and the inside of the trace's five megabytes. They
 * are compared at every so many looks only: what was written there stays until a look finds it.
 */
const FAR: readonly Range[] = [
  { from: domain(BYSTANDER + 2), to: domain(MAX_DOMAINS - 1) },
  { from: TYPES + 4096, to: EDGES },
  { from: EDGES + 4096, to: OBJECTS - 4096 },
];
const FAR_LOOKS = 16;

export class World {
  readonly heap = new WebAssembly.Memory({ initial: HEAP_PAGES, maximum: HEAP_PAGES, shared: true });
  readonly ledger = new WebAssembly.Memory({ initial: LEDGER_PAGES, maximum: LEDGER_PAGES, shared: true });
  readonly heapBytes = Buffer.from(this.heap.buffer);
  readonly ledgerBytes = Buffer.from(this.ledger.buffer);
  readonly heapView = new DataView(this.heap.buffer);
  readonly words = new Int32Array(this.ledger.buffer);
  /** The kernel's own heap over these memories: it made the objects, and its checker judges them. */
  readonly exchange = new ExchangeHeap({
    heap: this.heap.buffer,
    ledger: this.ledger.buffer,
    objects: Math.floor((this.ledgerBytes.length - OBJECTS) / OBJECT_BYTES),
  });
  readonly objects: WorldObject[] = [];
  readonly #byName = new Map<string, WorldObject>();
  readonly #placed = new Map<string, { index: number; owner: number; right: Right }>();
  /** Ranges that the attacker may change, ascending. */
  readonly #heapOpen: Range[] = [];
  readonly #ledgerOpen: Range[] = [];
  readonly #heapClosed: Range[];
  readonly #ledgerClosed: Range[];
  readonly #bases: readonly { heap: Buffer; ledger: Buffer }[];
  #base = 0;
  #looks = 0;

  constructor() {
    this.#domains();
    this.#registerTypes();
    this.#populate();
    this.#describe();
    for (const object of this.objects) this.#openRanges(object);
    this.#ledgerOpen.push(range(domain(ATTACKER) + DOMAIN_RETURN, RETURN_WORDS * 4));
    this.#heapOpen.sort((a, b) => a.from - b.from);
    this.#ledgerOpen.sort((a, b) => a.from - b.from);
    this.#heapClosed = complement(this.#heapOpen, this.heapBytes.length);
    const near = [...this.#ledgerOpen, ...FAR].toSorted((a, b) => a.from - b.from);
    this.#ledgerClosed = complement(near, this.ledgerBytes.length);
    this.#bases = SECRETS.map((secret) => this.#withSecret(secret));
    this.reset(0);
  }

  /** The object called `name`; throws when the world has none. */
  object(name: string): WorldObject {
    const found = this.#byName.get(name);
    if (found === undefined) throw new Error(`the world has no object ${name}`);
    return found;
  }

  handle(name: string): number {
    return this.object(name).handle;
  }

  /** Ledger word index of a record's word: `offset` is one of the OBJECT_ constants. */
  word(index: number, offset: number): number {
    return (OBJECTS + (index << OBJECT_SHIFT) + offset) >> 2;
  }

  /** Puts every byte back, with secret 0 or 1 in all that the attacker may not read. */
  reset(secret: number): void {
    this.#base = secret;
    const base = this.#bases[secret]!;
    base.heap.copy(this.heapBytes);
    base.ledger.copy(this.ledgerBytes);
  }

  /** Puts back what the attacker may change; enough after a run whose `violation` is null, with the same secret. */
  resetOpen(): void {
    const base = this.#bases[this.#base]!;
    for (const r of this.#heapOpen) base.heap.copy(this.heapBytes, r.from, r.from, r.to);
    for (const r of this.#ledgerOpen) base.ledger.copy(this.ledgerBytes, r.from, r.from, r.to);
  }

  /** Sets the epoch word; a run must leave it, so the caller puts 0 back before it looks for violations. */
  setEpoch(value: number): void {
    this.words[CORE_EPOCH >> 2] = value;
  }

  /** The bytes that the attacker may change, as one buffer: heap first, then ledger. */
  capture(into: Buffer): Buffer {
    let at = 0;
    for (const r of this.#heapOpen) at += this.heapBytes.copy(into, at, r.from, r.to);
    for (const r of this.#ledgerOpen) at += this.ledgerBytes.copy(into, at, r.from, r.to);
    return into;
  }

  /** Bytes that `capture` needs. */
  captureBytes(): number {
    return [...this.#heapOpen, ...this.#ledgerOpen].reduce((sum, r) => sum + r.to - r.from, 0);
  }

  /** Describes the first byte outside the prediction that differs from before the run, or null. */
  violation(): string | null {
    const base = this.#bases[this.#base]!;
    const near =
      difference("heap", this.#heapClosed, base.heap, this.heapBytes) ??
      difference("ledger", this.#ledgerClosed, base.ledger, this.ledgerBytes);
    if (near !== null || this.#looks++ % FAR_LOOKS !== 0) return near;
    const far = difference("ledger", FAR, base.ledger, this.ledgerBytes);
    return far === null ? null : `${far}, in this run or in one of the last ${FAR_LOOKS}`;
  }

  /** The first violation that the kernel's own whole-heap checker finds, or null. Costs as much as a run. */
  brokenInvariant(): string | null {
    const broken = this.exchange.check()[0];
    return broken === undefined ? null : `record ${broken.index}: ${broken.reason}`;
  }

  /** Whether any rotation of the current secret stands in `bytes`. */
  leaks(bytes: Buffer): boolean {
    const secret = SECRETS[this.#base]!;
    for (let turn = 0; turn < 4; turn++) {
      if (bytes.includes(Buffer.from([0, 1, 2, 3].map((i) => secret[(i + turn) & 3]!)))) return true;
    }
    return false;
  }

  /** A slot's byte address: slot `position` of `object`. */
  slotAddress(object: { readonly address: number }, position: number): number {
    return object.address - 4 * (position + 1);
  }

  #registerTypes(): void {
    const keys = Object.keys(T) as (keyof typeof T)[];
    for (const key of keys) {
      const { kind, slots, size } = TYPE_TABLE[T[key]]!;
      const names = slots.map((id) => keys.find((k) => T[k] === id)!);
      const id = this.exchange.types.define(
        key,
        kind === TypeKind.record
          ? { kind: "record", slots: names, size }
          : { kind: kind === TypeKind.array ? "array" : "deque", element: names[0]!, length: names.length },
      );
      if (id !== T[key]) throw new Error(`type ${key} has id ${id}`);
    }
  }

  /** Victim's and attacker's objects alternate, so that each neighbour of an attacker's byte is somebody else's. */
  #populate(): void {
    const mine = (name: string, type: number, inside?: string, slot?: number): void =>
      this.#place(name, type, ATTACKER, "open", inside, slot);
    const theirs = (name: string, type: number, inside?: string, slot?: number): void =>
      this.#place(name, type, VICTIM, "none", inside, slot);
    theirs("v.plain", T.plain);
    mine("plain", T.plain);
    theirs("v.node", T.node);
    theirs("v.node.0", T.plain, "v.node", 0);
    mine("plain2", T.plain);
    mine("node", T.node);
    mine("node.0", T.plain, "node", 0);
    mine("node.1.0", T.plain);
    mine("node.1", T.node);
    this.#enclose("node.1.0", "node.1", 0);
    this.#enclose("node.1", "node", 1);
    theirs("v.deque", T.deque);
    for (const i of [0, 1, 2]) theirs(`v.deque.${i}`, T.plain, "v.deque");
    mine("empty node", T.node);
    mine("array", T.array);
    mine("array.1", T.plain, "array", 1);
    theirs("v.array", T.array);
    theirs("v.array.2", T.plain, "v.array", 2);
    mine("deque", T.deque);
    mine("deque.3", T.plain);
    // Its two elements lie in the last position and the first.
    for (let turn = 0; turn < 3; turn++) {
      this.#enclose("deque.3", "deque");
      this.exchange.pop(this.#current("deque"), ATTACKER);
    }
    this.#enclose("deque.3", "deque");
    mine("deque.0", T.plain, "deque");
    mine("empty deque", T.deque);
    this.#loans();
    this.#place("h.plain", T.plain, OWNER_HOST, "none");
    mine("big", T.big);
    theirs("v.last", T.plain);
    for (const i of [0, 1, 2]) this.#place(`spare plain ${i}`, T.plain, OWNER_HOST, "open");
    this.#place("spare node", T.node, OWNER_HOST, "open");
    this.#place("spare deque", T.deque, OWNER_HOST, "open");
  }

  /** What the victim has lent to the attacker, and the attacker to the victim. */
  #loans(): void {
    this.#place("lent plain", T.plain, VICTIM, "bytes");
    this.#place("lent node", T.node, VICTIM, "bytes");
    this.#place("lent node.0", T.plain, VICTIM, "none", "lent node", 0);
    this.#place("lent deque", T.deque, VICTIM, "bytes");
    this.#place("lent deque.0", T.plain, VICTIM, "none", "lent deque");
    this.#place("lent out", T.plain, ATTACKER, "none");
    for (const name of ["lent plain", "lent node", "lent deque"])
      this.exchange.lend(this.#current(name), VICTIM, ATTACKER);
    this.exchange.lend(this.#current("lent out"), ATTACKER, VICTIM);
  }

  /** Makes an object, in a generation of its own, and puts it into a container if one is named. */
  #place(name: string, type: number, owner: number, right: Right, inside?: string, slot?: number): void {
    let handle = this.exchange.create(type, owner);
    for (let i = (handle >>> GENERATION_BITS) & 7; i > 0; i--) {
      handle = this.exchange.move(this.exchange.move(handle, owner, BYSTANDER), BYSTANDER, owner);
    }
    this.#placed.set(name, { index: handle >>> GENERATION_BITS, owner, right });
    if (inside !== undefined) this.#enclose(name, inside, slot);
  }

  #enclose(name: string, container: string, slot?: number): void {
    const { owner } = this.#placed.get(container)!;
    if (slot === undefined) this.exchange.push(this.#current(name), this.#current(container), owner);
    else this.exchange.put(this.#current(name), this.#current(container), slot, owner);
  }

  /** The handle of an object as it is now. */
  #current(name: string): number {
    const { index } = this.#placed.get(name)!;
    return (index << GENERATION_BITS) | (this.words[this.word(index, OBJECT_TAG)]! & GENERATION_MASK);
  }

  #describe(): void {
    for (const [name, { index, right }] of this.#placed) {
      const at = (offset: number): number => this.words[this.word(index, offset)]!;
      const object: WorldObject = {
        name,
        index,
        handle: this.#current(name),
        type: at(OBJECT_TYPE) & TYPE_MASK,
        address: at(OBJECT_ADDRESS),
        size: at(OBJECT_SIZE),
        right,
      };
      this.objects.push(object);
      this.#byName.set(name, object);
    }
  }

  #domains(): void {
    for (const id of [OWNER_HOST, VICTIM, ATTACKER, BYSTANDER]) {
      this.words[(domain(id) + DOMAIN_ALIVE) >> 2] = id * 3;
      this.exchange.setLimits(id, 1 << 20, 1 << 10);
    }
    this.words[CORE_DEPTH >> 2] = 2;
    this.words[FRAMES >> 2] = VICTIM;
    this.words[(FRAMES + 4) >> 2] = ATTACKER;
  }

  #openRanges(object: WorldObject): void {
    if (object.right === "none") return;
    this.#heapOpen.push(range(object.address, object.size));
    if (object.right === "bytes") return;
    const row = TYPE_TABLE[object.type]!;
    const words = row.slots.length + (row.kind === TypeKind.deque ? 2 : 0);
    if (words > 0) this.#heapOpen.push(range(object.address - 4 * words, 4 * words));
    const record = this.word(object.index, 0) * 4;
    for (const offset of [OBJECT_TAG, OBJECT_SIZE, OBJECT_LINK, OBJECT_SLOT])
      this.#ledgerOpen.push(range(record + offset, 4));
  }

  /** A copy of both memories with `secret` in every byte that the attacker may neither read nor change. */
  #withSecret(secret: readonly number[]): { heap: Buffer; ledger: Buffer } {
    const heap = Buffer.from(this.heapBytes);
    const ledger = Buffer.from(this.ledgerBytes);
    const keep = new Uint8Array(heap.length);
    for (const object of this.objects) {
      const row = TYPE_TABLE[object.type]!;
      const words = row.slots.length + (row.kind === TypeKind.deque ? 2 : 0);
      const readable = object.right !== "none" || (object.name.startsWith("lent ") && object.name !== "lent out");
      keep.fill(1, object.address - 4 * words, object.address + (readable ? object.size : 0));
      if (readable) for (let i = 0; i < object.size; i++) heap[object.address + i] = (object.index + i) & 0x1f;
    }
    for (let i = 0; i < heap.length; i++) if (keep[i] === 0) heap[i] = secret[i & 3]!;
    const paint = (from: number, bytes: number): void => {
      for (let i = from; i < from + bytes; i++) ledger[i] = secret[i & 3]!;
    };
    for (const id of [VICTIM, BYSTANDER]) paint(domain(id) + DOMAIN_RETURN, RETURN_WORDS * 4);
    paint(EDGES, 4096);
    paint(FRAMES + 8, 1024);
    return { heap, ledger };
  }
}

/** Type ids of the slots of a type. */
export function slotTypes(type: number): readonly number[] {
  return TYPE_TABLE[type]!.slots;
}

/** Byte offset of a domain's record in the ledger. */
export function domain(id: number): number {
  return DOMAINS + (id << DOMAIN_SHIFT);
}

/** Number of object records in the ledger. */
export function capacity(world: World): number {
  return Math.floor((world.ledgerBytes.length - OBJECTS) / OBJECT_BYTES);
}

function range(from: number, bytes: number): Range {
  return { from, to: from + bytes };
}

function complement(open: readonly Range[], length: number): Range[] {
  const out: Range[] = [];
  let at = 0;
  for (const r of open) {
    if (r.from > at) out.push({ from: at, to: r.from });
    at = Math.max(at, r.to);
  }
  if (at < length) out.push({ from: at, to: length });
  return out;
}

function difference(what: string, closed: readonly Range[], before: Buffer, after: Buffer): string | null {
  for (const r of closed) {
    if (before.compare(after, r.from, r.to, r.from, r.to) === 0) continue;
    let at = r.from;
    while (before[at] === after[at]) at++;
    return `${what} byte 0x${at.toString(16)} was ${before[at]} and is ${after[at]}`;
  }
  return null;
}
