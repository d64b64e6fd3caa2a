/**
 * Reads every function body once: opcodes, nesting, the bounds on what V8 will do with it, and what it calls.
 *
 * Invariant: after a scan every body consists of known opcodes only, ends where it should, and has a bounded
 * compile cost; `traits` says what lowering must touch, `impure` which functions may change the owner of an object.
 */
import { isTable } from "./bulk.ts";
import { AdmissionError } from "./errors.ts";
import { MAX_COMPILE_WORK, MAX_LOCALS, MAX_NESTING } from "./limits.ts";
import type { Module } from "./module.ts";
import { Bulk, Op, POPS, PUSHES } from "./opcodes.ts";
import { Reader } from "./reader.ts";
import { escapeError, type Target } from "./targets.ts";

/** What a control instruction costs besides the values at it, in values. */
const LABEL_WORK = 12;
const LOOP_BRANCHES = 8;

export const Trait = {
  /** Calls an intrinsic or a method: call sites must be replaced. */
  sites: 1,
  /** Calls something else than an intrinsic: could be part of a cycle of calls. */
  calls: 2,
  loops: 4,
  bulk: 8,
  /** Has checked accesses, so that facts are worth keeping. */
  accesses: 16,
} as const;

export interface Scan {
  /** Bits of `Trait` for each defined function. */
  readonly traits: Uint8Array;
  /** For each function, imports included: 1 when a call of it may change the owner of an object. */
  readonly impure: Uint8Array;
  /** No code changes a table or drops a segment: all other state can be set back. */
  readonly resettable: boolean;
}

/** Growing list of (caller, callee) pairs. */
class Calls {
  pairs = new Uint32Array(1024);
  length = 0;
  add(caller: number, callee: number): void {
    if (this.length === this.pairs.length) {
      const bigger = new Uint32Array(this.length * 2);
      bigger.set(this.pairs);
      this.pairs = bigger;
    }
    this.pairs[this.length++] = caller;
    this.pairs[this.length++] = callee;
  }
}

export function scanBodies(m: Module, targets: readonly Target[]): Scan {
  const traits = new Uint8Array(m.bodies.length / 2);
  const impure = new Uint8Array(m.functions.length);
  targets.forEach((t, i) => {
    const keeps =
      t.kind === "intrinsic"
        ? t.intrinsic.kind !== "helper" || t.intrinsic.keepsFacts
        : t.kind === "kernel" && t.keepsFacts;
    impure[i] = keeps ? 0 : 1;
  });
  const scanner = new BodyScanner(m, targets, impure);
  for (let i = 0; i < traits.length; i++) traits[i] = scanner.scan(i);
  if (traits.some((t) => (t & Trait.accesses) !== 0)) spread(scanner.calls, impure);
  return { traits, impure, resettable: scanner.resettable };
}

/** Marks every caller of an impure function, until nothing changes: each function and call is visited once. */
function spread(calls: Calls, impure: Uint8Array): void {
  const { pairs, length } = calls;
  const first = new Uint32Array(impure.length + 1);
  for (let i = 0; i < length; i += 2) first[pairs[i + 1]! + 1]!++;
  for (let f = 0; f < impure.length; f++) first[f + 1]! += first[f]!;
  const callers = new Uint32Array(length / 2);
  const next = first.slice();
  for (let i = 0; i < length; i += 2) callers[next[pairs[i + 1]!]!++] = pairs[i]!;
  const work: number[] = [];
  impure.forEach((bit, f) => bit !== 0 && work.push(f));
  for (let f = work.pop(); f !== undefined; f = work.pop()) {
    for (let k = first[f]!; k < first[f + 1]!; k++) {
      const caller = callers[k]!;
      if (impure[caller] !== 0) continue;
      impure[caller] = 1;
      work.push(caller);
    }
  }
}

class BodyScanner {
  readonly calls = new Calls();
  resettable = true;
  readonly #m: Module;
  readonly #targets: readonly Target[];
  readonly #impure: Uint8Array;
  /** Stack height after the end of each open block, and at its start; upper bounds in code that can be reached. */
  readonly #after = new Int32Array(MAX_NESTING + 1);
  readonly #before = new Int32Array(MAX_NESTING + 1);
  #function = 0;
  #traits = 0;
  #height = 0;
  #depth = 0;
  #locals = 0;
  #work = 0;

  constructor(m: Module, targets: readonly Target[], impure: Uint8Array) {
    this.#m = m;
    this.#targets = targets;
    this.#impure = impure;
  }

