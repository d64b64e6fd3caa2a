/**
 * Real programs, lowered and not: same results. And what compilers make of the intrinsics: AssemblyScript and C.
 *
 * The programs come from npm packages: es-module-lexer (C), wabt (C++) and the wasm-tools component inside
 * jco-transpile (Rust). Their glue calls `WebAssembly.compile` and `instantiate`; the test puts admission in between.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import asc from "assemblyscript/asc";
import { afterAll, describe, expect, test } from "vitest";
import { OPTIONS, OTHER, outcome, policy, World } from "../../test/wasm/harness.ts";
import { admit } from "./admit.ts";
import { AdmissionError } from "./errors.ts";
import { EXPORT_RESET } from "./intrinsics.ts";
import { parseModule } from "./module.ts";
import { importKey, type Policy } from "./policy.ts";

const MODULES = fileURLToPath(new URL("../../node_modules/", import.meta.url));

/** A policy that grants whatever functions the module imports. */
function everything(bytes: Uint8Array): Policy {
  const m = parseModule(bytes);
  const functions = new Map(m.imports.map((i) => [importKey(i.module, i.name), m.types[i.type]!]));
  return { functions, methods: new Map(), maxPages: 65_535 };
}

interface Lowered<T> {
  readonly result: T;
  readonly lowered: number;
  /** Puts every lowered instance back to its first state. */
  readonly restart: () => void;
}

/** While `run` lasts, every module that can be admitted is instantiated lowered. Returns how many were. */
async function lowering<T>(run: () => Promise<T>): Promise<Lowered<T>> {
  const { compile, instantiate } = WebAssembly;
  const sources = new WeakMap<WebAssembly.Module, Uint8Array>();
  let lowered = 0;
  const resets: (() => void)[] = [];
  const lower = async (bytes: Uint8Array, imports: WebAssembly.Imports): Promise<WebAssembly.Instance | null> => {
    // A component's shim shares its table; admission would keep it inside.
    const original = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
    if (WebAssembly.Module.exports(original).some(({ kind }) => kind === "table")) return null;
    let admitted;
    try {
      admitted = admit(bytes, everything(bytes), OPTIONS);
    } catch (error) {
      if (error instanceof AdmissionError && error.code === "import-kind") return null; // shims with imported tables
      throw error;
    }
    lowered++;
    const world = new World();
    const shared = imports["env"]?.["memory"] as WebAssembly.Memory | undefined;
    const memory = shared ?? new WebAssembly.Memory(admitted.memory ?? { initial: 0, maximum: 0 });
    const samara = { heap: world.heap, ledger: world.ledger };
    const all = { ...imports, env: { ...imports["env"], memory }, samara };
    const instance = await instantiate(await compile(admitted.bytes), all);
    const reset = instance.exports[EXPORT_RESET] as () => void;
    reset();
    resets.push(() => {
      new Uint8Array(memory.buffer).fill(0);
      reset();
    });
    return { exports: { ...instance.exports, ...keptInside(bytes, memory) } as WebAssembly.Exports };
  };
  WebAssembly.compile = async (source) => {
    const module = await compile(source);
    sources.set(module, new Uint8Array(source as ArrayBuffer).slice());
    return module;
  };
  WebAssembly.instantiate = (async (source: WebAssembly.Module | Uint8Array, imports: WebAssembly.Imports = {}) => {
    const isModule = source instanceof WebAssembly.Module;
    const bytes = isModule ? sources.get(source)! : new Uint8Array(source).slice();
    const instance = await lower(bytes, imports);
    if (instance === null) return instantiate(source as WebAssembly.Module, imports);
    return isModule ? instance : { instance, module: await compile(bytes as Uint8Array<ArrayBuffer>) };
  }) as typeof WebAssembly.instantiate;
  try {
    return { result: await run(), lowered, restart: () => resets.forEach((reset) => reset()) };
  } finally {
    Object.assign(WebAssembly, { compile, instantiate });
  }
}

/** The exports that admission drops and the programs' own glue wants back: memory, and constants. */
function keptInside(bytes: Uint8Array, memory: WebAssembly.Memory): Record<string, unknown> {
  const module = new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>);
  const kept: Record<string, unknown> = {};
  for (const { name, kind } of WebAssembly.Module.exports(module)) if (kind === "memory") kept[name] = memory;
  if (WebAssembly.Module.imports(module).length === 0) {
    const { exports } = new WebAssembly.Instance(module);
    for (const [name, value] of Object.entries(exports)) if (value instanceof WebAssembly.Global) kept[name] = value;
  }
  return kept;
}

let copies = 0;
/** Imports a fresh copy of a package's file, so that it compiles its modules again. */
const fresh = (path: string): Promise<Record<string, never>> =>
  import(/* @vite-ignore */ `${pathToFileURL(join(MODULES, path)).href}?copy${copies++}`);

