/**
 * The intrinsics a second time, in JavaScript, straight from their documentation: the oracle of the lowered code.
 *
 * Works on the world's memories like the lowered code does. Shares nothing with the loader or the kernel but the
 * layout. Every check comes before the first store; a refusal throws `Refusal`, which stands for a trap.
 */
import {
  DOMAIN_RETURN,
  GENERATION_BITS,
  GENERATION_MASK,
  LENT,
  OBJECT_ADDRESS,
  OBJECT_LINK,
  OBJECT_SIZE,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OWNER_CONTAINED,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_MASK,
  TYPE_SHIFT,
  TYPE_SLOTS,
  TypeKind,
  TYPES,
} from "#shared-heap/layout.ts";
import { HEAP, RPC } from "#kernel/wasm/intrinsics.ts";
import { ATTACKER, capacity, domain, type World } from "./world.ts";

/** What a trap is in the reference. */
export class Refusal extends Error {}

function refuse(why: string): never {
  throw new Refusal(why);
}

interface Container {
  readonly index: number;
  readonly address: number;
  readonly kind: number;
  readonly slots: number;
  readonly element: number;
}
type Value = number | bigint;
export type Intrinsics = Record<string, (...args: Value[]) => Value | undefined>;

/** The reference's `heap` and `rpc` modules for the attacker; `memory` is its memory 0, read at each use. */
export class Reference {
  readonly #world: World;
  readonly #memory: () => Buffer;

  constructor(world: World, memory: () => Buffer) {
    this.#world = world;
    this.#memory = memory;
  }

