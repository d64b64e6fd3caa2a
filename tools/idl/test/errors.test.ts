/**
 * What the IDL compiler refuses, and how it says so.
 */
import { describe, expect, it } from "vitest";
import { compileInterfaces, IdlErrors } from "../index.ts";
import { FILES } from "./bad/files.ts";
import { METHODS } from "./bad/methods.ts";
import { RECORDS } from "./bad/records.ts";
import { TYPES } from "./bad/types.ts";

const FILE = "interfaces/bad.ts";
const BAD_INPUTS = [...TYPES, ...METHODS, ...RECORDS, ...FILES];

function messageOf(sources: Record<string, string>): string {
  try {
    compileInterfaces(new Map(Object.entries(sources)));
  } catch (error) {
    if (error instanceof IdlErrors) return error.message;
    throw error;
  }
  return "accepted";
}

/** The whole message that the marks in a source stand for. */
function expected(marked: string, reason: string, instead: string): { source: string; message: string } {
  const start = marked.indexOf("«");
  const end = marked.indexOf("»") - 1;
  const source = marked.replace(/[«»]/g, "");
  const before = source.slice(0, start);
  const line = before.split("\n").length;
  const column = start - (before.lastIndexOf("\n") + 1);
  const text = source.split("\n")[line - 1]!;
  const width = Math.min(end - start, text.length - column);
  const message = [
    `${FILE}:${line}:${column + 1}: error: ${reason}`,
    `  ${text}`,
    `  ${" ".repeat(column)}${"^".repeat(width)}`,
    `  write ${instead}`,
  ].join("\n");
  return { source, message };
}

describe("bad inputs", () => {
  it.each(BAD_INPUTS.map((input) => [input.name, input] as const))("%s", (_name, input) => {
    const { source, message } = expected(input.source, input.reason, input.instead);
    expect(messageOf({ [FILE]: source })).toBe(message);
  });
});

describe("errors of several files", () => {
  const prelude = 'import type { u32, RpcResult, RRef } from "./prelude.ts";\n';

  it("reports all of them, by file and place", () => {
    const message = messageOf({
      "interfaces/b.ts": `${prelude}export type B = { x: string; y: number };\n`,
      "interfaces/a.ts": `${prelude}export interface A { f(): u32; g(x: B): RpcResult<void, never> }\n`,
    });
    expect(message.split("\n").filter((line) => line.includes("error:"))).toEqual([
      "interfaces/a.ts:2:27: error: `f` must return `RpcResult`: any call can meet a dead domain",
      "interfaces/a.ts:2:37: error: `B` is declared in interfaces/b.ts, and not imported here",
      "interfaces/b.ts:2:22: error: `string` cannot cross a domain boundary as a field",
      "interfaces/b.ts:2:33: error: `number` cannot cross a domain boundary as a field",
    ]);
    expect(message).toContain('write `import type { B } from "./b.ts"` at the top');
  });

  it("refuses a name that two files declare", () => {
    const text = `${prelude}export type Twice = { x: u32 };\n`;
    const message = messageOf({ "interfaces/a.ts": text, "interfaces/b.ts": text });
    expect(message).toContain("interfaces/b.ts:2:13: error: `Twice` is declared twice: first at interfaces/a.ts:2");
  });

  it("refuses an import from the wrong file", () => {
    const message = messageOf({
      "interfaces/a.ts": `${prelude}export type A = { x: u32 };\n`,
      "interfaces/b.ts": `${prelude}export type B = { x: u32 };\n`,
      "interfaces/c.ts": `import type { A } from "./b.ts";\n`,
    });
    expect(message).toContain("interfaces/c.ts:1:15: error: interfaces/b.ts declares no `A`");
    expect(message).toContain("write the file that declares it, interfaces/a.ts");
  });

  it("refuses two files of one name", () => {
    const message = messageOf({
      "interfaces/a.ts": `${prelude}export type A = { x: u32 };\n`,
      "test/a.ts": `import type { u32 } from "../interfaces/prelude.ts";\nexport type B = { x: u32 };\n`,
    });
    expect(message).toContain("test/a.ts and interfaces/a.ts have the same file name");
  });

  it("keeps the caret below the text behind tabs", () => {
    const message = messageOf({ [FILE]: `${prelude}export type A = {\n\tx: string;\n};\n` });
    expect(message).toContain("\n  \tx: string;\n  \t   ^^^^^^\n");
  });

  it("never ends in anything but IdlErrors, whatever the text", () => {
    const good = [
      `${prelude}export type A = { x: u32; next: RRef<A> };`,
      "export interface I { f(a: RRef<A>): RpcResult<u32, never> }\n",
    ].join("\n");
    for (let cut = 0; cut < good.length; cut++) {
      messageOf({ [FILE]: good.slice(0, cut) });
      messageOf({ [FILE]: good.slice(0, cut) + good.slice(cut + 1) });
      messageOf({ [FILE]: `${good.slice(0, cut)}<${good.slice(cut)}` });
    }
  });
});
