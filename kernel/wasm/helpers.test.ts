/** Helper intrinsics against a plain model in JavaScript: random operations, every outcome and every word compared. */
import { describe, expect, test } from "vitest";
import { ME, OTHER, outcome, World } from "../../test/wasm/harness.ts";
import {
  LENT,
  OBJECT_ADDRESS,
  OBJECT_LINK,
  OBJECT_SIZE,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OWNER_CONTAINED,
} from "../../shared-heap/layout.ts";
import { HEAP, type Helper } from "./intrinsics.ts";

const HELPERS = Object.entries(HEAP).filter(([, i]) => i.kind !== "load" && i.kind !== "store") as [string, Helper][];
const TYPE: Readonly<Record<number, string>> = { 0x7f: "i32", 0x7e: "i64" };

const list = (word: string, types: readonly number[]): string =>
  types.length > 0 ? `(${word} ${types.map((t) => TYPE[t]).join(" ")})` : "";
const shape = ({ params, results }: Helper): string => `${list("param", params)} ${list("result", results)}`;

/** A module that exports each helper under its own name. */
const TEXT = `(module
  ${HELPERS.map(([name, i]) => `(import "heap" "${name}" (func $${name} ${shape(i)}))`).join("\n")}
  (memory 1)
  ${HELPERS.map(
    ([name, i]) => `(func (export "${name}") ${shape(i)}
    (call $${name} ${i.params.map((_, p) => `(local.get ${p})`).join(" ")}))`,
  ).join("\n")})`;

function setUp() {
  const world = new World();
  const domain = world.load(TEXT);
  const leaf = world.type("record");
  const other = world.type("record");
  const record = world.type("record", 2, [leaf, other]);
  const array = world.type("array", 3, leaf);
  const deque = world.type("deque", 4, leaf);
  return { world, ...domain, leaf, other, record, array, deque };
}
type Lab = ReturnType<typeof setUp>;

