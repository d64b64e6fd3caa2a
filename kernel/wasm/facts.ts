/**
 * What is known about handles in locals while a body is lowered: the removal of checks.
 *
 * A fact says: this local holds a handle that was checked, its object's address and size are in these locals, and so
 * many bytes are proven to be inside. It holds until the local is assigned, or until a call that may change an owner:
 * an object that a domain owns only stops being its own by a call that this domain makes (a tick moves nothing).
 *
 * Invariant: at every point of the body, on every path that leads to it, the live facts are true. A fact leaves the
 * live set only when it was killed, or at the end of the block that it was made in; so its two locals can be used
 * again for another fact. Branches are handled by positions: after a block a fact from before it holds if nothing
 * between the block's first and last byte kills it, and the same makes a fact hold at a loop's head.
 */
import type { Access } from "./intrinsics.ts";
import type { Module } from "./module.ts";
import { Op, POPS } from "./opcodes.ts";
import { Reader } from "./reader.ts";
import { StackModel } from "./stack.ts";
import type { Target } from "./targets.ts";

export interface Fact {
  /** The local that holds the handle. */
  readonly local: number;
  /** Which pair of locals holds address and size. */
  readonly slot: number;
  readonly address: number;
  readonly size: number;
  /** An i64: the largest offset at which `width` bytes are inside, negative when none is. -1: it is not kept. */
  readonly limit: number;
  readonly width: number;
  /** Bytes from the object's start that are proven to be inside. */
  readonly bytes: number;
}

/** At most this many facts at a time: bounds the work at each block, and the locals that are added. */
export const MAX_FACTS = 16;

/** At most this many handles are prepared at loop heads: bounds the search at each loop. */
const MAX_PREPARED = 16;

/** Positions of everything that kills or uses facts in one body, and where its blocks end. */
export class BodyIndex {
  /** Position after the `end` of each block, in the order in which the blocks begin. */
  readonly ends: number[] = [];
  readonly #assignments = new Map<number, number[]>();
  readonly #calls: number[] = [];
  /** Accesses through a handle in a local. */
  readonly #uses = new Map<number, number[]>();
  /** Width of the last one of them whose offset is no constant. */
  readonly widths = new Map<number, number>();

