/**
 * The exchange heap against a simple model: random operations with good, stale and forged handles by four owners.
 *
 * SAMARA_PROPERTY_OPS sets the number of operations (default 60,000; CI runs 1,000,000). A failure prints fast-check's
 * seed and path, and the last operations; SAMARA_PROPERTY_SEED=… repeats it.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { HeapError } from "./errors.ts";
import { ExchangeHeap, type TypeDefinition } from "./heap.ts";
import { CORE_DEPTH, ledgerBytes, LENT } from "./layout.ts";
import { ADDRESS, LINK, SIZE, TYPE } from "./records.ts";
import { CAPACITY, Model, MODEL_TYPES, OWNERS, type ModelType } from "./test/model.ts";
import { snapshot } from "./test/support.ts";

const OPERATIONS = Number(process.env["SAMARA_PROPERTY_OPS"] ?? 60_000);
const SEED = process.env["SAMARA_PROPERTY_SEED"];
const RUN = 500;
const CHECK_EVERY = 40;

const definition = (type: ModelType): TypeDefinition =>
  type.kind === "record"
    ? { kind: "record", slots: type.slots, size: type.size }
    : { kind: type.kind, element: type.slots[0]!, length: type.slots.length };

/** Hands out small numbers from one random word. */
class Choice {
  #word: number;
  constructor(word: number) {
    this.#word = word;
  }
  below(n: number): number {
    const value = this.#word % n;
    this.#word = Math.floor(this.#word / n);
    return value;
  }
}

/** One real heap and one model, and operations done on both. */
class Pair {
  readonly heap = new ExchangeHeap({
    heap: new SharedArrayBuffer(8 * 65536),
    ledger: new SharedArrayBuffer(ledgerBytes(CAPACITY)),
    objects: CAPACITY,
  });
  readonly model = new Model();
  readonly ids = new Map<string, number>();
  /** Handles that were seen, most of them stale by now. */
  readonly seen: number[] = [];
  readonly trace: string[] = [];
  fill = 0;

  constructor() {
    for (const type of MODEL_TYPES) this.ids.set(type.key, this.heap.types.define(type.key, definition(type)));
    for (const owner of OWNERS) {
      const limits = owner === 6 ? { bytes: 1500, objects: 7 } : { bytes: 200_000, objects: 100 };
      this.heap.setLimits(owner, limits.bytes, limits.objects);
      this.model.limits.set(owner, limits);
    }
  }

  /** The real operation's result, made comparable: handles unsigned, refusals as their code. */
  real(name: string, args: readonly unknown[], operation: () => number | boolean | void): number | boolean | string {
    this.trace.push(`${name}(${args.join(", ")})`);
    try {
      const result = operation();
      return typeof result === "number" ? result >>> 0 : (result ?? "");
    } catch (error) {
      if (error instanceof HeapError) return error.code;
      throw error;
    }
  }

  same(real: unknown, expected: unknown): void {
    if (real === expected) return;
    throw new Error(`expected ${String(expected)}, got ${String(real)} from ${this.trace.slice(-12).join("; ")}`);
  }

  /** Mostly a live object's handle with its owner, or else anything: stale, forged, another's. */
  pick(choice: Choice, wanted: (type: ModelType) => boolean = () => true): { handle: number; owner: number } {
    const owner = OWNERS[choice.below(OWNERS.length)]!;
    const kind = choice.below(8);
    if (kind === 0 && this.seen.length > 0) return { handle: this.seen[choice.below(this.seen.length)]!, owner };
    if (kind === 1) return { handle: choice.below(2) * 1024 * choice.below(CAPACITY + 2) + choice.below(5), owner };
    const objects = [...this.model.objects.values()].filter((o) => wanted(o.type));
    const roots = objects.filter((o) => o.owner !== 2);
    const from = choice.below(8) === 0 || roots.length === 0 ? objects : roots;
    if (from.length === 0) return { handle: 0, owner };
    const object = from[choice.below(from.length)]!;
    return { handle: this.model.handle(object.index), owner: object.owner === 2 || kind === 2 ? owner : object.owner };
  }

  remember(result: unknown): void {
    if (typeof result !== "number" || result === 0) return;
    if (this.seen.length < 64) this.seen.push(result);
    else this.seen[this.fill++ % 64] = result;
  }

  bytesAt(address: number, length: number): Uint8Array {
    return this.heap.bytes.subarray(address, address + length);
  }

  sameBytes(address: number | boolean | string, expected: Uint8Array | string): void {
    if (typeof address !== "number" || typeof expected === "string") return this.same(address, expected);
    const { bytes } = this.heap;
    for (let i = 0; i < expected.length; i++)
      if (bytes[address + i] !== expected[i]) this.same(`byte ${i}: ${bytes[address + i]}`, `${expected[i]}`);
  }
}