  /** Record index of a handle that the attacker owns or borrows. */
  owned(handle: Value): number {
    const h = Number(handle) | 0;
    const index = h >>> GENERATION_BITS;
    if (index >= capacity(this.#world)) refuse("beyond the ledger");
    if ((this.#get(index, OBJECT_TAG) ^ h) !== ATTACKER << GENERATION_BITS) refuse("not owned");
    return index;
  }

  /** Record index of a handle that the attacker owns and nobody lent to it. */
  exclusive(handle: Value): number {
    const index = this.owned(handle);
    if ((this.#get(index, OBJECT_TYPE) & LENT) !== 0) refuse("lent");
    return index;
  }

  modules(): { heap: Intrinsics; rpc: Intrinsics } {
    const heap: Intrinsics = {
      size: (h) => this.#get(this.owned(h!), OBJECT_SIZE),
      put: (h, c, slot) => this.#put(h!, c!, Number(slot) >>> 0),
      take: (c, slot) => this.#take(c!, Number(slot) >>> 0),
      has: (c, slot) => this.#has(c!, Number(slot) >>> 0),
      push: (h, d) => this.#push(h!, this.#deque(d!, true)),
      pop: (d) => this.#pop(this.#deque(d!, true)),
      len: (d) => this.#length(this.#deque(d!, false)),
      push_n: (p, n, d) => this.#pushMany(Number(p) >>> 0, Number(n) >>> 0, d!),
      pop_n: (p, n, d) => this.#popMany(Number(p) >>> 0, Number(n) >>> 0, d!),
      copy_in: (p, n, h, o) => {
        const to = this.#span(h!, o!, n!);
        this.#private(p!, n!).copy(this.#world.heapBytes, to);
      },
      copy_out: (p, n, h, o) => {
        const from = this.#span(h!, o!, n!);
        this.#world.heapBytes.copy(this.#private(p!, n!), 0, from, from + (Number(n) >>> 0));
      },
      copy: (from, fromOffset, n, to, toOffset) => {
        const source = this.#span(from!, fromOffset!, n!);
        const target = this.#span(to!, toOffset!, n!);
        this.#world.heapBytes.copyWithin(target, source, source + (Number(n) >>> 0));
      },
      fill: (byte, n, h, o) => {
        const at = this.#span(h!, o!, n!);
        this.#world.heapBytes.fill(Number(byte) & 0xff, at, at + (Number(n) >>> 0));
      },
    };
    for (const [name, intrinsic] of Object.entries(HEAP)) {
      if (intrinsic.kind !== "helper") heap[name] = this.#access(name, intrinsic.kind, intrinsic.width);
    }
    return { heap, rpc: this.#words() };
  }

  #access(name: string, kind: "load" | "store" | "peek", width: number): Intrinsics[string] {
    const type = name.slice(name.indexOf("_") + 1);
    const view = this.#world.heapView;
    if (kind === "store") return (value, h, offset) => write(view, this.#span(h!, offset!, width), type, value!);
    if (kind === "load") return (h, offset) => read(view, this.#span(h!, offset!, width), type);
    return (c, slot, offset) => {
      const container = this.#container(c!, false);
      const element = this.#handleAt(container, this.#position(container, Number(slot) >>> 0)) >>> GENERATION_BITS;
      return read(view, this.#within(element, Number(offset) >>> 0, width), type);
    };
  }

  #words(): Intrinsics {
    const rpc: Intrinsics = {};
    const view = new DataView(this.#world.ledger.buffer);
    for (const [name, { kind, index, type }] of Object.entries(RPC)) {
      const at = domain(ATTACKER) + DOMAIN_RETURN + 4 * index;
      const width = type === 0x7f ? "i32" : type === 0x7d ? "f32" : "f64";
      rpc[name] = kind === "return-get" ? () => read(view, at, width) : (value) => write(view, at, width, value!);
    }
    return rpc;
  }

  #get(index: number, offset: number): number {
    return this.#world.words[this.#world.word(index, offset)]!;
  }

  #set(index: number, offset: number, value: number): void {
    this.#world.words[this.#world.word(index, offset)] = value;
  }

  /** Heap address of `bytes` at `offset` of an owned object. */
  #span(handle: Value, offset: Value, bytes: Value): number {
    return this.#within(this.owned(handle), Number(offset) >>> 0, Number(bytes) >>> 0);
  }

  #within(index: number, offset: number, bytes: number): number {
    if (offset + bytes > this.#get(index, OBJECT_SIZE) >>> 0) refuse("beyond the object");
    return this.#get(index, OBJECT_ADDRESS) + offset;
  }

  /** `bytes` of the attacker's memory. */
  #private(pointer: Value, bytes: Value): Buffer {
    const from = Number(pointer) >>> 0;
    const to = from + (Number(bytes) >>> 0);
    const memory = this.#memory();
    if (to > memory.length) refuse("beyond memory 0");
    return memory.subarray(from, to);
  }

  #container(handle: Value, exclusive: boolean): Container {
    const index = exclusive ? this.exclusive(handle) : this.owned(handle);
    const at = (TYPES + ((this.#get(index, OBJECT_TYPE) & TYPE_MASK) << TYPE_SHIFT)) >> 2;
    const { words } = this.#world;
    return {
      index,
      address: this.#get(index, OBJECT_ADDRESS),
      kind: words[at + (TYPE_KIND >> 2)]!,
      slots: words[at + (TYPE_SLOTS >> 2)]!,
      element: words[at + (TYPE_ELEMENT >> 2)]!,
    };
  }

  #deque(handle: Value, exclusive: boolean): Container {
    const container = this.#container(handle, exclusive);
    return container.kind === TypeKind.deque ? container : refuse("not a deque");
  }

  /** Record or array, and a slot of it. */
  #slotted(handle: Value, slot: number, exclusive: boolean): Container {
    const container = this.#container(handle, exclusive);
    if (container.kind === TypeKind.deque) refuse("a deque has no slots to name");
    return slot < container.slots ? container : refuse("no such slot");
  }

  #position(container: Container, slot: number): number {
    if (container.kind !== TypeKind.deque) return slot < container.slots ? slot : refuse("no such slot");
    return slot < this.#length(container) ? (this.#head(container) + slot) % container.slots : refuse("beyond the end");
  }

  #word(address: number): number {
    return this.#world.heapView.getInt32(address, true);
  }

  #setWord(address: number, value: number): void {
    this.#world.heapView.setInt32(address, value, true);
  }

  #handleAt(container: Container, position: number): number {
    return this.#word(this.#world.slotAddress(container, position));
  }

  #head(deque: Container): number {
    return this.#word(deque.address - 4 * (deque.slots + 1));
  }

