/**
 * The intrinsics: imports that the loader replaces by code of its own in every domain's binary.
 *
 * Owns names, signatures and effects; `lower.ts` owns the code. A domain may only *call* an intrinsic. All traps are
 * in the caller, all checks come before the first store, and nothing here calls out of the instance.
 *
 * Stores are value-first, `store(value, handle, offset)`, so that the handle, a constant offset and the call are
 * adjacent in any producer's code. Offsets and lengths are unsigned. `container, slot` order follows the same rule.
 */
import { F32, F64, I32, I64, type Signature } from "../interface/model.ts";

/** One checked access of `width` bytes by Wasm opcode `op`. */
export interface Access extends Signature {
  readonly kind: "load" | "store" | "peek";
  readonly width: number;
  readonly op: number;
  readonly type: number;
}

/** An operation that is lowered to a call of a function appended to the module. */
export interface Helper extends Signature {
  readonly kind: "helper";
  /** Whether it can change what a fact about a handle says; such calls kill every fact. */
  readonly keepsFacts: boolean;
}

/** `rpc.get/set`: words of the domain's own DOMAIN_RETURN. `index` is the word. */
export interface ReturnWord extends Signature {
  readonly kind: "return-get" | "return-set";
  readonly index: number;
  readonly type: number;
}

export type Intrinsic = Access | Helper | ReturnWord;

const load = (width: number, op: number, type: number): Access => ({
  kind: "load",
  width,
  op,
  type,
  params: [I32, I32],
  results: [type],
});
const store = (width: number, op: number, type: number): Access => ({
  kind: "store",
  width,
  op,
  type,
  params: [type, I32, I32],
  results: [],
});
/** `peek(container, slot, offset)` reads the contained object in place; the container may be owned or borrowed. */
const peek = (width: number, op: number, type: number): Access => ({
  kind: "peek",
  width,
  op,
  type,
  params: [I32, I32, I32],
  results: [type],
});
const helper = (params: number[], results: number[], keepsFacts = false): Helper => ({
  kind: "helper",
  params,
  results,
  keepsFacts,
});

/** Import module `heap`. */
export const HEAP: Readonly<Record<string, Access | Helper>> = {
  load_u8: load(1, 0x2d, I32),
  load_i8: load(1, 0x2c, I32),
  load_u16: load(2, 0x2f, I32),
  load_i16: load(2, 0x2e, I32),
  load_i32: load(4, 0x28, I32),
  load_i64: load(8, 0x29, I64),
  load_f32: load(4, 0x2a, F32),
  load_f64: load(8, 0x2b, F64),
  store_i8: store(1, 0x3a, I32),
  store_i16: store(2, 0x3b, I32),
  store_i32: store(4, 0x36, I32),
  store_i64: store(8, 0x37, I64),
  store_f32: store(4, 0x38, F32),
  store_f64: store(8, 0x39, F64),
  peek_u8: peek(1, 0x2d, I32),
  peek_u16: peek(2, 0x2f, I32),
  peek_i32: peek(4, 0x28, I32),
  peek_i64: peek(8, 0x29, I64),

  /** size(handle) → visible bytes. */
  size: helper([I32], [I32], true),
  /** put(handle, container, slot): moves into an empty slot of a record or array; an occupied slot traps. */
  put: helper([I32, I32, I32], []),
  /** take(container, slot) → new handle, or 0 when the slot is empty. */
  take: helper([I32, I32], [I32]),
  /** has(container, slot) → 1 when occupied; the container may be borrowed. */
  has: helper([I32, I32], [I32], true),
  /** push(handle, deque) → 1, or 0 when full (the handle stays the caller's). */
  push: helper([I32, I32], [I32]),
  /** pop(deque) → new handle from the front, or 0 when empty. */
  pop: helper([I32], [I32]),
  /** len(deque) → number of objects in it; the deque may be borrowed. */
  len: helper([I32], [I32], true),
  /** push_n(pointer, count, deque) → how many of the handles at `pointer` in memory 0 were moved. */
  push_n: helper([I32, I32, I32], [I32]),
  /** pop_n(pointer, count, deque) → how many new handles were written to `pointer` in memory 0. */
  pop_n: helper([I32, I32, I32], [I32]),
  /** copy_in(pointer, length, handle, offset): memory 0 → object. copy_out: object → memory 0. */
  copy_in: helper([I32, I32, I32, I32], [], true),
  copy_out: helper([I32, I32, I32, I32], [], true),
  /** copy(from, fromOffset, length, to, toOffset): object → object. */
  copy: helper([I32, I32, I32, I32, I32], [], true),
  /** fill(byte, length, handle, offset). */
  fill: helper([I32, I32, I32, I32], [], true),
};

const get = (index: number, type: number): ReturnWord => ({
  kind: "return-get",
  index,
  type,
  params: [],
  results: [type],
});
const set = (index: number, type: number): ReturnWord => ({
  kind: "return-set",
  index,
  type,
  params: [type],
  results: [],
});
const WORDS = [0, 1, 2, 3, 4, 5, 6, 7];