type Step = (pair: Pair, a: Choice, b: Choice) => void;
const isDeque = (type: ModelType): boolean => type.kind === "deque";
const hasSlots = (type: ModelType): boolean => type.slots.length > 0 && type.kind !== "deque";
const maybeType = (choice: Choice): string =>
  choice.below(3) === 0 ? MODEL_TYPES[choice.below(MODEL_TYPES.length)]!.key : "";
/** An object of `owner` that fits a slot of `container`, made if need be; 0 when there can be none. */
function fitting(p: Pair, container: number, owner: number, choice: Choice): { handle: number; slot: number } {
  const outer = p.model.objects.get(Math.floor(container / 1024));
  const slots = outer?.type.slots ?? [];
  const slot = choice.below(8) === 0 || slots.length === 0 ? choice.below(5) : choice.below(slots.length);
  const type = MODEL_TYPES.find((t) => t.key === slots[slot]);
  if (type === undefined) return { handle: 0, slot };
  const good = Array.from(p.model.objects.values()).filter((o) => o.owner === owner && !o.lent && o.type === type);
  const reuse = good.length > 0 && choice.below(2) === 0;
  if (reuse) return { handle: p.model.handle(good[choice.below(good.length)]!.index), slot };
  return { handle: create(p, type, owner), slot };
}

function create(p: Pair, type: ModelType, owner: number): number {
  const may = p.model.mayCreate(type, owner);
  const handle = p.real("create", [type.key, owner], () => p.heap.create(p.ids.get(type.key)!, owner)) as number;
  p.same(handle !== 0, may);
  if (!may) return 0;
  const index = Math.floor(handle / 1024);
  p.same(p.model.objects.has(index), false);
  p.model.create(index, type, owner);
  p.same(handle, p.model.handle(index));
  p.remember(handle);
  return handle;
}

const STEPS: Readonly<Record<string, Step>> = {
  create: (p, a) => {
    create(p, MODEL_TYPES[a.below(MODEL_TYPES.length)]!, OWNERS[a.below(OWNERS.length)]!);
  },
  free: (p, a) => {
    const { handle, owner } = p.pick(a);
    p.same(
      p.real("free", [handle, owner], () => p.heap.free(handle, owner)),
      p.model.free(handle, owner),
    );
  },
  move: (p, a, b) => {
    const { handle, owner } = p.pick(a);
    const to = OWNERS[b.below(OWNERS.length)]!;
    const type = maybeType(b);
    // Now and then so often that the generation wraps.
    for (let n = b.below(200) === 0 ? 1020 : 1, h = handle; n > 0; n--) {
      const from = h === handle ? owner : to;
      const result = p.real("move", [h, from, to, type], () => p.heap.move(h, from, to, p.ids.get(type) ?? 0));
      p.same(result, p.model.move(h, from, to, type));
      p.remember(result);
      if (typeof result !== "number") return;
      h = result;
    }
  },
  lend: (p, a, b) => {
    if (p.model.loans.length >= 4) return;
    const { handle, owner } = p.pick(a);
    const to = OWNERS[b.below(OWNERS.length)]!;
    const type = maybeType(b);
    const result = p.real("lend", [handle, owner, to, type], () =>
      p.heap.lend(handle, owner, to, p.ids.get(type) ?? 0),
    );
    p.same(result, p.model.lend(handle, owner, to, type));
    p.remember(result);
  },
  giveBack: (p) => {
    const loan = p.model.giveBack();
    if (loan === null) return;
    const { handle, lender, borrower, lentBefore } = loan;
    p.same(
      p.real("giveBack", [handle, lender, borrower], () => p.heap.giveBack(handle, lender, borrower, lentBefore)),
      "",
    );
  },
  put: (p, a, b) => {
    const { handle: container, owner } = p.pick(a, hasSlots);
    const good = fitting(p, container, owner, b);
    const handle = b.below(8) === 0 ? p.pick(b).handle : good.handle;
    const { slot } = good;
    const result = p.real("put", [handle, container, slot, owner], () => p.heap.put(handle, container, slot, owner));
    p.same(result, p.model.put(handle, container, slot, owner));
  },
  take: (p, a, b) => {
    const { handle, owner } = p.pick(a, hasSlots);
    const slot = b.below(5);
    const result = p.real("take", [handle, slot, owner], () => p.heap.take(handle, slot, owner));
    p.same(result, p.model.take(handle, slot, owner));
    p.remember(result);
  },
  push: (p, a, b) => {
    const { handle: deque, owner } = p.pick(a, isDeque);
    const good = fitting(p, deque, owner, b);
    const handle = b.below(8) === 0 ? p.pick(b).handle : good.handle;
    const result = p.real("push", [handle, deque, owner], () => p.heap.push(handle, deque, owner));
    p.same(result, p.model.push(handle, deque, owner));
  },
  pop: (p, a) => {
    const { handle, owner } = p.pick(a, isDeque);
    const result = p.real("pop", [handle, owner], () => p.heap.pop(handle, owner));
    p.same(result, p.model.pop(handle, owner));
    p.remember(result);
  },
  ask: (p, a, b) => {
    const { handle, owner } = p.pick(a, b.below(2) === 0 ? isDeque : hasSlots);
    const [slot, offset, bytes] = [b.below(5), b.below(130), b.below(9)];
    p.same(
      p.real("has", [handle, slot, owner], () => p.heap.has(handle, slot, owner)),
      p.model.has(handle, slot, owner),
    );
    p.same(
      p.real("len", [handle, owner], () => p.heap.len(handle, owner)),
      p.model.len(handle, owner),
    );
    const address = p.real("peek", [handle, slot, offset, bytes, owner], () =>
      p.heap.peek(handle, slot, offset, bytes, owner),
    );
    p.sameBytes(address, p.model.peek(handle, slot, offset, bytes, owner));
  },
  resize: (p, a, b) => {
    const { handle, owner } = p.pick(a);
    const size = b.below(b.below(4) === 0 ? 5200 : 135);
    const result = p.real("resize", [handle, owner, size], () => p.heap.resize(handle, owner, size));
    p.same(result, p.model.resize(handle, owner, size));
  },
  write: (p, a, b) => {
    const { handle, owner } = p.pick(a);
    const [offset, bytes] = [b.below(5200) % (b.below(2) === 0 ? 5200 : 130), b.below(40)];
    const address = p.real("access", [handle, offset, bytes, owner], () => p.heap.access(handle, offset, bytes, owner));
    const content = p.model.access(handle, offset, bytes, owner);
    p.sameBytes(address, content);
    if (typeof address !== "number" || typeof content === "string") return;
    const byte = 1 + (p.fill++ % 255);
    content.fill(byte);
    p.bytesAt(address, bytes).fill(byte);
  },
  reclaim: (p, a, b) => {
    if (a.below(12) !== 0) return;
    const owner = OWNERS[1 + a.below(OWNERS.length - 1)]!;
    const budget = 1 + b.below(40);
    const reclaim = p.heap.beginReclaim(owner);
    p.trace.push(`reclaim(${owner}, ${budget})`);
    while (!reclaim.step(budget)) if (b.below(4) === 0) checked(p);
    p.same(reclaim.objects, p.model.reclaim(owner));
  },
};

