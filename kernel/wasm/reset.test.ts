/**
 * `samara:reset`: an instance that ran and whose memory was zeroed is in the state in which the specification makes a
 * new one. The reference is the engine's own instantiation of the module as it came.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { Random } from "../../test/hostile/random.ts";
import { makeLab } from "../../test/support/lab.ts";
import type { Code } from "../../test/support/wasm-builder/bytes.ts";
import { ModuleBuilder } from "../../test/support/wasm-builder/module.ts";
import * as op from "../../test/support/wasm-builder/op.ts";
import { OPTIONS, outcome, policy, wat, World } from "../../test/wasm/harness.ts";
import { buildSystem, listSystems, loadSystem } from "../../tools/build/index.ts";
import { admit } from "./admit.ts";
import { EXPORT_RESET } from "./intrinsics.ts";
import { parseModule } from "./module.ts";
import { importKey, type Policy } from "./policy.ts";

const MODULES = fileURLToPath(new URL("../../node_modules/@bytecodealliance", import.meta.url));
const { I32, I64, F32, F64, V128, FUNCREF, EXTERNREF } = op;
type Exports = Record<string, (...args: unknown[]) => unknown>;

/** What `g…` functions give, in order, and a copy of memory. */
function stateOf(exports: Exports, memory: WebAssembly.Memory | undefined) {
  const names = Object.keys(exports).filter((name) => name.startsWith("g"));
  return {
    globals: names.map((name) => `${name}: ${String(exports[name]!())}`),
    memory: memory === undefined ? "" : Buffer.from(memory.buffer).toString("latin1"),
  };
}

/** Runs `dirty`, spoils all of memory, then resets: twice, each time compared with an unlowered new instance. */
function trial(bytes: Uint8Array<ArrayBuffer>): void {
  const reference = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
  const expected = stateOf(reference as Exports, reference["memory"] as WebAssembly.Memory | undefined);
  const admitted = admit(bytes, policy(), OPTIONS);
  const { exports, memory } = new World().instantiate(admitted);
  const own = exports as Exports;
  const now = (): unknown => stateOf(own, admitted.memory === null ? undefined : memory);
  expect(now()).toEqual(expected);
  for (let life = 0; life < 2; life++) {
    own["dirty"]?.({});
    new Uint8Array(memory.buffer).fill(0xa5);
    if (own["dirty"] !== undefined) expect(now()).not.toEqual(expected);
    new Uint8Array(memory.buffer).fill(0);
    own[EXPORT_RESET]!();
    expect(now()).toEqual(expected);
  }
}

/** How a global of each type is shown: code behind a global.get, and result types. */
const SHOWN: Readonly<Record<number, readonly [Code, Code]>> = {
  [I32]: [[], [I32]],
  [I64]: [[], [I64]],
  [F32]: [[0xbc], [I32]],
  [F64]: [[0xbd], [I64]],
  [FUNCREF]: [[0xd1], [I32]],
  [EXTERNREF]: [[0xd1], [I32]],
};

