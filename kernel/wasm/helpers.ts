/**
 * The code of the intrinsics that are calls: put, take, push, pop, copy, … Functions appended to the module.
 *
 * Invariant: everything is checked before the first store and nothing traps after it, so that the ledger and the
 * slots agree at every trap. The batch forms complete one element before they look at the next. Slot words and ledger
 * records are trusted: only this code, the proxies and the kernel write them.
 */
import {
  FIRST_HANDLE,
  GENERATION_BITS,
  GENERATION_MASK,
  LENT,
  OBJECT_ADDRESS,
  OBJECT_LINK,
  OBJECT_SHIFT,
  OBJECT_SIZE,
  OBJECT_SLOT,
  OBJECT_TAG,
  OBJECT_TYPE,
  OBJECTS,
  OWNER_CONTAINED,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_MASK,
  TYPE_SHIFT,
  TYPE_SLOTS,
  TypeKind,
  TYPES,
} from "../../shared-heap/layout.ts";
import { I32, type Signature } from "../interface/model.ts";
import {
  add,
  and,
  call,
  eq,
  eqz,
  geU,
  get,
  globalGet,
  gtU,
  HEAP_MEMORY,
  i32,
  ledger,
  load,
  ltS,
  ltU,
  ne,
  or,
  returns,
  set,
  setLedger,
  shl,
  shrU,
  store,
  sub,
  trapIf,
  when,
  whileLoop,
  xor,
  type Code,
} from "./asm.ts";
import type { BulkInstruction } from "./bulk.ts";
import { Bulk, Op } from "./opcodes.ts";

/** What helper code refers to in the module that it is appended to. */
export interface HelperContext {
  /** Index of the global that holds `owner << GENERATION_BITS`. */
  readonly owner: number;
  readonly tick: Code;
  /** Index of the function that does a bulk instruction in chunks. */
  readonly bulk: (instruction: BulkInstruction) => number;
}

export interface HelperCode extends Signature {
  /** Number of i32 locals. */
  readonly locals: number;
  /** Instructions with the final `end`. */
  readonly body: Code;
}

/** Name of the helper behind `peek_*`: (container, slot, offset, width) → address in the exchange heap. */
export const PEEK_ADDRESS = "peek";

/** Address of an object's record, relative to OBJECTS. */
const recordOf = (handle: Code): Code => shl(shrU(handle, i32(GENERATION_BITS)), i32(OBJECT_SHIFT));
const field = (record: number, at: number): Code => ledger(get(record), OBJECTS + at);
const setField = (record: number, at: number, value: Code): Code => setLedger(get(record), OBJECTS + at, value);
/** `type` is a local that holds type id << TYPE_SHIFT. */
const typeField = (type: number, at: number): Code => ledger(get(type), TYPES + at);
const heapWord = (address: Code): Code => load(HEAP_MEMORY, address);
const typeIdOf = (word: Code): Code => and(word, i32(TYPE_MASK));
const bumped = (handle: Code): Code =>
  or(and(handle, i32(~GENERATION_MASK)), and(add(handle, i32(1)), i32(GENERATION_MASK)));

/** Builds one helper; locals are numbered as they are made, after the parameters. */
class HelperBuilder {
  readonly context: HelperContext;
  readonly params: number;
  #locals = 0;

  constructor(context: HelperContext, params: number) {
    this.context = context;
    this.params = params;
  }

  local(): number {
    return this.params + this.#locals++;
  }

  finish(results: number, body: Code): HelperCode {
    return {
      params: Array<number>(this.params).fill(I32),
      results: Array<number>(results).fill(I32),
      locals: this.#locals,
      body: [...body, Op.end],
    };
  }

  /** Sets `record` for the handle and traps unless the domain owns it in this generation. */
  owned(handle: Code, record: number): Code {
    return [
      ...set(record, recordOf(handle)),
      ...trapIf(ne(xor(field(record, OBJECT_TAG), handle), globalGet(this.context.owner))),
    ];
  }

  /** Traps unless `offset + length <= size`, without wrap-around. */
  inBounds(record: number, offset: Code, length: Code): Code {
    const bytes = field(record, OBJECT_SIZE);
    return trapIf(or(gtU(length, bytes), gtU(offset, sub(bytes, length))));
  }

