/**
 * What admission refuses for its size alone, before V8 sees a byte.
 *
 * Owns every bound. The invariant: neither admission nor V8's compiler needs more time or memory for an admitted
 * module than these numbers allow, whatever the module says about itself. V8 compiles a function when it is first
 * called, on the thread that calls it: the bounds on one body keep that below 50 ms.
 */

/** Bytes of a module. */
export const MAX_MODULE_BYTES = 16 << 20;
/** Bytes of one function body, locals included, before and after lowering. */
export const MAX_BODY_BYTES = 256 << 10;
export const MAX_LOWERED_BODY_BYTES = 1 << 20;
export const MAX_TYPES = 10_000;
export const MAX_PARAMS = 255;
export const MAX_RESULTS = 32;
export const MAX_IMPORTS = 10_000;
export const MAX_FUNCTIONS = 65_536;
export const MAX_GLOBALS = 10_000;
/** Bytes of one constant expression: it becomes code, and what it holds on the stack at once is bounded. */
export const MAX_CONSTANT_BYTES = 1_000;
export const MAX_EXPORTS = 65_536;
export const MAX_NAME_BYTES = 10_000;
export const MAX_TABLES = 16;
/** Elements of all tables together. Big tables abort the process when memory is short, instead of throwing. */
export const MAX_TABLE_ELEMENTS = 100_000;
export const MAX_SEGMENTS = 65_536;
export const MAX_ELEMENT_ENTRIES = 1_000_000;
/** Locals of one function, parameters included. V8 has 50,000; the loader adds some of its own. */
export const MAX_LOCALS = 49_000;
export const MAX_NESTING = 4_096;
export const MAX_BR_TABLE = 10_000;
/**
 * Sum over a body's control instructions of locals + stack height: the values that V8's baseline compiler copies at
 * each of them. Without this bound 256 KiB of nested `if` with 49,000 locals would take gigabytes. The largest
 * function of SpiderMonkey's interpreter has 1,150,000.
 */
export const MAX_COMPILE_WORK = 2_500_000;
/** Pages of memory 0: one less than 4 GiB, so that pointer + length is never exactly 2^32 and still valid. */
export const MAX_MEMORY_PAGES = 65_535;

/** Bytes that one bulk memory instruction may touch between two ticks, and table elements. */
export const CHUNK_BYTES = 65_536;
export const CHUNK_ELEMENTS = 4_096;
/** Bytes of source that a short loop runs through between two ticks, and of its body at most. */
export const LOOP_WORK = 65_536;
export const MAX_SHORT_LOOP = 1_024;
/** Constant lengths up to these stay one plain instruction: a body full of them is still short. */
export const INLINE_BYTES = 4_096;
export const INLINE_ELEMENTS = 16;