/** Deterministic random numbers (xorshift32). */
function random(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

interface Item {
  handle: number;
  type: number;
  owner: number;
  lent: boolean;
  /** Containers: handles by slot, or a deque's in order with its head. */
  slots: (Item | null)[];
  queue: Item[];
  head: number;
}

/** What the intrinsics should do, on objects instead of words. Returns "trap" and changes nothing, or a result. */
class Model {
  readonly items: Item[] = [];
  readonly lab: Lab;
  constructor(lab: Lab) {
    this.lab = lab;
  }

  add(type: number, owner: number, lent: boolean, generation: number): Item {
    const { world, record, array } = this.lab;
    const handle = world.object(16, { type, owner, generation });
    if (lent) world.set(handle, OBJECT_TYPE, type | LENT);
    const count = type === record ? 2 : type === array ? 3 : 0;
    const slots = Array<Item | null>(count).fill(null);
    const item: Item = { handle, type, owner, lent, slots, queue: [], head: 0 };
    this.items.push(item);
    return item;
  }

  owned(handle: number): Item | null {
    return this.items.find((i) => i.handle === handle && i.owner === ME) ?? null;
  }

  #bump(item: Item): number {
    item.handle = (item.handle & ~1023) | ((item.handle + 1) & 1023);
    item.owner = ME;
    return item.handle;
  }

  #elementType(c: Item, slot: number): number {
    const { record, leaf, other } = this.lab;
    return c.type === record && slot === 1 ? other : leaf;
  }

  put(handle: number, container: number, slot: number): unknown {
    const [e, c] = [this.owned(handle), this.owned(container)];
    if (e === null || c === null || e.lent || c.lent || slot >= c.slots.length) return "trap";
    if (e.type !== this.#elementType(c, slot) || c.slots[slot] !== null) return "trap";
    c.slots[slot] = e;
    e.owner = OWNER_CONTAINED;
    return undefined;
  }

  take(container: number, slot: number): unknown {
    const c = this.owned(container);
    if (c === null || c.lent || slot >= c.slots.length) return "trap";
    const e = c.slots[slot]!;
    if (e === null) return 0;
    c.slots[slot] = null;
    return this.#bump(e);
  }

  has(container: number, slot: number): unknown {
    const c = this.owned(container);
    return c === null || slot >= c.slots.length ? "trap" : c.slots[slot] === null ? 0 : 1;
  }

  #deque(handle: number, exclusive: boolean): Item | null {
    const c = this.owned(handle);
    return c === null || c.type !== this.lab.deque || (exclusive && c.lent) ? null : c;
  }

  push(handle: number, deque: number): unknown {
    const [e, c] = [this.owned(handle), this.#deque(deque, true)];
    if (e === null || c === null || e.lent || e.type !== this.lab.leaf) return "trap";
    if (c.queue.length === 4) return 0;
    c.queue.push(e);
    e.owner = OWNER_CONTAINED;
    return 1;
  }

  pop(deque: number): unknown {
    const c = this.#deque(deque, true);
    if (c === null) return "trap";
    const e = c.queue.shift();
    if (e === undefined) return 0;
    c.head = (c.head + 1) % 4;
    return this.#bump(e);
  }

  len(deque: number): unknown {
    return this.#deque(deque, false)?.queue.length ?? "trap";
  }

  pushN(pointer: number, count: number, deque: number): unknown {
    const c = this.#deque(deque, true);
    if (c === null) return "trap";
    let n = 0;
    for (; n < count && c.queue.length < 4; n++) {
      const at = pointer + 4 * n;
      if (at + 4 > 65536 || this.push(this.lab.words[at >> 2]!, deque) !== 1) return "trap";
    }
    return n;
  }

  popN(pointer: number, count: number, deque: number): unknown {
    const c = this.#deque(deque, true);
    if (c === null) return "trap";
    let n = 0;
    for (; n < count && c.queue.length > 0; n++) {
      if (pointer + 4 * n + 4 > 65536) return "trap";
      this.expected.set((pointer >> 2) + n, this.pop(deque) as number);
    }
    return n;
  }
  /** Words of memory 0 that pop_n should have written. */
  readonly expected = new Map<number, number>();

  /** Compares every word of ledger and slots with the model. */
  verify(): void {
    const { world, deque } = this.lab;
    for (const i of this.items) {
      expect(world.get(i.handle, OBJECT_TAG)).toBe(i.handle ^ (i.owner << 10));
      const address = world.get(i.handle, OBJECT_ADDRESS);
      const word = (n: number): number => world.heapWords[(address - 4 * n) >> 2]!;
      const inside = (e: Item, slot: number): void => {
        expect(word(slot + 1)).toBe(e.handle);
        expect(world.get(e.handle, OBJECT_LINK)).toBe(i.handle >>> 10);
        expect(world.get(e.handle, OBJECT_SLOT)).toBe(slot);
      };
      i.slots.forEach((e, slot) => (e === null ? expect(word(slot + 1)).toBe(0) : inside(e, slot)));
      if (i.type === deque) {
        expect([word(5), word(6)]).toEqual([i.head, i.queue.length]);
        for (let k = 0; k < 4; k++) {
          const slot = (i.head + k) % 4;
          if (k < i.queue.length) inside(i.queue[k]!, slot);
          else expect(word(slot + 1)).toBe(0);
        }
      }
      if (i.owner === OWNER_CONTAINED) continue;
      expect([world.get(i.handle, OBJECT_LINK), world.get(i.handle, OBJECT_SLOT)]).toEqual([0, 0]);
    }
    for (const [word, value] of this.expected) expect(this.lab.words[word]).toBe(value);
  }
}

