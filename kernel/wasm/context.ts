/**
 * What lowering adds to a module: types, helper functions, two globals, the capability table.
 *
 * Invariant: additions come at the end of their index spaces, so no index of the original changes.
 */
import { CORE_EPOCH } from "../../shared-heap/layout.ts";
import { I32, type Signature } from "../interface/model.ts";
import { call, i32, ledger, u32, when, type Code } from "./asm.ts";
import { chunkedBulk, isFill, type BulkInstruction } from "./bulk.ts";
import { HELPERS, type HelperCode } from "./helpers.ts";
import type { Module } from "./module.ts";
import { Bulk, Op } from "./opcodes.ts";
import { OffsetMap } from "./offsets.ts";
import type { LowerOptions, LowerStats } from "./policy.ts";
import { resetBody } from "./reset.ts";
import type { Scan } from "./scan.ts";
import type { Target } from "./targets.ts";
import { Writer } from "./writer.ts";

/** Place of the branch in the code of a tick. */
export const TICK_BRANCH = 6;

export interface AddedFunction {
  readonly type: number;
  /** Number of i32 locals. */
  readonly locals: number;
  readonly body: ArrayLike<number>;
}

export class LowerContext {
  readonly m: Module;
  readonly targets: readonly Target[];
  readonly scan: Scan;
  readonly elide: boolean;
  readonly ticking: boolean;
  readonly unchecked: boolean;
  readonly ledgerBytes: number;
  /** Indices of the added globals and table. */
  readonly owner: number;
  readonly record: number;
  readonly caps: number;
  /** Index of the function `samara:reset`. */
  readonly reset: number;
  /** `if (epoch) call tick`; empty when ticks are off. */
  readonly tick: Code;
  readonly addedTypes: Signature[] = [];
  readonly addedFunctions: AddedFunction[] = [];
  readonly offsets = new OffsetMap();
  /** Entries of the branch hint section, and how many functions they are for. */
  readonly hints = new Writer(1024);
  hintedFunctions = 0;
  readonly stats: { -readonly [K in keyof LowerStats]: number } = {
    sites: 0,
    ownerChecks: 0,
    boundChecks: 0,
    elided: 0,
    ticks: 0,
  };
  readonly #types = new Map<string, number>();
  readonly #functions = new Map<string, number>();

  constructor(m: Module, targets: readonly Target[], scan: Scan, options: LowerOptions) {
    this.m = m;
    this.targets = targets;
    this.scan = scan;
    this.unchecked = options.unchecked ?? false;
    this.elide = (options.elide ?? true) && !this.unchecked;
    this.ticking = options.tick ?? true;
    this.ledgerBytes = options.ledgerPages * 65536;
    this.owner = m.globals;
    this.record = m.globals + 1;
    this.caps = m.tables.length;
    this.reset = this.#add("reset", () => ({ params: [], results: [], locals: 0, body: resetBody(m) }));
    // The indirect call has a function of its own: code at each loop head stays short, for the compiler's sake.
    this.tick = this.ticking ? when(ledger(i32(0), CORE_EPOCH), call(this.#add("tick", () => this.#callTick()))) : [];
  }

  /** Notes branches of a function that are hardly ever taken: `places` in its code, which follows `before` bytes. */
  addHints(index: number, places: readonly number[], before: number): void {
    if (places.length === 0) return;
    this.hintedFunctions++;
    this.hints.u32(index).u32(places.length);
    for (const place of places)
      this.hints
        .u32(before + place)
        .u8(1)
        .u8(0);
  }

  /** Index of a function type among the added ones. */
  type(signature: Signature): number {
    const key = `${signature.params.join()}:${signature.results.join()}`;
    let index = this.#types.get(key);
    if (index === undefined) {
      index = this.m.types.length + this.addedTypes.push(signature) - 1;
      this.#types.set(key, index);
    }
    return index;
  }

  /** Index of the function for a helper intrinsic. */
  helper(name: string): number {
    return this.#add(name, () => HELPERS[name]!({ owner: this.owner, tick: this.tick, bulk: (b) => this.bulk(b) }));
  }

  /** Index of the function that does a bulk instruction in chunks. */
  bulk(instruction: BulkInstruction): number {
    const { op, first, second } = instruction;
    return this.#add(`${op} ${first} ${isFill(op) ? 0 : second}`, () => ({
      params: [I32, op === Bulk.tableFill ? this.m.tables[first]! : I32, I32],
      results: [],
      locals: 0,
      body: chunkedBulk(instruction, this.tick),
    }));
  }

  #callTick(): HelperCode {
    const type = this.type({ params: [], results: [] });
    const body = [...i32(0), Op.callIndirect, ...u32(type), ...u32(this.caps), Op.end];
    return { params: [], results: [], locals: 0, body };
  }

  #add(key: string, make: () => Signature & Omit<AddedFunction, "type">): number {
    let index = this.#functions.get(key);
    if (index === undefined) {
      const { params, results, locals, body } = make();
      const added = { type: this.type({ params, results }), locals, body };
      index = this.m.functions.length + this.addedFunctions.push(added) - 1;
      this.#functions.set(key, index);
    }
    return index;
  }
}
