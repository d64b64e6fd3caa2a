/**
 * The simple model of the exchange heap that property tests compare the real one with.
 *
 * Plain JavaScript objects that point at each other; no memories, no bit tricks, no shared code but the type list.
 * Each operation answers what the real one must answer: its result, or the code of its refusal.
 *
 * Not part of the system: nothing but tests imports it.
 */
export const CAPACITY = 48;
export const OWNERS = [1, 4, 5, 6] as const;
const CONTAINED = 2;
const GENERATIONS = 1024;

export interface ModelType {
  readonly key: string;
  readonly kind: "record" | "array" | "deque";
  readonly slots: readonly string[];
  readonly size: number;
  /** Size of the block of a new object, and the largest visible size that it has room for. */
  readonly block: number;
  readonly room: number;
}
const packets = (n: number): string[] => Array.from({ length: n }, () => "Packet");
export const MODEL_TYPES: readonly ModelType[] = [
  { key: "Packet", kind: "record", slots: [], size: 100, block: 128, room: 128 },
  { key: "Blob", kind: "record", slots: [], size: 5000, block: 5120, room: 5120 },
  { key: "Node", kind: "record", slots: ["Node"], size: 8, block: 128, room: 64 },
  { key: "Pair", kind: "record", slots: ["Packet", "Node"], size: 4, block: 128, room: 64 },
  { key: "Array", kind: "array", slots: packets(4), size: 0, block: 64, room: 0 },
  { key: "Deque", kind: "deque", slots: packets(3), size: 0, block: 64, room: 0 },
  { key: "Nodes", kind: "deque", slots: ["Node", "Node"], size: 0, block: 64, room: 0 },
];

export interface Obj {
  readonly index: number;
  readonly type: ModelType;
  readonly charged: { owner: number };
  owner: number;
  lent: boolean;
  content: Uint8Array;
  container: Obj | null;
  /** Records and arrays: by slot. Deques: from front to back. */
  inside: (Obj | null)[];
}

interface Loan {
  readonly handle: number;
  readonly lender: number;
  readonly borrower: number;
  readonly lentBefore: boolean;
}

export class Model {
  readonly generations = Array.from({ length: CAPACITY }, () => 0);
  readonly objects = new Map<number, Obj>();
  readonly loans: Loan[] = [];
  readonly limits = new Map<number, { bytes: number; objects: number }>();

  handle(index: number): number {
    return index * GENERATIONS + this.generations[index]!;
  }