/** Import module `rpc`: get0 … get7, set0 … set7 (i32), getf0 …, setf0 … (f32), getd0/2/4/6, setd… (f64). */
export const RPC: Readonly<Record<string, ReturnWord>> = Object.fromEntries([
  ...WORDS.map((i) => [`get${i}`, get(i, I32)]),
  ...WORDS.map((i) => [`set${i}`, set(i, I32)]),
  ...WORDS.map((i) => [`getf${i}`, get(i, F32)]),
  ...WORDS.map((i) => [`setf${i}`, set(i, F32)]),
  ...[0, 2, 4, 6].map((i) => [`getd${i}`, get(i, F64)]),
  ...[0, 2, 4, 6].map((i) => [`setd${i}`, set(i, F64)]),
]);

/** Kernel calls that stay imports (generated per domain): module `heap`. */
export const HEAP_CALLS: Readonly<Record<string, Signature>> = {
  /** free(handle): with all that it contains. */
  free: { params: [I32], results: [] },
  /** resize(handle, size) → 1, or 0 beyond the block's capacity or below the type's size; growth is zeroed. */
  resize: { params: [I32, I32], results: [I32] },
};

/** Module `type`, name `Name$fingerprint`: new() → handle, or 0 when a quota or the heap is exhausted. */
export const NEW_OBJECT: Signature = { params: [], results: [I32] };

/** Module `cap`: what a domain can do with the capabilities that it holds. */
export const CAP_CALLS: Readonly<Record<string, Signature>> = {
  /** drop(cap): gives the capability back; its number is invalid afterwards. */
  drop: { params: [I32], results: [] },
  /** revoke(cap): takes back all that was passed on from it, by whomever; the caller's own stays. */
  revoke: { params: [I32], results: [] },
};

/** In each interface's own module: use(namePointer, nameLength) → capability of that name from the manifest. */
export const USE: Signature = { params: [I32, I32], results: [I32] };
/**
 * In each interface's own module, for domains that provide it: mint(self) → capability to the caller's own
 * implementation, object `self`.
 */
export const MINT: Signature = { params: [I32], results: [I32] };

/** Module `env`: what toolchains expect. `abort(message, file, line, column)` (UTF-16 pointers) never returns. */
export const ENV_CALLS: Readonly<Record<string, Signature>> = {
  abort: { params: [I32, I32, I32, I32], results: [] },
};

/**
 * Module `thread`. Times are milliseconds; a time-out below 0 is none. Those that answer a status (0 or a fault) may
 * suspend the calling thread: `join`, `sleep`, `yield` and `event_wait`.
 */
export const THREAD_CALLS: Readonly<Record<string, Signature>> = {
  /** spawn(entry, argument, priority 0 … 3) → id of a thread that runs `samara_thread`, or 0 beyond a limit. */
  spawn: { params: [I32, I32, I32], results: [I32] },
  /** join(id, timeout): waits for its end. `dead` when there was no such thread, or too long ago. */
  join: { params: [I32, F64], results: [I32] },
  /** exit_code(id) → what `samara_thread` returned; 0 of a thread that lives, or is forgotten. */
  exit_code: { params: [I32], results: [I32] },
  sleep: { params: [F64], results: [I32] },
  yield: { params: [], results: [I32] },
  /** cancel(id) → 1: its wait, or else its next one, ends with `cancelled`; 0: there is no such thread. */
  cancel: { params: [I32], results: [I32] },
  /** self() → id of the running thread; 0 in a plain call. */
  self: { params: [], results: [I32] },
  /** set_priority(id, priority) → 1, or 0 when there is no such thread. */
  set_priority: { params: [I32, I32], results: [I32] },
  /** event_new() → id, or 0 when there are too many. */
  event_new: { params: [], results: [I32] },
  /** event_free(id): who waits for it gets `dead`. */
  event_free: { params: [I32], results: [] },
  /** event_set(id): wakes all, and lets all pass until it is cleared. */
  event_set: { params: [I32], results: [] },
  event_clear: { params: [I32], results: [] },
  /** event_notify(id, count) → how many of those that wait now were woken, in their order. */
  event_notify: { params: [I32, I32], results: [I32] },
  event_wait: { params: [I32, F64], results: [I32] },
  /** notify(): the domain's `step` is called again, if it slept. */
  notify: { params: [], results: [] },
  now: { params: [], results: [F64] },
};
/** Exports that threads enter through: `samara_thread(entry, argument) → exit code`, `step() → how to go on`. */
export const THREAD_ENTRY = "samara_thread";
export const STEP = "step";
export const THREAD_ENTRY_SIGNATURE: Signature = { params: [I32, I32], results: [I32] };
export const STEP_SIGNATURE: Signature = { params: [], results: [I32] };

/** Names that the loader itself exports from every lowered module; a domain's own exports must not begin so. */
export const RESERVED_PREFIX = "samara:";
/** Function that sets globals and data to their first state; memory is zero before. */
export const EXPORT_RESET = "samara:reset";
/** Mutable i32 globals that the kernel sets before any code runs: `owner << 10`, and the domain record's address. */
export const EXPORT_OWNER = "samara:owner";
export const EXPORT_RECORD = "samara:record";
/** Table of capabilities: slot 0 is `tick`; capability c, method m is slot `c - FIRST_HANDLE + 1 + m`. */
export const EXPORT_CAPS = "samara:caps";
/** Imports that the loader adds: memory 0 (`env.memory`), the heap and the ledger. */
export const IMPORT_KERNEL = "samara";
export const IMPORT_HEAP = "heap";
export const IMPORT_LEDGER = "ledger";
/** Slots of the capability table. */
export const CAP_TABLE_SIZE = 1024;
