/**
 * Programs for the ownership check, and what it says of them.
 *
 * A wrong program is an exported function; the comment lines `//!` behind a line are what the check says of that line:
 * `//! COLUMN: message`, going on in `//!   …`. A place in a message is `@LINES:COLUMN`, counted from the line itself
 * without such comments. Invariant: what is read from the comments and from the messages is in the same terms.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { compileAssemblyScript, type Compiled } from "#tools/build/assemblyscript.ts";
import { loadDescriptor } from "#tools/build/domain.ts";
import { buildInterfaces } from "#tools/build/interfaces.ts";
import { ROOT } from "#tools/lib/paths.ts";

/** One message, as `LINE:COLUMN: text`, the line without counting comments. */
export type Said = string;

export interface Source {
  readonly expected: readonly Said[];
  /** Exported functions: name → first line, without counting comments; in their order. */
  readonly functions: ReadonlyMap<string, number>;
  /** Line as the compiler counts → line without comments. */
  readonly lines: readonly number[];
}

function readSource(file: string): Source {
  const expected: string[] = [];
  const functions = new Map<string, number>();
  const lines = [0];
  let line = 0;
  for (const text of readFileSync(file, "utf8").split("\n")) {
    const comment = /^\s*\/\/! (.*)$/.exec(text)?.[1];
    if (comment === undefined) line++;
    lines.push(line);
    if (comment?.startsWith("  ") === true) expected.push(`${expected.pop()} ${comment.trim()}`);
    else if (comment !== undefined) expected.push(`${line}:${comment}`);
    const name = /^export function (\w+)/.exec(text)?.[1];
    if (name !== undefined) functions.set(name, line);
  }
  return { expected, functions, lines };
}

/** The files of a folder of programs, by name. */
export function readPrograms(dir: string): Map<string, Source> {
  const folder = join(ROOT, dir, "programs");
  return new Map(readdirSync(folder).map((file) => [file, readSource(join(folder, file))]));
}

/** Compiles a folder of programs with the check's messages as warnings. */
export async function compilePrograms(dir: string): Promise<{ compiled: Compiled; warnings: string }> {
  let warnings = "";
  const descriptor = await loadDescriptor(dir, await buildInterfaces());
  const compiled = await compileAssemblyScript(dir, descriptor, "quick", (text) => (warnings = text));
  return { compiled, warnings };
}

/** What the check said, by file, in the terms of the comments. */
export function saidOf(warnings: string, programs: ReadonlyMap<string, Source>): Map<string, Said[]> {
  const said = new Map([...programs.keys()].map((file): [string, Said[]] => [file, []]));
  for (const [, file, line, column, message] of warnings.matchAll(/^\S*\/(\w+\.ts):(\d+):(\d+): warning: (.*)$/gm)) {
    const { lines } = programs.get(file!)!;
    const at = lines[Number(line)]!;
    const text = message!.replace(/\b(\d+):(\d+)\b/g, (_, l: string, c: string) => {
      const from = lines[Number(l)]! - at;
      return `@${from > 0 ? "+" : ""}${from}:${c}`;
    });
    said.get(file!)!.push(`${at}:${column}: ${text}`);
  }
  return said;
}
