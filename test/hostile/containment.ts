/**
 * How a hand-made module that must be contained is described: its bytes, its calls, what they give.
 */
import type { Code } from "../support/wasm-builder/bytes.ts";
import { ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { STORE } from "./policy.ts";
import type { Call } from "./runner.ts";
import type { World } from "./world.ts";

const { I32 } = op;
export type Expected = number | bigint | "trap";

export interface Contained {
  readonly name: string;
  readonly build: (world: World) => Uint8Array<ArrayBuffer>;
  readonly calls: readonly Call[];
  /** Results of the calls, or null when instantiation traps. */
  readonly expected: readonly Expected[] | null;
}

/** A row whose one function `main` is called once, without parameters. */
export const main = (name: string, result: Expected, fill: (m: ModuleBuilder, world: World) => void): Contained =>
  row(name, [result], fill, [{ name: "main", args: [] }]);

export function row(
  name: string,
  expected: readonly Expected[] | null,
  fill: (m: ModuleBuilder, world: World) => void,
  calls: readonly Call[] = [],
): Contained {
  const build = (world: World): Uint8Array<ArrayBuffer> => {
    const m = new ModuleBuilder();
    fill(m, world);
    return m.build();
  };
  return { name, build, calls, expected };
}

export const load = (m: ModuleBuilder): number => m.importFunc("heap", "load_i32", [I32, I32], [I32]);
export const poke = (m: ModuleBuilder): number => m.importFunc(STORE, "poke", [I32, I32, I32], [I32]);
export const i32main = (m: ModuleBuilder, code: Code, locals: Code = []): number =>
  m.func([], [I32], code, locals, "main");
