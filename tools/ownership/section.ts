/**
 * The custom section `samara.ownership`: what was proved of an accepted program, for a verifier to prove again.
 *
 * UTF-8 JSON; README.md describes it. Invariant: it is the last section, so that no offset of the source map moves.
 */
import type { Proof } from "./check.ts";

export const SECTION = "samara.ownership";
const VERSION = 1;
const CUSTOM = 0;

function leb(value: number): number[] {
  const bytes: number[] = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return [...bytes, value];
}

/**
 * @param module a Wasm module
 * @param realPath the path of a source as people know it
 * @returns the module with the section behind it
 */
export function appendSection(
  module: Uint8Array,
  proofs: readonly Proof[],
  realPath: (path: string) => string,
): Uint8Array {
  const functions = proofs.map(({ path, name, modes, facts }) => ({
    file: realPath(path),
    name,
    parameters: modes,
    facts: facts.map(({ line, column, place, state }) => [line, column, place, state]),
  }));
  const encoder = new TextEncoder();
  const name = encoder.encode(SECTION);
  const text = encoder.encode(JSON.stringify({ version: VERSION, functions }));
  const head = [...leb(name.length), ...name];
  const section = [CUSTOM, ...leb(head.length + text.length), ...head];
  const whole = new Uint8Array(module.length + section.length + text.length);
  whole.set(module);
  whole.set(section, module.length);
  whole.set(text, module.length + section.length);
  return whole;
}
