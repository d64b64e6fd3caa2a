/**
 * Tests of the build's own parts: frames of messages, stamps, and what is said about a domain that cannot be built.
 * Whole systems are built by the tests under test/integration.
 */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Model } from "#kernel/interface/model.ts";
import { BUILD, ROOT } from "../lib/paths.ts";
import { compileAssemblyScript } from "./assemblyscript.ts";
import { buildDomain, findDomains, loadDescriptor } from "./domain.ts";
import { frame } from "./errors.ts";
import { loadSystem } from "./index.ts";
import { isFresh, writeStamp } from "./stamp.ts";

const MODEL: Model = { interfaces: {}, types: {}, enums: {} };
/** Scratch domains live below build/, where nothing else looks for domains. */
const SCRATCH = `build/scratch/${process.pid}`;

function scratch(name: string, files: Record<string, string>): string {
  const dir = join(ROOT, SCRATCH, name);
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return `${SCRATCH}/${name}`;
}
const DESCRIPTOR = 'export default { description: "a test" };';

beforeAll(() => mkdirSync(join(ROOT, SCRATCH), { recursive: true }));
afterAll(() => rmSync(join(ROOT, SCRATCH), { recursive: true, force: true }));

test("a message names file, line and column and points at the place", () => {
  const text = "let a = 1;\n\tlet b: x = 2;\n";
  const start = text.indexOf("x");
  expect(frame("a.ts", text, start, start + 1, "unknown")).toBe(
    ["a.ts:2:9: error: unknown", "    \tlet b: x = 2;", "    \t       ^"].join("\n"),
  );
  expect(frame("a.ts", "x", 0, 5, "m")).toBe("a.ts:1:1: error: m\n    x\n    ^");
});

describe("stamps", () => {
  test("a product is stale when options or any input changed, appeared or vanished", () => {
    const dir = scratch("stamp", { "a.ts": "a", product: "p" });
    const product = join(ROOT, dir, "product");
    const name = `scratch-${process.pid}`;
    const inputs = new Map([
      [`${dir}/a.ts`, "a"],
      [`${dir}/b.ts`, null],
    ]);
    expect(isFresh(name, "o", product)).toBe(false);
    writeStamp(name, "o", inputs);
    expect(isFresh(name, "o", product)).toBe(true);
    expect(isFresh(name, "p", product)).toBe(false);
    expect(isFresh(name, "o", `${product}-not`)).toBe(false);
    writeFileSync(join(ROOT, dir, "a.ts"), "A");
    expect(isFresh(name, "o", product)).toBe(false);
    writeFileSync(join(ROOT, dir, "a.ts"), "a");
    writeFileSync(join(ROOT, dir, "b.ts"), "b");
    expect(isFresh(name, "o", product)).toBe(false);
    rmSync(join(BUILD, "cache", `${name}.json`));
  });
});

describe("domains", () => {
  test("a small domain compiles once, with a source map, and is fresh afterwards", async () => {
    const dir = scratch("small", {
      "domain.ts": DESCRIPTOR,
      "index.ts": 'import { twice } from "./lib";\nexport function f(x: i32): i32 { return twice(x); }\n',
      "lib.ts": "export function twice(x: i32): i32 { return x * 2; }\n",
    });
    const first = await buildDomain(dir, MODEL);
    expect(first.compiled).toBe(true);
    const { instance } = await WebAssembly.instantiate(first.bytes, { env: { abort: () => undefined } });
    expect((instance.exports.f as (x: number) => number)(21)).toBe(42);
    expect(JSON.parse(first.sourceMap!).sources).toContain(`${dir}/lib.ts`);
    expect((await buildDomain(dir, MODEL)).compiled).toBe(false);
    writeFileSync(join(ROOT, dir, "lib.ts"), "export function twice(x: i32): i32 { return x << 1; }\n");
    expect((await buildDomain(dir, MODEL)).compiled).toBe(true);
  });

  test("compiler errors come with their place, all of them", async () => {
    const dir = scratch("broken", { "index.ts": 'export function f(): i32 {\n  return g() + "x";\n}\nlet h: nope;\n' });
    const build = compileAssemblyScript(dir, { description: "x" });
    await expect(build).rejects.toThrow(
      `${dir}/index.ts:2:10: error: Cannot find name 'g'.\n      return g() + "x";\n`,
    );
  });

  test("unsafe code is refused in a domain", async () => {
    const dir = scratch("unsafe", { "index.ts": "export function f(): i32 { return load<i32>(0); }\n" });
    await expect(compileAssemblyScript(dir, { description: "x" })).rejects.toThrow(
      `${dir}/index.ts:1:35: error: Operation is unsafe.`,
    );
  });

  test.each([
    ["no descriptor", {}, "domain.ts: error: there is no such file"],
    ["no default export", { "domain.ts": "export const a = 1;" }, "domain.ts: error: no default export"],
    ["no source", { "domain.ts": DESCRIPTOR }, "error: there is neither an index.ts nor a C file"],
    ["bad descriptor", { "domain.ts": "export default { provide: {} };" }, 'unknown key (did you mean "provides"?)'],
  ])("%s", async (name, files, message) => {
    const dir = scratch(name.replaceAll(" ", "-"), files);
    await expect(buildDomain(dir, MODEL)).rejects.toThrow(message);
  });

  test("two domains of one name are refused", () => {
    for (const root of ["one", "two"]) scratch(`${root}/same`, { "domain.ts": DESCRIPTOR });
    const roots = [`${SCRATCH}/one`, `${SCRATCH}/two`];
    expect(() => findDomains(roots)).toThrow(`${roots[1]}/same: error: ${roots[0]}/same has the same name`);
    expect([...findDomains([roots[0]!, `${SCRATCH}/none`]).keys()]).toEqual(["same"]);
  });

  test("a folder that does not exist is named", async () => {
    await expect(loadDescriptor("domains/none", MODEL)).rejects.toThrow("domains/none/domain.ts: error:");
  });
});

test("an unknown system is refused with the nearest name", async () => {
  await expect(loadSystem("../etc")).rejects.toThrow("there is no systems/../etc.ts");
});
