/**
 * The model: layouts, names, fingerprints, documentation.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { ExchangeType, Model } from "#kernel/interface/model.ts";
import { compileInterfaces, emitHost, emitReference } from "../index.ts";
import { argumentBytes } from "../layout.ts";
import { realModel } from "./support.ts";

const PRELUDE =
  "import type { bool, u8, u16, u32, i64, u64, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult } " +
  'from "./prelude.ts";\n';

function compile(text: string, file = "interfaces/a.ts"): Model {
  return compileInterfaces(new Map([[file, PRELUDE + text]]));
}

function record(model: Model, name: string): Extract<ExchangeType, { kind: "record" }> {
  const type = model.types[name]!;
  if (type.kind !== "record") throw new Error(`${name} is no record`);
  return type;
}

describe("layout", () => {
  it("aligns fields naturally, in declaration order, and numbers slots apart from bytes", () => {
    const model = compile(`
      export declare enum Mode { Off, On }
      export type R = {
        a: u8; b: u16; next: RRef<R>; c: u64; d: bool; e: Array<u32, 3>; f: Bytes<5>; m: Mode; g: f64;
        all: RRef<Deque<R, 4>>; h: u8;
      };`);
    const r = record(model, "R");
    expect(Object.fromEntries(r.fields.map((f) => [f.name, f.at]))).toEqual({
      a: 0,
      b: 2,
      next: 0,
      c: 8,
      d: 16,
      e: 20,
      f: 32,
      m: 37,
      g: 40,
      all: 1,
      h: 48,
    });
    expect(r.size).toBe(56);
    expect(r.slots).toEqual(["R", "Deque<R,4>"]);
    expect(model.types["Deque<R,4>"]).toMatchObject({ kind: "deque", element: "R", length: 4, size: 0 });
  });

  it("gives a record of slots alone no bytes", () => {
    expect(record(compile("export type R = { next: RRef<R> };"), "R")).toMatchObject({ size: 0, slots: ["R"] });
  });

  it("gives arrays in a record and arrays of objects different types", () => {
    const model = compile("export type R = { a: Array<u16, 2> };\nexport type S = { b: RRef<Array<R, 2>> };");
    expect(record(model, "R").fields[0]!.type).toEqual({ kind: "array", element: "u16", length: 2 });
    expect(model.types["Array<R,2>"]).toMatchObject({ kind: "array", element: "R", length: 2 });
  });

  it("rounds each text of the argument region up to 8 bytes", () => {
    const model = compile("export interface I { f(a: Str<5>, b: u32, c: Slice<16>): RpcResult<void, never> }");
    expect(argumentBytes(model.interfaces["I"]!.methods[0]!)).toBe(24);
  });
});

describe("names across files", () => {
  it("follows imports and keeps the file of each declaration", () => {
    const model = compileInterfaces(
      new Map([
        ["interfaces/types.ts", `${PRELUDE}export type R = { a: u32 };\nexport declare enum E { A }\n`],
        [
          "interfaces/use.ts",
          `${PRELUDE}import type { R, E } from "./types.ts";\nexport interface I { f(r: RRef<R>): RpcResult<void, E> }\n`,
        ],
        ["interfaces/prelude.ts", "this text is never read"],
      ]),
    );
    expect(model.interfaces["I"]!.file).toBe("interfaces/use.ts");
    expect(model.enums["E"]!.file).toBe("interfaces/types.ts");
    expect(model.interfaces["I"]!.methods[0]).toMatchObject({
      params: [{ name: "r", type: { kind: "rref", type: "R" } }],
      result: { kind: "void" },
      error: "E",
    });
  });

  it("lets interfaces pass each other, and themselves", () => {
    const model = compile(`
      export interface A { b(a: A): RpcResult<B, never> }
      export interface B { a(): RpcResult<{ first: A; second: B }, never> }`);
    expect(model.interfaces["A"]!.methods[0]!.result).toEqual({
      kind: "value",
      type: { kind: "interface", name: "B" },
    });
  });
});

describe("fingerprints", () => {
  const BASE = `
    /** Errors. */
    export declare enum E { Io, Full }
    export declare enum Mode { Off, On }
    /** A record. */
    export type R = { a: u32; b: u32; m: Mode; next: RRef<S>; d: Bytes<8> };
    export type S = { x: u32 };
    export type Unused = { y: u32 };
    export interface Peer { ping(): RpcResult<void, never> }
    /** An interface. */
    export interface I {
      /** First. */
      f(r: RRef<R>, b: Borrow<R>, t: Str<8>): RpcResult<u32, E>;
      g(peer: Peer, all: RRef<Deque<R, 4>>): RpcResult<{ s: u32; t: u64 }, never>;
    }`;
  const of = (text: string): string => compile(text).interfaces["I"]!.fingerprint;
  const change = (from: string, to: string): string => {
    const text = BASE.replace(from, to);
    expect(text).not.toBe(BASE);
    return of(text);
  };

  it("are 16 hex digits, the same for the same text", () => {
    expect(of(BASE)).toMatch(/^[0-9a-f]{16}$/);
    expect(of(BASE)).toBe(of(BASE));
  });

  it.each([
    ["a method's name", "f(r:", "h(r:"],
    ["a parameter's name", "t: Str<8>)", "text: Str<8>)"],
    ["a parameter's type", "t: Str<8>)", "t: Slice<8>)"],
    ["a text's length", "t: Str<8>)", "t: Str<9>)"],
    ["lend for move", "b: Borrow<R>", "b: RRef<R>"],
    ["the order of parameters", "r: RRef<R>, b: Borrow<R>", "b: Borrow<R>, r: RRef<R>"],
    ["a result", "RpcResult<u32, E>", "RpcResult<u64, E>"],
    ["a result field's name", "{ s: u32;", "{ r: u32;"],
    ["the order of result fields", "{ s: u32; t: u64 }", "{ t: u64; s: u32 }"],
    ["one value instead of fields", "RpcResult<{ s: u32; t: u64 }, never>", "RpcResult<u64, never>"],
    ["an error enum for never", "t: u64 }, never>", "t: u64 }, E>"],
    ["a member of the error enum", "{ Io, Full }", "{ Io, Full, Gone }"],
    ["the order of its members", "{ Io, Full }", "{ Full, Io }"],
    ["a field's name", "a: u32; b: u32", "a: u32; c: u32"],
    ["a field's type", "a: u32; b: u32", "a: u32; b: u16"],
    ["the order of fields of one type", "a: u32; b: u32", "b: u32; a: u32"],
    ["the length of bytes in a record", "Bytes<8>", "Bytes<9>"],
    ["an enum in a record", "{ Off, On }", "{ On, Off }"],
    ["a record that a slot holds", "S = { x: u32 }", "S = { x: u64 }"],
    ["a container's length", "Deque<R, 4>", "Deque<R, 5>"],
    ["a container's kind", "Deque<R, 4>", "Array<R, 4>"],
    ["an interface that is passed", "ping():", "pong():"],
    ["the order of methods of a passed interface", "ping(): RpcResult<void, never>", "ping(): RpcResult<u8, never>"],
  ])("change with %s", (_what, from, to) => {
    expect(change(from, to)).not.toBe(of(BASE));
  });

  it("change with the order of methods", () => {
    const text = (a: string, b: string): string =>
      `export interface I { ${a}(): RpcResult<void, never>; ${b}(): RpcResult<void, never> }`;
    expect(of(text("a", "b"))).not.toBe(of(text("b", "a")));
  });

  it.each([
    ["comments", "/** First. */", "/** Another. */"],
    ["a record that nothing reaches", "Unused = { y: u32 }", "Unused = { y: u64 }"],
  ])("stay with %s", (_what, from, to) => {
    expect(change(from, to)).toBe(of(BASE));
  });

  it("stay when declarations move to another place or file", () => {
    const lines = "export declare enum E { Io, Full }\n";
    const rest = BASE.replace("export declare enum E { Io, Full }", "");
    const moved = compileInterfaces(
      new Map([
        ["interfaces/e.ts", PRELUDE + lines],
        ["interfaces/z.ts", `${PRELUDE}import type { E } from "./e.ts";\n${rest}`],
      ]),
    );
    expect(moved.interfaces["I"]!.fingerprint).toBe(of(BASE));
    expect(of(rest + lines)).toBe(of(BASE));
  });

  it("of types change with what their slots reach", () => {
    const type = (text: string): string => compile(text).types["R"]!.fingerprint;
    expect(type(BASE)).not.toBe(type(BASE.replace("S = { x: u32 }", "S = { x: u64 }")));
    expect(type(BASE)).toBe(type(BASE.replace("{ Io, Full }", "{ Io }")));
  });

  it("differ between records of the same shape", () => {
    const model = compile("export type A = { x: u32 };\nexport type B = { x: u32 };");
    expect(model.types["A"]!.fingerprint).not.toBe(model.types["B"]!.fingerprint);
  });
});

describe("the interfaces of the system", () => {
  it("compile, and every file of interfaces/ but the prelude declares something", () => {
    const model = realModel();
    const files = readdirSync(join(import.meta.dirname, "../../../interfaces")).filter((f) => f.endsWith(".ts"));
    const declared = new Set(Object.values(model.interfaces).map((i) => i.file));
    expect([...declared].toSorted()).toEqual(
      files
        .filter((f) => f !== "prelude.ts")
        .map((f) => `interfaces/${f}`)
        .toSorted(),
    );
  });

  it("have a comment on every interface, record and error", () => {
    const model = realModel();
    for (const i of Object.values(model.interfaces)) expect(i.doc, i.name).not.toBe("");
    for (const t of Object.values(model.types)) if (t.kind === "record") expect(t.doc, t.name).not.toBe("");
  });
});

describe("reference pages", () => {
  it("show methods, wire names, errors and layouts", () => {
    const model = realModel();
    const pages = emitReference(model);
    const page = pages.get("BlockDevice.md")!;
    const { fingerprint } = model.interfaces["BlockDevice"]!;
    expect(page).toContain("# BlockDevice\n\nA device of fixed size");
    expect(page).toContain("read(request: RRef<BlockRequest>): RpcResult<RRef<BlockRequest>, BlockError>");
    expect(page).toContain(`Server export: \`BlockDevice$${fingerprint}$read\`.`);
    expect(page).toContain("| 1 | `OutOfRange` | The block number is not below the capacity. |");
    expect(page).toContain(
      "| 0 | 4096 | `data` | `Bytes<4096>` | The block's contents; first, so that they begin on a cache line. |",
    );
    expect(pages.get("README.md")).toContain(`| [BlockDevice](BlockDevice.md) |`);
    expect(pages.get("Echo.md")).toContain("Client import: `(i32, i32, i32, f64, i32) → i32`.");
  });

  it("keep tables whole whatever a comment holds", () => {
    const model = compile(
      "export declare enum E {\n  /** a | b\n   * c */\n  A }\nexport interface I { f(): RpcResult<void, E> }",
    );
    expect(emitReference(model).get("I.md")).toContain("| 0 | `A` | a \\| b c |");
  });
});

describe("host types", () => {
  it("map values as the kernel marshals them", () => {
    const echo = emitHost(realModel()).get("echo.ts")!;
    expect(echo).toContain(
      "  scalars(small: number, big: bigint, real: number): RpcResult<{ big: bigint; small: number; real: number }, keyof typeof EchoError>;",
    );
    expect(echo).toContain("  slice(data: Uint8Array): RpcResult<Uint8Array, keyof typeof EchoError>;");
    expect(echo).toContain("  deque(packets: PacketDeque32): RpcResult<PacketDeque32, never>;");
    expect(echo).toContain("  callback(peer: EchoClient): RpcResult<EchoClient, keyof typeof EchoError>;");
  });
});
