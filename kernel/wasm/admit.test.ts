/** Admission itself: what is refused and with which code and place, what comes out, and how offsets translate. */
import { describe, expect, test } from "vitest";
import { grants, OPTIONS, policy, wat, World } from "../../test/wasm/harness.ts";
import { admit, translateOffset } from "./admit.ts";
import { AdmissionError, type AdmissionCode } from "./errors.ts";
import { CAP_TABLE_SIZE, EXPORT_CAPS, EXPORT_OWNER, EXPORT_RECORD, EXPORT_RESET } from "./intrinsics.ts";
import { importKey, type Policy } from "./policy.ts";
import { Writer } from "./writer.ts";

const LOAD = `(import "heap" "load_i32" (func $l (param i32 i32) (result i32)))`;
const METHODS = new Map([[importKey("If$00", "m"), { signature: { params: [0x7f], results: [0x7f] }, index: 0 }]]);
const POLICY: Policy = { functions: grants({ "env.f": "i>i" }), methods: METHODS, maxPages: 4 };
const ENV = `(import "env" "f" (func $f (param i32) (result i32)))`;
const METHOD = `(import "If$00" "m" (func $m (param i32) (result i32)))`;

const wait = (instruction: string): string => `(memory 1) (func (result i32) ${instruction})`;

function refusal(bytes: Uint8Array, p = POLICY): AdmissionError {
  try {
    admit(bytes, p, OPTIONS);
  } catch (error) {
    if (error instanceof AdmissionError) return error;
    throw error;
  }
  throw new Error("the module was admitted");
}