describe("programs that do not use the heap give the same results", () => {
  test("es-module-lexer: every source file of a few packages", async () => {
    const load = async () => {
      const lexer = (await fresh("es-module-lexer/dist/lexer.js")) as unknown as {
        init: Promise<void>;
        parse(source: string): unknown;
      };
      await lexer.init;
      return lexer;
    };
    const plain = await load();
    const { result: ours, lowered, restart } = await lowering(load);
    expect(lowered).toBe(1);
    const files = ["magic-string/dist", "pathe/dist", "es-module-lexer/dist", "estree-walker/src"].flatMap((folder) =>
      readdirSync(join(MODULES, folder))
        .filter((f) => /\.m?js$/.test(f))
        .map((f) => join(MODULES, folder, f)),
    );
    expect(files.length).toBeGreaterThan(4);
    for (const file of files) {
      const source = readFileSync(file, "utf8");
      restart();
      expect(ours.parse(source)).toEqual(plain.parse(source));
      expect(ours.parse(source)).toEqual(plain.parse(source));
    }
    for (const bad of ["import {", "export {a b}", "`${", "import('", "/* "]) {
      const message = (parse: (s: string) => unknown): unknown => {
        try {
          return parse(bad);
        } catch (error) {
          return String(error);
        }
      };
      expect(message((s) => ours.parse(s))).toEqual(message((s) => plain.parse(s)));
    }
  });

  test("wasm-tools: prints and parses modules", async () => {
    interface Tools {
      parse(text: string): Uint8Array;
      print(bytes: Uint8Array): string;
    }
    const load = async () => {
      const glue = (await fresh("@bytecodealliance/jco-transpile/vendor/wasm-tools.js")) as unknown as {
        $init: Promise<void>;
        tools: Tools;
      };
      await glue.$init;
      return glue.tools;
    };
    const plain = await load();
    const { result: ours, lowered } = await lowering(load);
    expect(lowered).toBeGreaterThan(0);
    for (const path of ["jco-transpile/vendor/wasm-tools.core2.wasm", "jco/lib/wasi_snapshot_preview1.reactor.wasm"]) {
      const bytes = new Uint8Array(readFileSync(join(MODULES, "@bytecodealliance", path)));
      const text = ours.print(bytes);
      expect(text).toBe(plain.print(bytes));
      expect(ours.parse(text)).toEqual(plain.parse(text));
    }
    expect(() => ours.parse("(module (func (result i32)")).toThrow();
  });

  test("wabt: assembles and disassembles", async () => {
    type Wabt = () => Promise<{
      parseWat(name: string, text: string): { validate(): void; toBinary(o: object): { buffer: Uint8Array } };
      readWasm(bytes: Uint8Array, o: object): { toText(o: object): string };
    }>;
    const make = (await fresh("wabt/index.js"))["default"] as unknown as Wabt;
    const plain = await make();
    const { result: ours, lowered } = await lowering(make);
    expect(lowered).toBe(1);
    const text = `(module (memory 1) (func (export "f") (param i32) (result i32) (local f64)
      (loop (br_if 0 (i32.eqz (local.get 0)))) (f64.store (i32.const 8) (local.get 1)) (i32.load (i32.const 8))))`;
    const bytes = ours.parseWat("a.wat", text).toBinary({}).buffer;
    expect(bytes).toEqual(plain.parseWat("a.wat", text).toBinary({}).buffer);
    expect(ours.readWasm(bytes, {}).toText({})).toBe(plain.readWasm(bytes, {}).toText({}));
  });
});