  constructor(m: Module, targets: readonly Target[], impure: Uint8Array, start: number, end: number) {
    const r = new Reader(m.bytes, start, end);
    const stack = new StackModel();
    const open: number[] = [];
    let last = -1;
    let op = -1;
    while (r.pos < end) {
      last = op;
      op = r.next();
      if (op === Op.localSet || op === Op.localTee) note(this.#assignments, r.a, r.start);
      if (POPS[op] !== 0xff) {
        stack.plain(op, r.a);
        continue;
      }
      if (op === Op.block || op === Op.loop || op === Op.if) open.push(this.ends.push(end) - 1);
      else if (op === Op.end) {
        const block = open.pop();
        if (block !== undefined) this.ends[block] = r.pos;
      } else if (op === Op.call) {
        const handle = stack.peek(1);
        const access = handle >= 0 ? accessOf(targets[r.a]) : null;
        if (access !== null) note(this.#uses, handle, r.start);
        if (access !== null && last !== Op.i32Const) this.widths.set(handle, access.width);
      }
      if (killsAll(op, r.a, impure)) this.#calls.push(r.start);
      if (op === Op.call) stack.call(m.types[m.functions[r.a]!]!);
      else stack.clear();
    }
  }

  /** Whether a fact about `local` could be killed by an instruction that begins in [start, end). */
  kills(local: number, start: number, end: number): boolean {
    return anyWithin(this.#calls, start, end) || anyWithin(this.#assignments.get(local), start, end);
  }

  /** Locals through which the loop in [start, end) accesses objects, and whose facts it does not kill. */
  *loopHandles(start: number, end: number): Iterable<number> {
    let count = 0;
    for (const [local, uses] of this.#uses) {
      if (count++ === MAX_PREPARED) return;
      if (anyWithin(uses, start, end) && !this.kills(local, start, end)) yield local;
    }
  }
}

function note(positions: Map<number, number[]>, local: number, position: number): void {
  const list = positions.get(local);
  if (list === undefined) positions.set(local, [position]);
  else list.push(position);
}

function accessOf(target: Target | undefined): Access | null {
  const intrinsic = target?.kind === "intrinsic" ? target.intrinsic : null;
  return intrinsic?.kind === "load" || intrinsic?.kind === "store" ? intrinsic : null;
}

/** Whether the instruction is a call that may change the owner of an object. */
export function killsAll(op: number, callee: number, impure: Uint8Array): boolean {
  if (op === Op.call || op === Op.returnCall) return impure[callee] !== 0;
  return op === Op.callIndirect || op === Op.returnCallIndirect;
}

function anyWithin(positions: readonly number[] | undefined, start: number, end: number): boolean {
  if (positions === undefined) return false;
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (positions[middle]! < start) low = middle + 1;
    else high = middle;
  }
  return low < positions.length && positions[low]! < end;
}

interface Block {
  readonly start: number;
  readonly loop: boolean;
  readonly facts: readonly Fact[];
}

/** The live facts, along one walk over a body. */
export class Facts {
  #live: readonly Fact[] = [];
  #index: BodyIndex | null = null;
  #nextBlock = 0;
  readonly #open: Block[] = [];

  /** Begins a body; without an index no facts are kept. */
  begin(index: BodyIndex | null): void {
    this.#live = [];
    this.#index = index;
    this.#nextBlock = 0;
    this.#open.length = 0;
  }

  get enabled(): boolean {
    return this.#index !== null;
  }

  find(local: number): Fact | null {
    for (const fact of this.#live) if (fact.local === local) return fact;
    return null;
  }

  /** Width of accesses through `local` at offsets that are no constants, for which a limit is worth keeping; or 0. */
  width(local: number): number {
    return this.#index?.widths.get(local) ?? 0;
  }

  /** A pair of locals that no live fact uses, or -1. */
  freeSlot(): number {
    for (let slot = 0; slot < MAX_FACTS; slot++) {
      if (!this.#live.some((fact) => fact.slot === slot)) return slot;
    }
    return -1;
  }

  /** Adds a fact, or replaces the one about the same local. */
  put(fact: Fact): void {
    const rest = this.#live.filter((other) => other.local !== fact.local);
    this.#live = rest.length < MAX_FACTS ? [...rest, fact] : rest;
  }

  /** `local` was assigned; `source` is the local whose value it now has, or -1. */
  assign(local: number, source: number): void {
    if (local === source) return;
    const known = source < 0 ? null : this.find(source);
    if (this.find(local) !== null) this.#live = this.#live.filter((fact) => fact.local !== local);
    if (known !== null) this.put({ ...known, local });
  }

  killAll(): void {
    if (this.#live.length > 0) this.#live = [];
  }

  /** Handles that are worth preparing before the loop which begins at `start`: see `AccessWriter.prepare`. */
  *unprepared(start: number): Iterable<number> {
    const index = this.#index!;
    for (const local of index.loopHandles(start, index.ends[this.#nextBlock]!)) {
      if (this.find(local) === null) yield local;
    }
  }

  /** A block, if or loop begins at `start`. */
  open(start: number, loop: boolean): void {
    const index = this.#index!;
    const end = index.ends[this.#nextBlock++]!;
    if (loop) this.#live = this.#live.filter((fact) => !index.kills(fact.local, start, end));
    this.#open.push({ start, loop, facts: this.#live });
  }

  else(): void {
    this.#live = this.#open.at(-1)!.facts;
  }

  /** A block ends at `end`. A loop is only left through its end, so what holds there still does. */
  close(end: number): void {
    const block = this.#open.pop();
    if (block === undefined || block.loop) return;
    this.#live = block.facts.filter((fact) => !this.#index!.kills(fact.local, block.start, end));
  }
}