describe("containers against a model", () => {
  test.each([1, 2, 3, 4, 5, 6])("random operations, seed %i", (seed) => {
    const lab = setUp();
    const model = new Model(lab);
    const pick = random(seed * 7919);
    const { leaf, other, record, array, deque } = lab;
    for (const type of [leaf, leaf, leaf, leaf, leaf, leaf, leaf, other, other, record, record, array, deque, deque]) {
      model.add(type, pick(9) === 0 ? OTHER : ME, pick(12) === 0, 1020 + pick(4));
    }
    const handle = (): number => {
      const item = model.items[pick(model.items.length)]!;
      return pick(12) === 0 ? item.handle ^ (1 << pick(14)) : item.handle;
    };
    const x = lab.exports;
    for (let i = 0; i < 1500; i++) {
      const [a, b, slot, count] = [handle(), handle(), pick(5) === 0 ? -1 >>> 0 : pick(4), pick(6)];
      const pointer = pick(12) === 0 ? 65532 : pick(100) * 4;
      for (let k = 0; k < count; k++) if (pick(3) > 0) lab.words[(pointer >> 2) + k] = handle();
      model.expected.clear();
      const [want, got] = (
        [
          () => [model.put(a, b, slot), outcome(() => x["put"]!(a, b, slot))],
          () => [model.take(b, slot), outcome(() => x["take"]!(b, slot))],
          () => [model.has(b, slot), outcome(() => x["has"]!(b, slot))],
          () => [model.push(a, b), outcome(() => x["push"]!(a, b))],
          () => [model.pop(b), outcome(() => x["pop"]!(b))],
          () => [model.len(b), outcome(() => x["len"]!(b))],
          () => [model.pushN(pointer, count, b), outcome(() => x["push_n"]!(pointer, count, b))],
          () => [model.popN(pointer, count, b), outcome(() => x["pop_n"]!(pointer, count, b))],
        ] as const
      )[pick(8)]!();
      expect(got).toBe(want);
      model.verify();
    }
  });

  test("a container does not go into itself, nor what it already holds", () => {
    const lab = setUp();
    const { world, exports: x } = lab;
    const self = world.type("array", 1, 6);
    expect(self).toBe(6);
    const [a, b] = [world.object(8, { type: self }), world.object(8, { type: self })];
    expect(outcome(() => x["put"]!(a, a, 0))).toBe("trap");
    expect(outcome(() => x["put"]!(b, a, 0))).toBe(undefined);
    expect(outcome(() => x["put"]!(a, b, 0))).toBe("trap");
    expect(x["has"]!(a, 0)).toBe(1);
  });
});

describe("peek", () => {
  function peeking() {
    const lab = setUp();
    const { world, exports: x, words } = lab;
    const leaves = [0, 1, 2, 3].map((i) => {
      const h = world.object(13, { type: lab.leaf });
      world.bytes.fill(0x10 + i, world.address(h), world.address(h) + 13);
      return h;
    });
    return { ...lab, x, words, leaves };
  }

  test("record slots, in place, inside the element only", () => {
    const { world, x, leaves, record } = peeking();
    const r = world.object(0, { type: record });
    expect(outcome(() => x["peek_u8"]!(r, 0, 0))).toBe("trap");
    x["put"]!(leaves[0]!, r, 0);
    expect(x["peek_u8"]!(r, 0, 12)).toBe(0x10);
    expect(x["peek_u16"]!(r, 0, 11)).toBe(0x1010);
    expect(x["peek_i32"]!(r, 0, 9)).toBe(0x10101010);
    expect(x["peek_i64"]!(r, 0, 5)).toBe(0x1010101010101010n);
    const outside = [
      ["peek_u8", 13],
      ["peek_u16", 12],
      ["peek_i32", 10],
      ["peek_i64", 6],
      ["peek_u8", -1],
    ] as const;
    for (const [name, offset] of outside) {
      expect(outcome(() => x[name]!(r, 0, offset))).toBe("trap");
    }
    for (const slot of [1, 2, -1, 0x40000000]) expect(outcome(() => x["peek_u8"]!(r, slot, 0))).toBe("trap");
    world.set(r, OBJECT_TYPE, record | LENT);
    expect(x["peek_u8"]!(r, 0, 0)).toBe(0x10);
    world.give(r, OTHER);
    expect(outcome(() => x["peek_u8"]!(r, 0, 0))).toBe("trap");
    expect(outcome(() => x["peek_u8"]!(leaves[0]!, 0, 0))).toBe("trap");
  });

  test("a deque's slots count from its head", () => {
    const { world, x, leaves, deque } = peeking();
    const d = world.object(0, { type: deque });
    for (const h of leaves) expect(x["push"]!(h, d)).toBe(1);
    const first = x["pop"]!(d) as number;
    x["pop"]!(d);
    expect(x["push"]!(first, d)).toBe(1);
    expect([0, 1, 2].map((i) => x["peek_u8"]!(d, i, 0))).toEqual([0x12, 0x13, 0x10]);
    expect(outcome(() => x["peek_u8"]!(d, 3, 0))).toBe("trap");
    expect(outcome(() => x["peek_u8"]!(d, -1, 0))).toBe("trap");
  });
});