  scan(body: number): number {
    const { bodies, imports, functions, types } = this.#m;
    const r = new Reader(this.#m.bytes, bodies[body * 2]!, bodies[body * 2 + 1]!);
    this.#function = imports.length + body;
    this.#traits = this.#height = this.#work = 0;
    this.#locals = readLocals(r, types[functions[this.#function]!]!.params.length, null);
    this.#depth = 1;
    this.#after[0] = 0;
    while (this.#depth > 0) {
      const op = r.next();
      const pops = POPS[op]!;
      if (pops !== 0xff) this.#height += PUSHES[op]! - pops;
      if (pops === 0xff || op === Op.refFunc || op === Op.tableSet) this.#special(r, op);
      if (this.#height < 0) this.#height = 0; // only in code that cannot be reached, or in an invalid module
    }
    if (r.pos !== r.end) r.fail("malformed", "code after the end of a function");
    return this.#traits;
  }

  #special(r: Reader, op: number): void {
    switch (op) {
      case Op.simd:
        this.#height++;
        return;
      case Op.atomic:
        return;
      case Op.bulk:
        this.#bulk(r);
        return;
      case Op.tableSet:
        this.resettable = false;
        return;
      case Op.refFunc:
        if (r.a < this.#targets.length) throw escapeError(this.#m, this.#targets, r.a, r.start, "used as a value");
        return;
      case Op.call:
      case Op.returnCall:
        this.#call(r);
        return;
      case Op.callIndirect:
      case Op.returnCallIndirect:
        this.#traits |= Trait.calls;
        this.#impure[this.#function] = 1;
        this.#effect(r.a, 1);
        return;
      default:
        this.#control(r, op);
    }
  }

  #effect(type: number, extra: number): void {
    const signature = this.#m.types[type];
    if (signature !== undefined) this.#height += signature.results.length - signature.params.length - extra;
  }

  #call(r: Reader): void {
    const callee = r.a;
    const type = this.#m.functions[callee];
    if (type === undefined) r.fail("invalid", `there is no function ${callee}`, r.start);
    this.#effect(type, 0);
    this.calls.add(this.#function, callee);
    const target = this.#targets[callee];
    if (target === undefined || target.kind === "kernel") this.#traits |= Trait.calls;
    else if (target.kind === "method") this.#traits |= Trait.calls | Trait.sites;
    else if (target.intrinsic.kind === "helper") this.#traits |= Trait.sites;
    else {
      this.#traits |= Trait.sites | Trait.accesses;
      this.#spend(r, 2); // the branches of its checks
    }
  }

  #bulk(r: Reader): void {
    if (r.a === Bulk.dataDrop || (isTable(r.a) && r.a !== Bulk.tableSize)) this.resettable = false;
    if (r.a < Bulk.memoryInit || r.a === Bulk.dataDrop || r.a === Bulk.elemDrop) return;
    if (r.a === Bulk.tableSize) this.#height++;
    else {
      this.#height -= 3;
      this.#traits |= Trait.bulk;
    }
  }

  #control(r: Reader, op: number): void {
    // A loop's head spills every value; its tick and the loop around a short one are more branches.
    this.#spend(r, op === Op.loop ? LOOP_BRANCHES : op === Op.brTable ? 1 + Math.min(r.a, this.#depth) : 1);
    switch (op) {
      case Op.loop:
        this.#traits |= Trait.loops;
        this.#open(r);
        return;
      case Op.if:
        this.#height--;
        this.#open(r);
        return;
      case Op.block:
        this.#open(r);
        return;
      case Op.brIf:
      case Op.brTable:
        this.#height--;
        return;
      case Op.end:
        this.#height = this.#after[--this.#depth]!;
        return;
      case Op.else:
        this.#height = this.#before[this.#depth - 1]!;
        return;
      default: // br, return, unreachable: what follows cannot be reached
    }
  }

  #spend(r: Reader, branches: number): void {
    this.#work += branches * (this.#locals + this.#height + LABEL_WORK);
    if (this.#work <= MAX_COMPILE_WORK) return;
    const detail = `function ${this.#function} has too many branches for its number of locals`;
    throw new AdmissionError("too-large", detail, r.start);
  }

  #open(r: Reader): void {
    if (this.#depth === MAX_NESTING) r.fail("too-large", `blocks nested deeper than ${MAX_NESTING}`, r.start);
    const type = r.a >= 0 ? this.#m.types[r.a] : undefined;
    const params = type === undefined ? 0 : type.params.length;
    const results = type !== undefined ? type.results.length : r.a === -64 ? 0 : 1;
    this.#before[this.#depth] = this.#height;
    this.#after[this.#depth++] = Math.max(0, this.#height - params) + results;
  }
}

/**
 * Reads the declarations of locals; returns how many there are with the parameters. `each` is called per group.
 */
export function readLocals(r: Reader, params: number, each: ((count: number, type: number) => void) | null): number {
  let total = params;
  const at = r.pos;
  for (let groups = r.count("groups of locals", MAX_LOCALS); groups > 0; groups--) {
    const count = r.u32();
    total += count;
    if (total > MAX_LOCALS) r.fail("too-large", `${total} locals, at most ${MAX_LOCALS} are allowed`, at);
    const type = r.valueType();
    if (each !== null) each(count, type);
  }
  return total;
}
