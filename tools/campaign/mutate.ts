/**
 * Mutates the code of a Wasm module at one instruction: a constant, a branch, or a comparison.
 *
 * Invariant: everything else is as it was, and the format is kept; whether types still fit, and what the code may do,
 * admission decides as for any module.
 */
import { parseModule, Section, type Module } from "#kernel/wasm/module.ts";
import { Op } from "#kernel/wasm/opcodes.ts";
import { Reader } from "#kernel/wasm/reader.ts";
import { readLocals } from "#kernel/wasm/scan.ts";
import { Writer } from "#kernel/wasm/writer.ts";
import type { Random } from "./random.ts";

export const MUTATIONS = ["constant", "branch", "comparison"] as const;
export type Mutation = (typeof MUTATIONS)[number];

/** An instruction that can be mutated. */
interface Site {
  readonly body: number;
  readonly start: number;
  readonly end: number;
  readonly op: number;
  /** For `i32.const`: its value. */
  readonly value: number;
}

export interface Mutant {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly mutation: Mutation;
  /** Where, and what was done: for people. */
  readonly what: string;
}

const I32_EQZ = 0x45;
/** First and last of each group of comparisons; within one all have the same type. */
const COMPARISONS = [
  [0x46, 0x4f],
  [0x51, 0x5a],
  [0x5b, 0x60],
  [0x61, 0x66],
] as const;
const NOP = 0x01;

function kindOf(op: number): Mutation | null {
  if (op === Op.i32Const) return "constant";
  if (op === Op.brIf || op === Op.if) return "branch";
  const compares = COMPARISONS.some(([from, to]) => op >= from && op <= to);
  return op === I32_EQZ || compares ? "comparison" : null;
}

/** A module whose code can be mutated again and again. */
export class Mutator {
  readonly #bytes: Uint8Array;
  readonly #module: Module;
  readonly #sites: Readonly<Record<Mutation, Site[]>> = { constant: [], branch: [], comparison: [] };

  /** @throws AdmissionError for what is no module */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#module = parseModule(bytes);
    const { bodies } = this.#module;
    for (let body = 0; body < bodies.length / 2; body++) this.#scan(body, bodies[body * 2]!, bodies[body * 2 + 1]!);
  }

  #scan(body: number, from: number, to: number): void {
    const reader = new Reader(this.#bytes, from, to);
    readLocals(reader, 0, null);
    while (reader.pos < reader.end) {
      const op = reader.next();
      const kind = kindOf(op);
      if (kind === null) continue;
      this.#sites[kind].push({ body, start: reader.start, end: reader.pos, op, value: reader.a });
    }
  }

  /** How many instructions of each kind there are. */
  get counts(): Record<Mutation, number> {
    const { constant, branch, comparison } = this.#sites;
    return { constant: constant.length, branch: branch.length, comparison: comparison.length };
  }

  /** @throws RangeError when the module has no such instruction */
  mutate(mutation: Mutation, random: Random): Mutant {
    const sites = this.#sites[mutation];
    if (sites.length === 0) throw new RangeError(`the module has no ${mutation}`);
    const site = sites[random(sites.length)]!;
    const [code, what] = REPLACE[mutation](this.#bytes.subarray(site.start, site.end), site, random);
    const name = this.#module.imports.length + site.body;
    return { bytes: this.#splice(site, code), mutation, what: `function ${name}, byte ${site.start}: ${what}` };
  }

  /** The module with other bytes in the place of one instruction; sizes are written anew. */
  #splice({ body, start, end }: Site, code: readonly number[]): Uint8Array<ArrayBuffer> {
    const { bodies } = this.#module;
    const all = new Writer(this.#bytes.length + 64).u32(bodies.length / 2);
    for (let i = 0; i < bodies.length; i += 2) {
      const [from, to] = [bodies[i]!, bodies[i + 1]!];
      if (i !== body * 2) all.u32(to - from).range(this.#bytes, from, to);
      else {
        all.u32(to - from - (end - start) + code.length).range(this.#bytes, from, start);
        all.bytes(code).range(this.#bytes, end, to);
      }
    }
    const out = new Writer(this.#bytes.length + 64);
    const section = this.#codeSection();
    out.range(this.#bytes, 0, section.start).u8(Section.code).u32(all.length).bytes(all.view());
    return out.range(this.#bytes, section.end, this.#bytes.length).view().slice();
  }

  /** With its id and size. */
  #codeSection(): { start: number; end: number } {
    const reader = new Reader(this.#bytes, 8);
    for (;;) {
      const start = reader.pos;
      const id = reader.u8();
      reader.skip(reader.u32());
      if (id === Section.code) return { start, end: reader.pos };
    }
  }
}

type Replacement = readonly [code: readonly number[], what: string];

const REPLACE: Readonly<Record<Mutation, (code: Uint8Array, site: Site, random: Random) => Replacement>> = {
  constant(_, { value }, random) {
    // Mostly a low bit, where programs have their meaning; any bit of the word now and then.
    const changed = value ^ (1 << random(random(4) === 0 ? 32 : 13));
    return [[Op.i32Const, ...new Writer(8).s32(changed).view()], `constant ${value} → ${changed}`];
  },
  branch(code, _, random) {
    const way = random(3);
    if (way === 0) return [[I32_EQZ, ...code], "branch negated"];
    return [[Op.drop, Op.i32Const, way - 1, ...code], `branch ${way === 1 ? "never" : "always"} taken`];
  },
  comparison(_, { op }, random) {
    if (op === I32_EQZ) return [[NOP], "i32.eqz left out"];
    const [from, to] = COMPARISONS.find((group) => op >= group[0] && op <= group[1])!;
    const other = from + ((op - from + 1 + random(to - from)) % (to - from + 1));
    return [[other], `comparison 0x${op.toString(16)} → 0x${other.toString(16)}`];
  },
};