describe("refused", () => {
  const cases: readonly (readonly [AdmissionCode, string, RegExp?])[] = [
    ["import-not-granted", `(import "env" "g" (func))`, /env\.g/],
    ["import-not-granted", `(import "heap" "nosuch" (func))`],
    ["import-not-granted", `(import "heap" "toString" (func))`],
    ["import-not-granted", `(import "heap" "constructor" (func))`],
    ["import-not-granted", `(import "rpc" "__proto__" (func))`],
    ["import-not-granted", `(import "heap" "free" (func (param i32)))`],
    ["import-signature", `(import "env" "f" (func (param i32)))`, /\(i32\) -> \(i32\), imported as \(i32\) -> \(\)/],
    ["import-signature", `(import "heap" "load_i32" (func (param i32 i64) (result i32)))`],
    ["import-signature", `(import "If$00" "m" (func (param i32 i32) (result i32)))`],
    ["import-kind", `(import "env" "g" (global i32))`],
    ["import-kind", `(import "env" "t" (table 1 funcref))`],
    ["import-kind", `(import "env" "mem" (memory 1))`],
    ["import-kind", `(import "samara" "heap" (memory 1))`],
    ["import-kind", `(import "env" "e" (tag))`],
    ["memory", `(memory 1) (memory 1)`],
    ["memory", `(import "env" "memory" (memory 1)) (memory 1)`],
    ["memory", `(memory 1 2 shared)`],
    ["memory", `(memory i64 1)`],
    ["memory", `(memory 5)`, /quota is 4/],
    ["memory", `(memory 65536)`],
    ["table", `(table 100001 funcref)`],
    ["table", `(table 60000 funcref) (table 60000 funcref)`],
    ["start-function", `(func $s) (start $s)`],
    ["intrinsic-escapes", `${LOAD} (export "l" (func $l))`],
    ["intrinsic-escapes", `${LOAD} (table 1 funcref) (elem (i32.const 0) $l)`],
    ["intrinsic-escapes", `${LOAD} (elem declare func $l)`],
    ["intrinsic-escapes", `${LOAD} (global funcref (ref.func $l))`],
    ["intrinsic-escapes", `${LOAD} (table 1 funcref) (elem (i32.const 0) funcref (ref.func $l))`],
    ["intrinsic-escapes", `${METHOD} (export "m" (func $m))`],
    ["intrinsic-escapes", `${METHOD} (table 1 funcref) (elem (i32.const 0) $m)`],
    ["import-escapes", `${ENV} (export "f" (func $f))`],
    ["import-escapes", `${ENV} (table 1 funcref) (elem (i32.const 0) $f)`],
    ["reserved-name", `(func (export "samara:owner"))`],
    ["forbidden-opcode", `(table 1 funcref) (func (result i32) (table.grow (ref.null func) (i32.const 1)))`],
    ["forbidden-opcode", `(tag)`],
    ["forbidden-opcode", wait("(memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))")],
    ["forbidden-opcode", wait("(memory.atomic.wait64 (i32.const 0) (i64.const 0) (i64.const 0))")],
    ["invalid", `(func (result i32))`],
  ];
  test.each(cases)("%s: %s", (code, text, message) => {
    const error = refusal(wat(`(module ${text})`, false));
    expect(error.code).toBe(code);
    if (message !== undefined) expect(error.message).toMatch(message);
    expect(error.offset).toBeGreaterThanOrEqual(code === "invalid" ? -1 : 8);
  });

  /** A module with one function () → () of these bytes, its local declarations included. */
  function withBody(body: readonly number[]): Uint8Array {
    const code = new Writer(64).u8(1).u32(body.length).bytes(body);
    const head = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 10];
    return new Writer(64).bytes(head).u32(code.length).bytes(code.view()).view().slice();
  }
  const bodies: readonly (readonly [AdmissionCode, string, readonly number[]])[] = [
    ["forbidden-opcode", "struct.new", [0, 0xfb, 0, 0, 0x0b]],
    ["forbidden-opcode", "try_table", [0, 0x1f, 0x40, 0, 0x0b, 0x0b]],
    ["forbidden-opcode", "legacy try", [0, 0x06, 0x40, 0x0b, 0x0b]],
    ["forbidden-opcode", "throw", [0, 0x08, 0, 0x0b]],
    ["forbidden-opcode", "call_ref", [0, 0x14, 0, 0x0b]],
    ["forbidden-opcode", "ref.eq", [0, 0xd3, 0x0b]],
    ["unknown-opcode", "0x27", [0, 0x27, 0x0b]],
    ["unknown-opcode", "0xff", [0, 0xff, 0x0b]],
    ["unknown-opcode", "0xfc 0x20", [0, 0xfc, 0x20, 0x0b]],
    ["unknown-opcode", "SIMD gap", [0, 0xfd, 0x9a, 0x01, 0x0b]],
    ["unknown-opcode", "SIMD beyond", [0, 0xfd, 0x80, 0x10, 0x0b]],
    ["unknown-opcode", "atomic beyond", [0, 0xfe, 0x4f, 0x0b]],
    ["memory", "load from memory 1", [0, 0x41, 0, 0x28, 0x42, 1, 0, 0x1a, 0x0b]],
    ["memory", "memory.size 2", [0, 0x3f, 2, 0x1a, 0x0b]],
    ["memory", "memory.copy to memory 1", [0, 0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 10, 1, 0, 0x0b]],
    ["type-section", "local of a GC type", [1, 1, 0x6e, 0x0b]],
    ["type-section", "block of a GC type", [0, 0x02, 0x6d, 0x0b, 0x0b]],
    ["type-section", "ref.null any", [0, 0xd0, 0x6e, 0x1a, 0x0b]],
    ["malformed", "LEB128 of 6 bytes", [0, 0x20, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 0x1a, 0x0b]],
    ["malformed", "s32 that overflows", [0, 0x41, 0xff, 0xff, 0xff, 0xff, 0x3f, 0x1a, 0x0b]],
    ["malformed", "code after end", [0, 0x0b, 0x0b]],
    ["malformed", "no end", [0, 0x02, 0x40, 0x0b]],
    ["malformed", "truncated immediate", [0, 0x43, 0, 0]],
    ["too-large", "locals", [1, 0xa0, 0x8d, 0x06, 0x7f, 0x0b]],
    [
      "too-large",
      "nesting",
      [0, ...Array.from({ length: 5000 }, () => [0x02, 0x40]).flat(), ...Array(5000).fill(0x0b), 0x0b],
    ],
    [
      "too-large",
      "branches × locals",
      [1, 0x80, 0x80, 2, 0x7f, ...Array.from({ length: 200 }, () => [0x03, 0x40, 0x0b]).flat(), 0x0b],
    ],
    ["too-large", "body", [0, ...Array(270_000).fill(0x01), 0x0b]],
  ];
  test.each(bodies)("%s: %s", (code, _, body) => {
    expect(refusal(withBody(body)).code).toBe(code);
  });

  test("sections out of order, twice, too long, unknown, cut off anywhere", () => {
    const bytes = wat(`(module (memory 1) (func (export "f") (result i32) (i32.const 1)) (data (i32.const 0) "x"))`);
    const head = [...bytes.subarray(0, 8)];
    const type = [1, 4, 1, 0x60, 0, 0];
    const bad: number[][] = [
      [...head, ...type, ...type],
      [...head, 3, 1, 0, ...type],
      [...head, 1, 5, 1, 0x60, 0, 0, 0],
      [...head, 14, 0],
      [...head, ...type, 3, 2, 1, 0],
      [...head, 1, 0x80],
      [...head, 1, 100, 1],
      [0, 0x61, 0x73, 0x6d, 2, 0, 0, 0],
      [],
    ];
    for (const b of bad) expect([b, refusal(Uint8Array.from(b)).code]).toEqual([b, "malformed"]);
    for (let n = 9; n < bytes.length; n++) {
      let code: AdmissionCode | "admitted" = "admitted";
      try {
        admit(bytes.slice(0, n), POLICY, OPTIONS);
      } catch (error) {
        if (!(error instanceof AdmissionError)) throw error;
        code = error.code;
      }
      expect(["malformed", "admitted", "invalid"]).toContain(code); // a cut between two sections may be a module
    }
  });

  test("ref.func of an import in code", () => {
    const text = `(module ${LOAD} (func $g) (elem declare func $g) (func (drop (ref.func $g))))`;
    const bytes = wat(text);
    expect(() => admit(bytes, POLICY, OPTIONS)).not.toThrow();
    const at = bytes.findIndex((b, i) => b === 0xd2 && bytes[i + 1] === 1);
    bytes[at + 1] = 0;
    expect(refusal(bytes)).toMatchObject({ code: "intrinsic-escapes", offset: at });
  });
});

