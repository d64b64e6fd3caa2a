/**
 * The two WebAssembly components that the component-model peers share: one text for all engines.
 *
 * Invariant: jco and Wasmtime run the same components; only the composition around them differs.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CHAIN_LENGTH, chainText } from "../lib/cycles.ts";
import { BENCH, buildFolder } from "../lib/paths.ts";

/** Texts of the component that is called and of the one that calls. */
export function componentTexts(): { callee: string; caller: string; composed: string } {
  const read = (file: string): string => readFileSync(join(BENCH, "peers", "components", file), "utf8");
  const callee = read("callee.wat");
  const caller = read("caller.wat");
  return { callee, caller, composed: `(component\n${callee}${caller}${read("composed.wat")})\n` };
}

/** Writes the composed component and the calibration chain where another program can read them. */
export function writeForOthers(): { composed: string; chain: string; chainLength: number } {
  const folder = buildFolder("peers");
  const composed = join(folder, "composed.wat");
  const chain = join(folder, "chain.wat");
  writeFileSync(composed, componentTexts().composed);
  writeFileSync(chain, chainText());
  return { composed, chain, chainLength: CHAIN_LENGTH };
}