/** A module with globals of every type and every kind of data segment. */
function randomModule(random: Random): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  m.export("memory", 2, m.memory(1 + random.below(2), 3));
  const dirty: number[] = [];
  const constants = new Map<number, number[]>([I32, I64].map((type) => [type, []]));
  const bits = (n: number): number[] => Array.from({ length: n }, () => random.below(256));
  const initial = (type: number): Code => {
    const known = constants.get(type);
    if (known !== undefined && known.length > 0 && random.chance(0.3)) return op.globalGet(random.pick(known));
    if (type === I32 && random.chance(0.3)) return [...op.i32(random.next() | 0), ...op.i32(7), 0x6c];
    if (type === I32) return op.i32(random.next() | 0);
    if (type === I64 && random.chance(0.3)) return [...op.i64(5n), ...op.i64(BigInt(random.next())), 0x7d];
    if (type === I64) return op.i64(BigInt(random.next()) << 20n);
    if (type === F32) return random.chance(0.3) ? [0x43, 1, 0, 0xa0, 0x7f] : [0x43, ...bits(4)];
    if (type === F64) return [0x44, ...bits(8)];
    if (type === V128) return op.simd(12, ...bits(16));
    return type === FUNCREF && random.chance(0.5) ? op.refFunc(0) : op.refNull(type);
  };
  const globals = Array.from({ length: random.below(12) }, (_, index) => {
    const type = random.pick([I32, I64, F32, F64, V128, FUNCREF, EXTERNREF]);
    const mutable = random.chance(0.7);
    const init = initial(type);
    m.global(type, mutable, init);
    if (!mutable) constants.get(type)?.push(index);
    if (mutable) dirty.push(...otherValue(type, init), ...op.globalSet(index));
    return type;
  });
  const address = (): Code => {
    const low = op.i32(random.below(60_000));
    return random.chance(0.3) ? [...low, ...op.i32(random.below(5_000)), 0x6a] : low;
  };
  const count = random.below(8);
  for (let n = count; n > 0; n--) {
    const data = bits(random.pick([0, 1, 3, 40]));
    const kind = random.below(4);
    if (kind === 0) m.passiveData(data);
    else if (kind === 1) m.item(11, [2, 0, ...address(), 0x0b, data.length, ...data]);
    else m.data(address(), data);
  }
  m.dataCount(count);
  m.func([], [I32], op.i32(33));
  m.declare([0]);
  for (const [index, type] of globals.entries()) {
    const get = op.globalGet(index);
    if (type === V128) m.func([], [I64, I64], [...get, ...op.simd(29, 0), ...get, ...op.simd(29, 1)], [], `g${index}`);
    else m.func([], SHOWN[type]![1], [...get, ...SHOWN[type]![0]], [], `g${index}`);
  }
  m.func([EXTERNREF], [], [...dirty, ...op.i32(0), ...op.i32(1), ...op.i32store()], [], "dirty");
  return m.build();
}

/** A value of this type that shows as another than the initial one. */
function otherValue(type: number, init: Code): Code {
  if (type === EXTERNREF) return op.get(0);
  if (type === FUNCREF) return init[0] === 0xd2 ? op.refNull(FUNCREF) : op.refFunc(0);
  if (type === V128) return [...init, ...op.simd(77)]; // not
  if (type === I32) return [...init, ...op.i32(1), 0x6a];
  if (type === I64) return [...init, ...op.i64(1n), 0x7c];
  return type === F32 ? [...init, 0x8c] : [...init, 0x9a]; // neg
}

