/**
 * The programs of the heap benchmark, as WebAssembly text: each once on plain memory and once on the exchange heap.
 *
 * Invariant: the two differ in the accesses only, so the difference of their times is the price of an access.
 */

export const PROGRAMS = ["loads8", "mixed8", "checksum1500"] as const;
export type ProgramName = (typeof PROGRAMS)[number];

/** Bytes of one object, and how many are gone through in turn: together they stay in the first-level cache. */
export const OBJECTS: Readonly<Record<ProgramName, { readonly size: number; readonly count: number }>> = {
  loads8: { size: 64, count: 64 },
  mixed8: { size: 64, count: 64 },
  checksum1500: { size: 1500, count: 8 },
};

/** How a program reaches memory. `at` is an object: an address, or a handle. */
interface Access {
  readonly imports: string;
  load(at: string, offset: string): string;
  store(value: string, at: string, offset: string): string;
}

const CONSTANT = /^\(i32\.const (\d+)\)$/;

/** Address of a plain access: a constant offset goes into the instruction, as any compiler does it. */
function plain(op: string, at: string, offset: string, value = ""): string {
  const constant = CONSTANT.exec(offset)?.[1];
  return constant === undefined
    ? `(${op} (i32.add ${at} ${offset}) ${value})`
    : `(${op} offset=${constant} ${at} ${value})`;
}

const PLAIN: Access = {
  imports: "",
  load: (at, offset) => plain("i32.load", at, offset),
  store: (value, at, offset) => plain("i32.store", at, offset, value),
};

const HEAP: Access = {
  imports: [
    '(import "heap" "load_i32" (func $load (param i32 i32) (result i32)))',
    '(import "heap" "store_i32" (func $store (param i32 i32 i32)))',
  ].join("\n  "),
  load: (at, offset) => `(call $load ${at} ${offset})`,
  store: (value, at, offset) => `(call $store ${value} ${at} ${offset})`,
};

const SUM = "(local.get $sum)";
const OBJECT = "(local.get $object)";
const at = (offset: number): string => `(i32.const ${offset})`;
const add = (value: string): string => `(local.set $sum (i32.add ${SUM} ${value}))`;

/** What is done with each object. */
const BODIES: Readonly<Record<ProgramName, (access: Access) => string[]>> = {
  loads8: ({ load }) => [0, 8, 16, 24, 32, 40, 48, 56].map((offset) => add(load(OBJECT, at(offset)))),
  mixed8: ({ load, store }) =>
    [0, 16, 32, 48].flatMap((offset) => [add(load(OBJECT, at(offset))), store(SUM, OBJECT, at(offset + 8))]),
  // The Internet checksum as it is computed on 64-bit machines: 32-bit words into a 64-bit sum, folded at the end.
  checksum1500: ({ load }) => [
    "(local.set $offset (i32.const 0))",
    "(local.set $wide (i64.const 0))",
    "(loop $words",
    `  (local.set $wide (i64.add (local.get $wide) (i64.extend_i32_u ${load(OBJECT, "(local.get $offset)")})))`,
    "  (br_if $words (i32.lt_u (local.tee $offset (i32.add (local.get $offset) (i32.const 4))) (i32.const 1500))))",
    add("(i32.wrap_i64 (i64.add (local.get $wide) (i64.shr_u (local.get $wide) (i64.const 32))))"),
  ],
};

/**
 * Text of a module: `set(i, object)` fills the table of objects at address 0 of memory 0, `run(n)` goes through the
 * table, one object a turn, and returns a sum that depends on every access.
 */
export function programText(name: ProgramName, on: "plain" | "heap"): string {
  const access = on === "plain" ? PLAIN : HEAP;
  const last = OBJECTS[name].count - 1;
  return [
    "(module",
    `  ${access.imports}`,
    '  (memory (export "memory") 4)',
    '  (func (export "set") (param $i i32) (param $object i32)',
    "    (i32.store (i32.shl (local.get $i) (i32.const 2)) (local.get $object)))",
    '  (func (export "run") (param $n i32) (result i32)',
    "    (local $object i32) (local $sum i32) (local $offset i32) (local $wide i64)",
    "    (loop $again",
    `      (local.set $object (i32.load (i32.shl (i32.and (local.get $n) (i32.const ${last})) (i32.const 2))))`,
    ...BODIES[name](access).map((line) => `      ${line}`),
    "      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))",
    "    (local.get $sum)))",
  ].join("\n");
}

/** `run(n)`: puts an object into a slot and takes it out again, n times; returns the handle that it has then. */
export const PUT_TAKE_TEXT = `(module
  (import "heap" "put" (func $put (param i32 i32 i32)))
  (import "heap" "take" (func $take (param i32 i32) (result i32)))
  (global $object (mut i32) (i32.const 0))
  (global $container (mut i32) (i32.const 0))
  (func (export "set") (param $object i32) (param $container i32)
    (global.set $object (local.get $object))
    (global.set $container (local.get $container)))
  (func (export "run") (param $n i32) (result i32)
    (local $object i32) (local $container i32)
    (local.set $object (global.get $object))
    (local.set $container (global.get $container))
    (loop $again
      (call $put (local.get $object) (local.get $container) (i32.const 0))
      (local.set $object (call $take (local.get $container) (i32.const 0)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (global.set $object (local.get $object))
    (local.get $object)))`;

/** `run(n)`: a new object, freed at once, n times. `type` is the name of the type's import. */
export function allocFreeText(type: string): string {
  return `(module
  (import "type" "${type}" (func $new (result i32)))
  (import "heap" "free" (func $free (param i32)))
  (func (export "run") (param $n i32) (result i32)
    (local $object i32)
    (loop $again
      (call $free (local.tee $object (call $new)))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $object)))`;
}