describe("admitted", () => {
  const fine: Readonly<Record<string, string>> = {
    "tail calls": `(func $f (return_call $f))`,
    SIMD: `(func (result v128) (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))`,
    atomics: `(memory 1) (func (result i32) (i32.atomic.rmw.add (i32.const 0) (i32.const 1)) (atomic.fence))`,
    "multi-value": `(func (result i32 i64) (i32.const 1) (i64.const 2))`,
    "reference types": `(table 1 externref) (func (param externref) (table.set (i32.const 0) (local.get 0)))`,
    "extended constants": `(global i32 (i32.add (i32.const 1) (i32.mul (i32.const 2) (i32.const 3))))`,
    "typed select": `(func (result externref)
      (select (result externref) (ref.null extern) (ref.null extern) (i32.const 0)))`,
    "saturating conversion": `(func (param f64) (result i32) (i32.trunc_sat_f64_s (local.get 0)))`,
    "an empty module": ``,
    "mutable globals": `(global $g (mut i32) (i32.const 1)) (func (global.set $g (i32.const 2)))`,
  };
  test.each(Object.entries(fine))("%s", (_, text) => {
    expect(() => admit(wat(`(module ${text})`, false), POLICY, OPTIONS)).not.toThrow();
  });

  test("what a lowered module imports and exports", () => {
    const a = admit(
      wat(`(module ${ENV} ${LOAD} (memory (export "memory") 1 100) (table (export "t") 3 funcref)
      (global (export "g") (mut i32) (i32.const 7)) (global $h (mut i32) (i32.const 8))
      (func (export "f") (param i32) (result i32) (drop (call $l (local.get 0) (i32.const 0)))
        (global.set $h (call $f (local.get 0))) (global.get $h)))`),
      POLICY,
      OPTIONS,
    );
    const module = new WebAssembly.Module(a.bytes);
    expect(WebAssembly.Module.imports(module).map((i) => `${i.module}.${i.name}:${i.kind}`)).toEqual([
      "env.f:function",
      "heap.load_i32:function",
      "env.memory:memory",
      "samara.heap:memory",
      "samara.ledger:memory",
    ]);
    expect(WebAssembly.Module.exports(module).map((e) => `${e.name}:${e.kind}`)).toEqual([
      "f:function",
      `${EXPORT_RESET}:function`,
      `${EXPORT_OWNER}:global`,
      `${EXPORT_RECORD}:global`,
      `${EXPORT_CAPS}:table`,
    ]);
    expect(a.memory).toEqual({ initial: 1, maximum: 4 });
    expect(a.imports).toEqual([
      { module: "env", name: "f", lowered: false },
      { module: "heap", name: "load_i32", lowered: true },
    ]);
    expect(a.exports).toEqual(new Map([["f", { params: [0x7f], results: [0x7f] }]]));
    const world = new World();
    const { exports } = world.instantiate(a, { "env.f": (x) => x! + 1 });
    expect(exports["f"]!(world.object(8))).toBe(1030);
    expect((exports[EXPORT_CAPS] as unknown as WebAssembly.Table).length).toBe(CAP_TABLE_SIZE);
  });

  test("custom sections go, except names", () => {
    const bytes = wat(`(module (func $secret (export "f") (unreachable)))`);
    const custom = [0, 5, 3, 0x61, 0x62, 0x63, 1];
    const a = admit(Uint8Array.from([...bytes.subarray(0, 8), ...custom, ...bytes.subarray(8)]), POLICY, OPTIONS);
    const module = new WebAssembly.Module(a.bytes);
    expect(WebAssembly.Module.customSections(module, "abc")).toEqual([]);
    expect(WebAssembly.Module.customSections(module, "name")).toHaveLength(1);
    expect(() => new World().instantiate(a).exports["f"]!()).toThrow(/unreachable/);
  });
});