describe("compilers", () => {
  const folder = mkdtempSync(join(tmpdir(), "samara-programs-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  function run(bytes: Uint8Array, elide: boolean) {
    const world = new World();
    const admitted = admit(bytes, policy({ "env.abort": "iiii>" }), { ...OPTIONS, elide });
    const abort = (): never => {
      throw new Error("abort");
    };
    const domain = world.instantiate(admitted, { "env.abort": abort });
    const h = world.object(64);
    const theirs = world.object(64, { owner: OTHER });
    const big = world.object(1500);
    const view = new DataView(world.heap.buffer);
    let sum = 0;
    for (let i = 0; i < 375; i++) {
      view.setInt32(world.address(big) + i * 4, i * 2_654_435, true);
      sum = (sum + i * 2_654_435) | 0;
    }
    const x = domain.exports;
    x["_init"]?.();
    expect(x["mix"]!(h, 5)).toBe(5 + 6 + 7 + 8);
    expect([0, 8, 16, 24].map((o) => view.getInt32(world.address(h) + o, true))).toEqual([5, 6, 7, 8]);
    expect(x["checksum"]!(big, 1500)).toBe(sum);
    for (const [name, ...args] of [
      ["mix", theirs, 1],
      ["checksum", theirs, 64],
      ["checksum", big, 1504],
    ] as const) {
      expect([name, outcome(() => x[name]!(...args))]).toEqual([name, "trap"]);
    }
    return admitted.stats;
  }

  test("AssemblyScript", async () => {
    const source = `
      @external("heap", "load_i32") declare function load_i32(h: i32, offset: u32): i32;
      @external("heap", "store_i32") declare function store_i32(value: i32, h: i32, offset: u32): void;
      @unmanaged @final class Four {
        @inline get a(): i32 { return load_i32(changetype<i32>(this), 0); }
        @inline set a(v: i32) { store_i32(v, changetype<i32>(this), 0); }
        @inline get b(): i32 { return load_i32(changetype<i32>(this), 8); }
        @inline set b(v: i32) { store_i32(v, changetype<i32>(this), 8); }
        @inline get c(): i32 { return load_i32(changetype<i32>(this), 16); }
        @inline set c(v: i32) { store_i32(v, changetype<i32>(this), 16); }
        @inline get d(): i32 { return load_i32(changetype<i32>(this), 24); }
        @inline set d(v: i32) { store_i32(v, changetype<i32>(this), 24); }
      }
      const table = [1, 2, 3];
      export function mix(f: Four, x: i32): i32 {
        f.a = x; f.b = x + table[0]; f.c = x + table[1]; f.d = x + table[2];
        return f.a + f.b + f.c + f.d;
      }
      export function checksum(h: i32, bytes: i32): i32 {
        let sum = 0;
        for (let i = 0; i < bytes; i += 4) sum += load_i32(h, i);
        return sum;
      }`;
    const file = join(folder, "objects.ts");
    const out = join(folder, "objects.wasm");
    writeFileSync(file, source);
    const args = [file, "-o", out, "-O3", "--runtime", "minimal", "--exportStart", "_init", "--noExportMemory"];
    const { error, stderr } = await asc.main(["--baseDir", "/", ...args]);
    expect(error === null ? "" : stderr.toString()).toBe("");
    const bytes = new Uint8Array(readFileSync(out));
    const stats = run(bytes, true);
    expect(stats.elided).toBeGreaterThan(run(bytes, false).elided);
  });

  test("C, by clang", () => {
    const source = `
      #define HEAP(name) __attribute__((import_module("heap"), import_name(#name))) extern
      HEAP(load_i32) int load_i32(int handle, unsigned offset);
      HEAP(store_i32) void store_i32(int value, int handle, unsigned offset);
      HEAP(copy_in) void copy_in(const void *from, unsigned length, int handle, unsigned offset);
      #define EXPORT(name) __attribute__((export_name(#name)))
      static const int table[4] = {0, 1, 2, 3};
      EXPORT(mix) int mix(int h, int x) {
        for (int i = 0; i < 4; i++) store_i32(x + table[i], h, i * 8);
        int sum = 0;
        for (int i = 0; i < 4; i++) sum += load_i32(h, i * 8);
        return sum;
      }
      EXPORT(checksum) int checksum(int h, int bytes) {
        int sum = 0;
        for (int i = 0; i < bytes; i += 4) sum += load_i32(h, i);
        return sum;
      }
      EXPORT(fill) void fill(int h) { copy_in(table, sizeof table, h, 0); }`;
    const file = join(folder, "objects.c");
    const out = join(folder, "c.wasm");
    writeFileSync(file, source);
    execFileSync("clang", ["--target=wasm32", "-O3", "-nostdlib", "-Wl,--no-entry", "-o", out, file]);
    const bytes = new Uint8Array(readFileSync(out));
    const stats = run(bytes, true);
    expect(stats.elided).toBeGreaterThan(run(bytes, false).elided);
    const world = new World();
    const { exports } = world.instantiate(admit(bytes, policy(), OPTIONS));
    const h = world.object(16);
    exports["fill"]!(h);
    expect([0, 1, 2, 3].map((i) => world.heapWords[(world.address(h) >> 2) + i])).toEqual([0, 1, 2, 3]);
  });
});

test("every module in the packages at hand is admitted or refused with a reason, and decodes to its end", () => {
  const found = ["jco-transpile/vendor", "jco/lib"].flatMap((folder) =>
    readdirSync(join(MODULES, "@bytecodealliance", folder))
      .filter((f) => f.endsWith(".wasm"))
      .map((f) => join(MODULES, "@bytecodealliance", folder, f)),
  );
  expect(found.length).toBeGreaterThan(3);
  for (const file of found) {
    const bytes = new Uint8Array(readFileSync(file));
    const admitted = admit(bytes, everything(bytes), OPTIONS);
    expect(admitted.bytes.length).toBeGreaterThan(bytes.length * 0.8);
  }
});