/** How often each step is done, relative to the others. */
const NAMES = Object.keys(STEPS).flatMap((name) =>
  Array.from({ length: ["create", "put", "push"].includes(name) ? 3 : 1 }, () => name),
);

/** The checker finds nothing. */
function checked({ heap, model, trace }: Pair): void {
  heap.words[CORE_DEPTH >> 2] = model.loans.length;
  const found = heap.check();
  if (found.length > 0) throw new Error(`${JSON.stringify(found)} after ${trace.slice(-12).join("; ")}`);
}

/** Real and model agree in everything. */
function compared(p: Pair): void {
  const { heap, model } = p;
  p.same(heap.live, model.objects.size);
  for (const owner of OWNERS) p.same(JSON.stringify(heap.charged(owner)), JSON.stringify(model.charged(owner)));
  for (const object of model.objects.values()) {
    const { index } = object;
    p.same(heap.ownerAt(index), object.owner);
    p.same(heap.ownerOf(model.handle(index)), object.owner);
    p.same(heap.at(TYPE, index), p.ids.get(object.type.key)! | (object.lent ? LENT : 0));
    p.same(heap.at(SIZE, index), object.content.length);
    p.same(heap.at(LINK, index), object.container?.index ?? 0);
    p.sameBytes(heap.at(ADDRESS, index), object.content);
  }
}

function run(words: Uint32Array): void {
  const p = new Pair();
  for (let i = 0; i + 2 < words.length; i += 3) {
    const name = NAMES[words[i]! % NAMES.length]!;
    const step = STEPS[name]!;
    const unchanged = name === "ask" && (words[i]! >>> 8) % 64 === 0 ? snapshot(p.heap) : null;
    const refusals = p.trace.length;
    step(p, new Choice(words[i + 1]!), new Choice(words[i + 2]!));
    if (unchanged !== null) p.same(unchanged(), true);
    if (p.trace.length > 100) p.trace.splice(0, refusals - 50);
    if (i % (3 * CHECK_EVERY) === 0) {
      checked(p);
      compared(p);
    }
  }
  checked(p);
  compared(p);
}

test(`${OPERATIONS} random operations agree with the model`, { timeout: 600_000 }, () => {
  const words = fc.uint32Array({ minLength: 3 * RUN, maxLength: 3 * RUN + 60 });
  const seed = SEED === undefined ? {} : { seed: Number(SEED) };
  fc.assert(fc.property(words, run), { numRuns: Math.ceil(OPERATIONS / RUN), ...seed });
  expect(OPERATIONS).toBeGreaterThan(0);
});