  /** A container's type record in a new local, after a check that the container is owned. */
  container(handle: Code, exclusive: boolean): { record: number; type: number; kind: number; code: Code } {
    const [record, type, kind] = [this.local(), this.local(), this.local()];
    const code = [
      ...this.owned(handle, record),
      ...(exclusive ? trapIf(ltS(field(record, OBJECT_TYPE), i32(0))) : []),
      ...set(type, shl(typeIdOf(field(record, OBJECT_TYPE)), i32(TYPE_SHIFT))),
      ...set(kind, typeField(type, TYPE_KIND)),
    ];
    return { record, type, kind, code };
  }
}

/** Moves the object of `record` (handle `handle`) into slot `slot` at `address`; plain stores only. */
function moveIn(handle: Code, record: number, container: Code, slot: Code, address: Code): Code {
  return [
    ...setField(record, OBJECT_TAG, xor(handle, i32(OWNER_CONTAINED << GENERATION_BITS))),
    ...setField(record, OBJECT_LINK, shrU(container, i32(GENERATION_BITS))),
    ...setField(record, OBJECT_SLOT, slot),
    ...store(HEAP_MEMORY, address, handle),
  ];
}

/** Moves it out of the slot at `address` to the domain, as new handle `fresh`; plain stores only. */
function moveOut(owner: Code, fresh: Code, record: number, address: Code): Code {
  return [
    ...setField(record, OBJECT_TAG, xor(fresh, owner)),
    ...setField(record, OBJECT_LINK, i32(0)),
    ...setField(record, OBJECT_SLOT, i32(0)),
    ...store(HEAP_MEMORY, address, i32(0)),
  ];
}

/** Traps unless `element` is owned, not lent, of the type `typeId`, and not the container itself. */
function movable(b: HelperBuilder, element: Code, record: number, typeId: Code, container: Code): Code {
  return [
    ...b.owned(element, record),
    // An id has no LENT bit: one compare refuses a lent object and one of another type.
    ...trapIf(ne(and(field(record, OBJECT_TYPE), i32(LENT | TYPE_MASK)), typeId)),
    ...trapIf(eq(element, container)),
  ];
}

/** Address of a slot, in a new local, for a container that is a record or an array. */
function fixedSlot(b: HelperBuilder, c: { record: number; type: number; kind: number }, slot: Code) {
  const address = b.local();
  const notFixed = gtU(sub(get(c.kind), i32(TypeKind.record)), i32(TypeKind.array - TypeKind.record));
  const code = [
    ...trapIf(or(notFixed, geU(slot, typeField(c.type, TYPE_SLOTS)))),
    ...set(address, sub(field(c.record, OBJECT_ADDRESS), shl(add(slot, i32(1)), i32(2)))),
  ];
  return { address, code };
}

function put(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 3);
  const [element, container, slot] = [get(0), get(1), get(2)];
  const c = b.container(container, true);
  const s = fixedSlot(b, c, slot);
  const [record, typeId] = [b.local(), b.local()];
  return b.finish(0, [
    ...c.code,
    ...s.code,
    ...set(typeId, typeField(c.type, TYPE_ELEMENT)),
    // A record's element word is the place of a list: one type id for each slot.
    ...when(eq(get(c.kind), i32(TypeKind.record)), set(typeId, ledger(add(get(typeId), shl(slot, i32(2))), 0))),
    ...movable(b, element, record, get(typeId), container),
    ...trapIf(heapWord(get(s.address))),
    ...moveIn(element, record, container, slot, get(s.address)),
  ]);
}

function take(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 2);
  const c = b.container(get(0), true);
  const s = fixedSlot(b, c, get(1));
  const [record, fresh] = [b.local(), b.local()];
  return b.finish(1, [
    ...c.code,
    ...s.code,
    ...set(fresh, heapWord(get(s.address))),
    ...when(eqz(get(fresh)), returns(i32(0))),
    ...set(record, recordOf(get(fresh))),
    ...set(fresh, bumped(get(fresh))),
    ...moveOut(globalGet(context.owner), get(fresh), record, get(s.address)),
    ...get(fresh),
  ]);
}

function has(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 2);
  const c = b.container(get(0), false);
  const s = fixedSlot(b, c, get(1));
  return b.finish(1, [...c.code, ...s.code, ...ne(heapWord(get(s.address)), i32(0))]);
}