describe("first state", () => {
  test("random modules with globals of every type and data segments of every kind", () => {
    for (let seed = 0; seed < 300; seed++) trial(randomModule(new Random(seed)));
  });

  test("later segments win over earlier ones, also after a reset", () => {
    trial(
      wat(`(module (memory (export "memory") 1) (data (i32.const 10) "abcdef") (data (i32.const 12) "XY")
      (data (i32.const 8) "---") (data (i32.const 65536) "") (data (i32.const 65535) "z"))`),
    );
  });

  test("a function in a global is called again, and offsets may come from a global", () => {
    const text = `(module (type $t (func (result i32))) (table 1 funcref) (memory 1)
      (global $at i32 (i32.add (i32.const 100) (i32.const 4))) (global $f (mut funcref) (ref.func $answer))
      (func $answer (result i32) (i32.load8_u (global.get $at)))
      (data (global.get $at) "*")
      (func (export "run") (result i32) (table.set (i32.const 0) (global.get $f))
        (call_indirect (type $t) (i32.const 0)))
      (func (export "dirty") (global.set $f (ref.null func))))`;
    const { exports, bytes } = new World().instantiate(admit(wat(text, false), policy(), OPTIONS));
    expect(exports["run"]!()).toBe(42);
    exports["dirty"]!();
    expect(outcome(() => exports["run"]!())).toBe("trap");
    bytes.fill(0);
    exports[EXPORT_RESET]!();
    expect(exports["run"]!()).toBe(42);
  });

  test("a module without memory, globals and data has it too; owner, record and grown memory stay", () => {
    const world = new World();
    expect(world.load("(module)").exports[EXPORT_RESET]!()).toBeUndefined();
    const { exports, memory } = world.load(`(module (import "heap" "load_i32" (func $l (param i32 i32) (result i32)))
      (import "rpc" "set0" (func $set (param i32))) (import "rpc" "get0" (func $get (result i32)))
      (memory 1) (data (i32.const 0) "a")
      (func (export "f") (param i32) (result i32) (drop (memory.grow (i32.const 1))) (call $set (i32.const 9))
        (i32.add (call $get) (call $l (local.get 0) (i32.const 0)))))`);
    const h = world.object(8);
    for (let pages = 2; pages < 5; pages++) {
      expect(exports["f"]!(h)).toBe(9);
      exports[EXPORT_RESET]!();
      expect(memory.buffer.byteLength).toBe(pages * 65_536);
    }
  });

  test("to the domain's own code a segment that was active is dropped, and the image is not there", () => {
    const text = (init: string): string => `(module (memory 1) (data $a (i32.const 8) "abc") (data $p "xyz")
      (func (export "take") (param i32) (memory.init ${init} (i32.const 0) (i32.const 0) (local.get 0)))
      (func (export "drop") (data.drop $a)))`;
    const active = new World().load(text("$a"));
    expect(active.exports["take"]!(0)).toBeUndefined();
    expect(outcome(() => active.exports["take"]!(1))).toBe("trap");
    active.exports["drop"]!();
    active.bytes.fill(0);
    active.exports[EXPORT_RESET]!();
    expect([...active.bytes.subarray(7, 12)]).toEqual([0, 97, 98, 99, 0]);
    const passive = new World().load(text("$p"));
    passive.exports["take"]!(3);
    expect([...passive.bytes.subarray(0, 3)]).toEqual([120, 121, 122]);
    for (const beyond of ["memory.init 2 (i32.const 0) (i32.const 0) (i32.const 0)", "data.drop 2"]) {
      const bytes = wat(`(module (memory 1) (data (i32.const 8) "abc") (data "x") (func (${beyond})))`, false);
      expect(() => admit(bytes, policy(), OPTIONS)).toThrow(expect.objectContaining({ code: "invalid" }));
    }
  });
});

describe("what is refused", () => {
  test.each([
    ["reserved-name", `(func (export "samara:reset"))`],
    ["import-not-granted", `(import "samara" "reset" (func))`],
    ["import-not-granted", `(import "env" "samara:reset" (func))`],
    ["invalid", `(func (call 1))`],
  ])("%s: %s", (code, text) => {
    expect(() => admit(wat(`(module ${text})`, false), policy(), OPTIONS)).toThrow(expect.objectContaining({ code }));
  });

  const refusal = expect.objectContaining({ code: "too-large", offset: expect.toSatisfy((at) => at > 8) });
  test("more segments than one function can place, and a constant expression that is a program", () => {
    const m = new ModuleBuilder();
    m.memory(1);
    for (let n = 0; n < 30_000; n++) m.data(op.i32(n), [1]);
    expect(() => admit(m.build(), policy(), OPTIONS)).toThrow(refusal);
    const ones = (count: number): Code => Array.from({ length: count }, () => [...op.i32(1), 0x6a]).flat();
    const constant = (count: number): Uint8Array => {
      const c = new ModuleBuilder();
      c.global(I32, true, [...op.i32(1), ...ones(count)]);
      return c.build();
    };
    expect(() => admit(constant(300), policy(), OPTIONS)).not.toThrow();
    expect(() => admit(constant(340), policy(), OPTIONS)).toThrow(refusal);
  });

  test.each([
    `(memory 1) (data (i32.const 65535) "ab")`,
    `(memory 1) (data (i32.const -1) "a")`,
    `(memory 1) (data (i32.const 65537) "")`,
    `(table 1 funcref) (func $f) (elem (i32.const 1) $f)`,
  ])("a segment out of range makes no domain: %s", async (text) => {
    const lab = makeLab({ idl: "", domains: { bad: { wat: () => `(module ${text})` } } });
    await expect(lab).rejects.toMatchObject({ code: "instantiate", message: expect.stringMatching(/segment/) });
  });
});