describe("bytes", () => {
  test("size", () => {
    const { world, exports: x } = setUp();
    expect(x["size"]!(world.object(77))).toBe(77);
    expect(outcome(() => x["size"]!(world.object(77, { owner: OTHER })))).toBe("trap");
  });

  test.each([
    [0, 0, 0],
    [0, 10, 0],
    [5, 100_000, 3],
    [65536 * 2 - 1, 65537, 0],
    [65536 * 3 - 4, 4, 199_996],
  ])("copy_in(%i, %i) and copy_out at %i", (pointer, length, offset) => {
    const text = TEXT.replace("(memory 1)", "(memory 3)");
    const world = new World();
    const { exports: x, bytes } = world.load(text);
    const h = world.object(200_000);
    const at = world.address(h) + offset;
    for (let i = 0; i < length; i++) bytes[pointer + i] = i % 251;
    x["copy_in"]!(pointer, length, h, offset);
    expect(world.bytes.slice(at, at + length)).toEqual(bytes.slice(pointer, pointer + length));
    bytes.fill(0, pointer, pointer + length);
    x["copy_out"]!(pointer, length, h, offset);
    expect(world.bytes.slice(at, at + length)).toEqual(bytes.slice(pointer, pointer + length));
    world.bytes.fill(1);
    x["fill"]!(0x1a7, length, h, offset);
    expect(world.bytes.subarray(at, at + length).every((b) => b === 0xa7)).toBe(true);
    expect([world.bytes[at - 1], world.bytes[at + length]]).toEqual([1, 1]);
  });

  test("nothing is written when a range is out of bounds", () => {
    const { world, exports: x, bytes } = setUp();
    const [h, big, theirs] = [world.object(100), world.object(200_000), world.object(100, { owner: OTHER })];
    bytes.fill(7);
    world.bytes.fill(8);
    const calls: [string, number[]][] = [
      ["copy_in", [0, 101, h, 0]],
      ["copy_in", [0, 1, h, 100]],
      ["copy_in", [0, -1, h, 1]],
      ["copy_in", [0, 2, h, -1]],
      ["copy_in", [65530, 7, h, 0]],
      ["copy_in", [-4, 8, h, 0]],
      ["copy_in", [0, 70_000, big, 0]],
      ["copy_in", [0, 4, theirs, 0]],
      ["copy_out", [65530, 7, h, 0]],
      ["copy_out", [0, 101, h, 0]],
      ["copy_out", [0, 70_000, big, 0]],
      ["copy_out", [0, 4, theirs, 0]],
      ["copy_out", [0, 0, h, 101]],
      ["fill", [1, 101, h, 0]],
      ["fill", [1, -1, h, 2]],
      ["fill", [1, 4, theirs, 0]],
      ["fill", [1, 0, h, -1]],
      ["copy", [h, 0, 101, big, 0]],
      ["copy", [big, 0, 101, h, 0]],
      ["copy", [theirs, 0, 1, h, 0]],
      ["copy", [h, 0, 1, theirs, 0]],
      ["copy", [h, 99, 2, h, 0]],
      ["copy", [h, -1, 2, h, 0]],
    ];
    for (const [name, args] of calls) {
      expect([name, args, outcome(() => x[name]!(...args))]).toEqual([name, args, "trap"]);
    }
    expect(bytes.every((b) => b === 7) && world.bytes.every((b) => b === 8)).toBe(true);
    x["copy_in"]!(65536, 0, h, 100);
    x["copy"]!(h, 100, 0, h, 100);
  });

  test.each([
    [0, 1],
    [1, 0],
    [0, 70_000],
    [70_000, 0],
    [3, 65_539],
    [0, 0],
  ])("copy inside one object, from %i to %i, is exact", (from, to) => {
    const { world, exports: x } = setUp();
    const h = world.object(250_000);
    const at = world.address(h);
    const object = world.bytes.subarray(at, at + world.get(h, OBJECT_SIZE));
    object.forEach((_, i) => (object[i] = (i * 31) >> 3));
    const want = object.slice().copyWithin(to, from, from + 150_000);
    x["copy"]!(h, from, 150_000, h, to);
    expect(Buffer.compare(object, want)).toBe(0);
  });
});