/** A deque's parts in new locals: `base` is the address of its head word, the length word lies below it. */
function deque(b: HelperBuilder, handle: Code, exclusive: boolean) {
  const c = b.container(handle, exclusive);
  const [slots, base, head, length] = [b.local(), b.local(), b.local(), b.local()];
  const code = [
    ...c.code,
    ...trapIf(ne(get(c.kind), i32(TypeKind.deque))),
    ...set(slots, typeField(c.type, TYPE_SLOTS)),
    ...set(base, sub(field(c.record, OBJECT_ADDRESS), shl(add(get(slots), i32(1)), i32(2)))),
    ...set(head, heapWord(get(base))),
    ...set(length, heapWord(sub(get(base), i32(4)))),
  ];
  return { ...c, slots, base, head, length, code };
}
type Deque = ReturnType<typeof deque>;

/** Sets `slot` to `position`, reduced once by the number of slots. */
const ring = (d: Deque, slot: number, position: Code): Code => [
  ...set(slot, position),
  ...when(geU(get(slot), get(d.slots)), set(slot, sub(get(slot), get(d.slots)))),
];
/** The words of a deque grow downwards from its address, which is `base + 4 * (slots + 1)`. */
const ringAddress = (d: Deque, slot: Code): Code => add(get(d.base), shl(sub(get(d.slots), slot), i32(2)));

const setLength = (d: Deque, value: Code): Code => [
  ...set(d.length, value),
  ...store(HEAP_MEMORY, sub(get(d.base), i32(4)), get(d.length)),
];

function pushOne(b: HelperBuilder, d: Deque, element: Code, container: Code) {
  const [record, slot] = [b.local(), b.local()];
  const check = movable(b, element, record, typeField(d.type, TYPE_ELEMENT), container);
  const move = [
    ...ring(d, slot, add(get(d.head), get(d.length))),
    ...moveIn(element, record, container, get(slot), ringAddress(d, get(slot))),
    ...setLength(d, add(get(d.length), i32(1))),
  ];
  return { check, move };
}

function push(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 2);
  const d = deque(b, get(1), true);
  const one = pushOne(b, d, get(0), get(1));
  return b.finish(1, [
    ...d.code,
    ...one.check,
    ...when(geU(get(d.length), get(d.slots)), returns(i32(0))),
    ...one.move,
    ...i32(1),
  ]);
}

function pushN(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 3);
  const [pointer, count] = [get(0), get(1)];
  const d = deque(b, get(2), true);
  const [element, moved] = [b.local(), b.local()];
  const one = pushOne(b, d, get(element), get(2));
  return b.finish(1, [
    ...context.tick,
    ...d.code,
    ...whileLoop(and(ltU(get(moved), count), ltU(get(d.length), get(d.slots))), [
      ...set(element, load(0, pointer)),
      ...one.check,
      ...one.move,
      ...set(0, add(pointer, i32(4))),
      ...set(moved, add(get(moved), i32(1))),
    ]),
    ...get(moved),
  ]);
}

/** `deliver` runs when the new handle is known and nothing has been stored; it may trap. */
function popOne(b: HelperBuilder, d: Deque, fresh: number, deliver: Code): Code {
  const [record, address] = [b.local(), b.local()];
  return [
    ...set(address, ringAddress(d, get(d.head))),
    ...set(fresh, heapWord(get(address))),
    ...set(record, recordOf(get(fresh))),
    ...set(fresh, bumped(get(fresh))),
    ...deliver,
    ...moveOut(globalGet(b.context.owner), get(fresh), record, get(address)),
    ...ring(d, d.head, add(get(d.head), i32(1))),
    ...store(HEAP_MEMORY, get(d.base), get(d.head)),
    ...setLength(d, sub(get(d.length), i32(1))),
  ];
}

function pop(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 1);
  const d = deque(b, get(0), true);
  const fresh = b.local();
  return b.finish(1, [
    ...d.code,
    ...when(eqz(get(d.length)), returns(i32(0))),
    ...popOne(b, d, fresh, []),
    ...get(fresh),
  ]);
}