test.each([
  [true, `(func (drop (table.get (i32.const 0))))`],
  [true, `(func (drop (table.size)))`],
  [true, `(func (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))`],
  [true, `(func (memory.copy (i32.const 0) (i32.const 0) (i32.const 1)) (drop (memory.grow (i32.const 1))))`],
  [true, `(func (drop (i32.trunc_sat_f64_s (f64.const 1))))`],
  [false, `(func (table.set (i32.const 0) (ref.null func)))`],
  [false, `(func (table.fill (i32.const 0) (ref.null func) (i32.const 1)))`],
  [false, `(func (table.copy (i32.const 0) (i32.const 0) (i32.const 1)))`],
  [false, `(func (table.init 0 (i32.const 0) (i32.const 0) (i32.const 1)))`],
  [false, `(func (elem.drop 0))`],
  [false, `(func (data.drop 0))`],
  [false, `(func) (func (return) (data.drop 0))`],
])("resettable is %s: %s", (expected, code) => {
  const bytes = wat(`(module (memory 1) (table 2 funcref) (data "x") (elem func) ${code})`);
  expect(admit(bytes, policy(), OPTIONS).resettable).toBe(expected);
});

// ── real programs ────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whatever functions the module imports are granted; its memory cannot grow, so that two lives go the same way. */
function fixed(bytes: Uint8Array): Policy {
  const m = parseModule(bytes);
  const functions = new Map(m.imports.map((i) => [importKey(i.module, i.name), m.types[i.type]!]));
  return { functions, methods: new Map(), maxPages: m.memory!.initial };
}

/** Calls all that the program exports, in two lives: it must do the same and leave the same in both. */
function liveTwice(bytes: Uint8Array): void {
  const admitted = admit(bytes, fixed(bytes), OPTIONS);
  expect(admitted.resettable).toBe(true);
  const world = new World();
  const zero = Object.fromEntries(admitted.imports.map(({ module, name }) => [`${module}.${name}`, () => 0]));
  const { exports, memory } = world.instantiate(admitted, zero);
  world.epoch = 1;
  world.onTick = () => {
    if (world.ticks > 20_000) throw new WebAssembly.RuntimeError("out of ticks");
  };
  const content = (): Buffer => Buffer.from(new Uint8Array(memory.buffer).slice());
  const live = (): { results: unknown[]; left: Buffer } => {
    const results = [...admitted.exports].map(([name, { params }]) => {
      world.ticks = 0;
      const args = params.map((type) => (type === I64 ? 8n : 8));
      return [name, String(outcome(() => exports[name]!(...args))), world.ticks];
    });
    return { results, left: content() };
  };
  const fresh = content();
  const first = live();
  expect(first.left.equals(fresh)).toBe(false);
  new Uint8Array(memory.buffer).fill(0);
  exports[EXPORT_RESET]!();
  expect(content().equals(fresh)).toBe(true);
  const second = live();
  expect(second.results).toEqual(first.results);
  expect(second.left.equals(first.left)).toBe(true);
}

describe("real programs begin again", () => {
  test.each(["js-component-bindgen-component", "wasm-tools"])("Rust: %s", (name) => {
    liveTwice(new Uint8Array(readFileSync(join(MODULES, `jco-transpile/vendor/${name}.core.wasm`))));
  });

  test("AssemblyScript: the domains of every system", async () => {
    const images = new Map<string, Uint8Array>();
    for (const name of listSystems()) {
      const { domains } = await buildSystem(await loadSystem(name));
      for (const { dir, bytes } of domains.values()) images.set(dir, bytes);
    }
    expect(images.size).toBeGreaterThan(3);
    for (const bytes of images.values()) liveTwice(bytes);
  });
});