  #bump(object: Obj): number {
    this.generations[object.index] = (this.generations[object.index]! + 1) % GENERATIONS;
    return this.handle(object.index);
  }

  charged(owner: number): { objects: number; bytes: number } {
    const mine = [...this.objects.values()].filter((o) => o.charged.owner === owner);
    return { objects: mine.length, bytes: mine.reduce((sum, o) => sum + o.type.block, 0) };
  }

  #owned(handle: number, owner: number): Obj | string {
    const index = Math.floor(handle / GENERATIONS);
    if (index === 0 || index >= CAPACITY) return "range";
    if (this.generations[index] !== handle % GENERATIONS) return "stale";
    const object = this.objects.get(index);
    return object === undefined || object.owner !== owner ? "not-owner" : object;
  }

  #exclusive(handle: number, owner: number): Obj | string {
    const object = this.#owned(handle, owner);
    return typeof object !== "string" && object.lent ? "lent" : object;
  }

  /** Whether an object may be made; the index is the real heap's choice. */
  mayCreate(type: ModelType, owner: number): boolean {
    const charged = this.charged(owner);
    const limits = this.limits.get(owner)!;
    return (
      charged.objects + 1 <= limits.objects &&
      charged.bytes + type.block <= limits.bytes &&
      this.objects.size < CAPACITY - 1
    );
  }

  create(index: number, type: ModelType, owner: number): void {
    const content = new Uint8Array(type.size);
    const inside = type.kind === "deque" ? [] : type.slots.map(() => null);
    const fields = { index, type, owner, content, inside, charged: { owner }, lent: false, container: null };
    this.objects.set(index, fields);
  }

  #drop(object: Obj): void {
    for (const inner of object.inside) if (inner !== null) this.#drop(inner);
    this.#bump(object);
    this.objects.delete(object.index);
  }

  free(handle: number, owner: number): string {
    const object = this.#exclusive(handle, owner);
    if (typeof object === "string") return object;
    this.#drop(object);
    return "";
  }

  move(handle: number, from: number, to: number, type: string): number | string {
    const object = this.#exclusive(handle, from);
    if (typeof object === "string") return object;
    if (type !== "" && object.type.key !== type) return "wrong-type";
    object.owner = to;
    return this.#bump(object);
  }

  lend(handle: number, from: number, to: number, type: string): number | string {
    const object = this.#owned(handle, from);
    if (typeof object === "string") return object;
    if (type !== "" && object.type.key !== type) return "wrong-type";
    this.loans.push({ handle, lender: from, borrower: to, lentBefore: object.lent });
    object.owner = to;
    object.lent = true;
    return this.#bump(object);
  }

  giveBack(): Loan | null {
    const loan = this.loans.pop();
    if (loan === undefined) return null;
    const index = Math.floor(loan.handle / GENERATIONS);
    const object = this.objects.get(index)!;
    this.generations[index] = loan.handle % GENERATIONS;
    object.owner = loan.lender;
    object.lent = loan.lentBefore;
    return loan;
  }

  #element(handle: number, owner: number, outer: Obj, slot: number): Obj | string {
    const object = this.#exclusive(handle, owner);
    if (typeof object === "string") return object;
    if (object === outer) return "cycle";
    return object.type.key === outer.type.slots[slot] ? object : "wrong-type";
  }

  #slot(outer: Obj | string, slot: number): Obj | string {
    if (typeof outer === "string") return outer;
    if (outer.type.kind === "deque") return "wrong-type";
    return slot < outer.inside.length ? outer : "range";
  }

  put(handle: number, container: number, slot: number, owner: number): string {
    const outer = this.#slot(this.#exclusive(container, owner), slot);
    if (typeof outer === "string") return outer;
    const object = this.#element(handle, owner, outer, slot);
    if (typeof object === "string") return object;
    if (outer.inside[slot] !== null) return "occupied";
    outer.inside[slot] = object;
    object.owner = CONTAINED;
    object.container = outer;
    return "";
  }

  #out(object: Obj, owner: number): number {
    object.owner = owner;
    object.container = null;
    return this.#bump(object);
  }

  take(container: number, slot: number, owner: number): number | string {
    const outer = this.#slot(this.#exclusive(container, owner), slot);
    if (typeof outer === "string") return outer;
    const object = outer.inside[slot]!;
    if (object === null) return 0;
    outer.inside[slot] = null;
    return this.#out(object, owner);
  }

  has(container: number, slot: number, owner: number): boolean | string {
    const outer = this.#slot(this.#owned(container, owner), slot);
    return typeof outer === "string" ? outer : outer.inside[slot] !== null;
  }

  push(handle: number, deque: number, owner: number): boolean | string {
    const outer = this.#exclusive(deque, owner);
    if (typeof outer === "string") return outer;
    if (outer.type.kind !== "deque") return "wrong-type";
    const object = this.#element(handle, owner, outer, 0);
    if (typeof object === "string") return object;
    if (outer.inside.length === outer.type.slots.length) return false;
    outer.inside.push(object);
    object.owner = CONTAINED;
    object.container = outer;
    return true;
  }

  pop(deque: number, owner: number): number | string {
    const outer = this.#exclusive(deque, owner);
    if (typeof outer === "string") return outer;
    if (outer.type.kind !== "deque") return "wrong-type";
    const object = outer.inside.shift();
    return object === undefined ? 0 : this.#out(object!, owner);
  }

  len(deque: number, owner: number): number | string {
    const outer = this.#owned(deque, owner);
    if (typeof outer === "string") return outer;
    return outer.type.kind === "deque" ? outer.inside.length : "wrong-type";
  }

  /** The bytes that the real peek's address must show. */
  peek(container: number, slot: number, offset: number, bytes: number, owner: number): Uint8Array | string {
    const outer = this.#owned(container, owner);
    if (typeof outer === "string") return outer;
    if (slot >= outer.inside.length) return "range";
    const object = outer.inside[slot]!;
    if (object === null) return "empty";
    return offset + bytes <= object.content.length ? object.content.subarray(offset, offset + bytes) : "range";
  }

  resize(handle: number, owner: number, size: number): boolean | string {
    const object = this.#exclusive(handle, owner);
    if (typeof object === "string") return object;
    if (size > object.type.room || size < object.type.size) return false;
    const content = new Uint8Array(size);
    content.set(object.content.subarray(0, size));
    object.content = content;
    return true;
  }

  access(handle: number, offset: number, bytes: number, owner: number): Uint8Array | string {
    const object = this.#owned(handle, owner);
    if (typeof object === "string") return object;
    return offset + bytes <= object.content.length ? object.content.subarray(offset, offset + bytes) : "range";
  }

  /** @returns objects freed */
  reclaim(owner: number): number {
    const before = this.objects.size;
    for (const object of Array.from(this.objects.values()))
      if (object.owner === owner && !object.lent) this.#drop(object);
    for (const object of this.objects.values()) {
      let root = object;
      while (root.container !== null) root = root.container;
      if (object.charged.owner === owner) object.charged.owner = root.owner;
    }
    return before - this.objects.size;
  }
}