describe("offsets", () => {
  const text = `(module ${LOAD} (memory 1)
    (func $leaf (param i32) (result i32) (i32.load (local.get 0)))
    (func $caller (export "caller") (param i32) (result i32) (nop) (call $leaf (local.get 0)))
    (func $check (export "check") (param i32) (result i32) (nop) (call $l (local.get 0) (i32.const 4)))
    (func $late (export "late") (param i32 i32) (result i32) (drop (call $l (local.get 0) (i32.const 4)))
      (loop (nop)) (i32.div_s (i32.const 1) (local.get 1))))`;
  /** Offsets in a stack trace, innermost first. */
  const trace = (call: () => unknown): number[] => {
    try {
      call();
    } catch (error) {
      return [...(error as Error).stack!.matchAll(/:0x([0-9a-f]+)\)/g)].map((m) => Number.parseInt(m[1]!, 16));
    }
    throw new Error("no trap");
  };

  test("positions in traps and frames are those of the original", () => {
    const bytes = wat(text);
    const world = new World();
    const { admitted, exports } = world.load(text);
    const h = world.object(16);
    const back = (offset: number): number => translateOffset(admitted.offsets, offset);
    const [inner, outer] = trace(() => exports["caller"]!(-4)).map(back);
    expect([bytes[inner!], bytes[outer!]]).toEqual([0x28, 0x10]);
    const [check] = trace(() => exports["check"]!(h + 1)).map(back);
    expect([...bytes.subarray(check, check! + 2)]).toEqual([0x10, 0]);
    const [division] = trace(() => exports["late"]!(h, 0)).map(back);
    expect(bytes[division!]).toBe(0x6d);
    expect(translateOffset(admitted.offsets, 3)).toBe(-1);
  });

  test("pairs ascend", () => {
    const { offsets } = admit(wat(text), policy(), OPTIONS);
    for (let i = 2; i < offsets.length; i += 2) expect(offsets[i]).toBeGreaterThanOrEqual(offsets[i - 2]!);
  });
});