function popN(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 3);
  const [pointer, count] = [get(0), get(1)];
  const d = deque(b, get(2), true);
  const [fresh, moved] = [b.local(), b.local()];
  return b.finish(1, [
    ...context.tick,
    ...d.code,
    ...whileLoop(and(ltU(get(moved), count), ne(get(d.length), i32(0))), [
      ...popOne(b, d, fresh, store(0, pointer, get(fresh))),
      ...set(0, add(pointer, i32(4))),
      ...set(moved, add(get(moved), i32(1))),
    ]),
    ...get(moved),
  ]);
}

function len(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 1);
  const d = deque(b, get(0), false);
  return b.finish(1, [...d.code, ...get(d.length)]);
}

function size(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 1);
  const record = b.local();
  return b.finish(1, [...b.owned(get(0), record), ...field(record, OBJECT_SIZE)]);
}

function peekAddress(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 4);
  const [slot, offset, width] = [get(1), get(2), get(3)];
  const c = b.container(get(0), false);
  const [slots, address, record] = [b.local(), b.local(), b.local()];
  const word = (below: Code): Code => heapWord(sub(get(address), shl(below, i32(2))));
  return b.finish(1, [
    ...c.code,
    ...set(slots, typeField(c.type, TYPE_SLOTS)),
    ...set(address, field(c.record, OBJECT_ADDRESS)),
    ...when(
      eq(get(c.kind), i32(TypeKind.deque)),
      [
        ...trapIf(geU(slot, word(add(get(slots), i32(2))))),
        ...set(1, add(slot, word(add(get(slots), i32(1))))),
        ...when(geU(slot, get(slots)), set(1, sub(slot, get(slots)))),
      ],
      trapIf(geU(slot, get(slots))),
    ),
    ...set(record, word(add(slot, i32(1)))),
    ...trapIf(ltU(get(record), i32(FIRST_HANDLE))),
    ...set(record, recordOf(get(record))),
    ...b.inBounds(record, offset, width),
    ...add(field(record, OBJECT_ADDRESS), offset),
  ]);
}

/** copy_in and copy_out: between memory 0 and an object. */
function copyPrivate(context: HelperContext, into: boolean): HelperCode {
  const b = new HelperBuilder(context, 4);
  const [pointer, length, handle, offset] = [get(0), get(1), get(2), get(3)];
  const record = b.local();
  const [to, from] = into ? [HEAP_MEMORY, 0] : [0, HEAP_MEMORY];
  const bulk = context.bulk({ op: Bulk.memoryCopy, first: to, second: from });
  const address = add(field(record, OBJECT_ADDRESS), offset);
  return b.finish(0, [
    ...b.owned(handle, record),
    ...b.inBounds(record, offset, length),
    ...(into ? call(bulk, address, pointer, length) : call(bulk, pointer, address, length)),
  ]);
}

function copy(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 5);
  const [from, fromOffset, length, to, toOffset] = [get(0), get(1), get(2), get(3), get(4)];
  const [source, target] = [b.local(), b.local()];
  const bulk = context.bulk({ op: Bulk.memoryCopy, first: HEAP_MEMORY, second: HEAP_MEMORY });
  return b.finish(0, [
    ...b.owned(from, source),
    ...b.owned(to, target),
    ...b.inBounds(source, fromOffset, length),
    ...b.inBounds(target, toOffset, length),
    ...call(bulk, add(field(target, OBJECT_ADDRESS), toOffset), add(field(source, OBJECT_ADDRESS), fromOffset), length),
  ]);
}

function fill(context: HelperContext): HelperCode {
  const b = new HelperBuilder(context, 4);
  const [byte, length, handle, offset] = [get(0), get(1), get(2), get(3)];
  const record = b.local();
  const bulk = context.bulk({ op: Bulk.memoryFill, first: HEAP_MEMORY, second: 0 });
  return b.finish(0, [
    ...b.owned(handle, record),
    ...b.inBounds(record, offset, length),
    ...call(bulk, add(field(record, OBJECT_ADDRESS), offset), byte, length),
  ]);
}

/** One maker per helper intrinsic, and the one behind `peek_*`. */
export const HELPERS: Readonly<Record<string, (context: HelperContext) => HelperCode>> = {
  size,
  put,
  take,
  has,
  push,
  pop,
  len,
  copy,
  fill,
  push_n: pushN,
  pop_n: popN,
  copy_in: (context) => copyPrivate(context, true),
  copy_out: (context) => copyPrivate(context, false),
  [PEEK_ADDRESS]: peekAddress,
};