  #length(deque: Container): number {
    return this.#word(deque.address - 4 * (deque.slots + 2));
  }

  /** Index of an element that may go into a slot of type `type` of `container`. */
  #element(handle: Value, container: Container, type: number): number {
    const index = this.exclusive(handle);
    if (this.#get(index, OBJECT_TYPE) !== type) refuse("wrong type");
    return index === container.index ? refuse("into itself") : index;
  }

  #enter(handle: Value, container: Container, position: number): void {
    const h = Number(handle) | 0;
    const index = h >>> GENERATION_BITS;
    this.#set(index, OBJECT_TAG, h ^ (OWNER_CONTAINED << GENERATION_BITS));
    this.#set(index, OBJECT_LINK, container.index);
    this.#set(index, OBJECT_SLOT, position);
    this.#setWord(this.#world.slotAddress(container, position), h);
  }

  #leave(container: Container, position: number): number {
    const old = this.#handleAt(container, position);
    const index = old >>> GENERATION_BITS;
    const handle = (index << GENERATION_BITS) | ((old + 1) & GENERATION_MASK);
    this.#set(index, OBJECT_TAG, handle ^ (ATTACKER << GENERATION_BITS));
    this.#set(index, OBJECT_LINK, 0);
    this.#set(index, OBJECT_SLOT, 0);
    this.#setWord(this.#world.slotAddress(container, position), 0);
    return handle;
  }

  #put(handle: Value, c: Value, slot: number): undefined {
    const container = this.#slotted(c, slot, true);
    const { words } = this.#world;
    const type = container.kind === TypeKind.array ? container.element : words[(container.element + 4 * slot) >> 2]!;
    this.#element(handle, container, type);
    if (this.#handleAt(container, slot) !== 0) refuse("occupied");
    this.#enter(handle, container, slot);
    return undefined;
  }

  #take(c: Value, slot: number): number {
    const container = this.#slotted(c, slot, true);
    return this.#handleAt(container, slot) === 0 ? 0 : this.#leave(container, slot);
  }

  #has(c: Value, slot: number): number {
    const container = this.#slotted(c, slot, false);
    return this.#handleAt(container, slot) === 0 ? 0 : 1;
  }

  #push(handle: Value, deque: Container): number {
    this.#element(handle, deque, deque.element);
    const length = this.#length(deque);
    if (length === deque.slots) return 0;
    this.#enter(handle, deque, (this.#head(deque) + length) % deque.slots);
    this.#setWord(deque.address - 4 * (deque.slots + 2), length + 1);
    return 1;
  }

  #pop(deque: Container): number {
    const length = this.#length(deque);
    if (length === 0) return 0;
    const head = this.#head(deque);
    const handle = this.#leave(deque, head);
    this.#setWord(deque.address - 4 * (deque.slots + 1), (head + 1) % deque.slots);
    this.#setWord(deque.address - 4 * (deque.slots + 2), length - 1);
    return handle;
  }

  #pushMany(pointer: number, count: number, d: Value): number {
    const deque = this.#deque(d, true);
    for (let i = 0; i < count; i++) {
      if (this.#length(deque) === deque.slots) return i;
      this.#push(this.#private(pointer + 4 * i, 4).readInt32LE(0), deque);
    }
    return count;
  }

  #popMany(pointer: number, count: number, d: Value): number {
    const deque = this.#deque(d, true);
    for (let i = 0; i < count; i++) {
      if (this.#length(deque) === 0) return i;
      const room = this.#private(pointer + 4 * i, 4);
      room.writeInt32LE(this.#pop(deque) | 0);
    }
    return count;
  }
}

function read(view: DataView, at: number, type: string): Value {
  switch (type) {
    case "u8":
      return view.getUint8(at);
    case "i8":
      return view.getInt8(at);
    case "u16":
      return view.getUint16(at, true);
    case "i16":
      return view.getInt16(at, true);
    case "i64":
      return view.getBigInt64(at, true);
    case "f32":
      return view.getFloat32(at, true);
    case "f64":
      return view.getFloat64(at, true);
    default:
      return view.getInt32(at, true);
  }
}

function write(view: DataView, at: number, type: string, value: Value): undefined {
  switch (type) {
    case "i8":
      view.setInt8(at, Number(value));
      break;
    case "i16":
      view.setInt16(at, Number(value), true);
      break;
    case "i64":
      view.setBigInt64(at, BigInt(value), true);
      break;
    case "f32":
      view.setFloat32(at, Number(value), true);
      break;
    case "f64":
      view.setFloat64(at, Number(value), true);
      break;
    default:
      view.setInt32(at, Number(value), true);
  }
  return undefined;
}
