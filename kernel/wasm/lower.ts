/**
 * Lowers one function body: replaces call sites of intrinsics and methods, adds ticks, cuts bulk instructions.
 *
 * Source bytes are copied in runs and code is spliced in between; whatever is not replaced stays byte for byte.
 * Invariants: every loop begins with a tick, or is short and has a loop around it that does (`loops.ts`); so does every
 * function that calls anything but intrinsics, which is every function on a cycle of calls. An intrinsic's operands are
 * taken from the stack where the source left them, so that every producer's code can be lowered.
 *
 * For bodies with accesses the walk keeps a small model of the operand stack, which knows which entries are values of
 * locals that have not changed since. Whatever it does not know costs a check, never a wrong one.
 */
import { DOMAIN_RETURN, FIRST_HANDLE } from "../../shared-heap/layout.ts";
import { F32, F64, I32 } from "../interface/model.ts";
import { AccessWriter, Additions } from "./access.ts";
import { HAS_MEMORY_INDEX, LEDGER_MEMORY } from "./asm.ts";
import { isTable } from "./bulk.ts";
import { TICK_BRANCH, type LowerContext } from "./context.ts";
import { AdmissionError } from "./errors.ts";
import { BodyIndex, Facts, killsAll } from "./facts.ts";
import { PEEK_ADDRESS } from "./helpers.ts";
import type { Access, ReturnWord } from "./intrinsics.ts";
import { turnsBetweenTicks } from "./loops.ts";
import { INLINE_BYTES, INLINE_ELEMENTS, MAX_LOWERED_BODY_BYTES } from "./limits.ts";
import { Bulk, Op, POPS } from "./opcodes.ts";
import { Reader } from "./reader.ts";
import { readLocals, Trait } from "./scan.ts";
import { StackModel } from "./stack.ts";
import type { Target } from "./targets.ts";
import { Writer } from "./writer.ts";

/** Instructions that the search for a larger constant offset looks at. */
const LOOK_AHEAD = 96;
const RETURN_OPS: Readonly<Record<number, { get: number; set: number }>> = {
  [I32]: { get: 0x28, set: 0x36 },
  [F32]: { get: 0x2a, set: 0x38 },
  [F64]: { get: 0x2b, set: 0x39 },
};

/** An instruction that was just read: it can still be taken back, since it has not been copied yet. */
interface Recent {
  op: number;
  start: number;
  a: number;
}

export class BodyLowerer {
  readonly #context: LowerContext;
  readonly #code: Writer;
  readonly #w = new Writer(4096);
  readonly #head = new Writer(256);
  readonly #added = new Additions();
  readonly #facts = new Facts();
  readonly #stack = new StackModel();
  readonly #access: AccessWriter;
  #r: Reader;
  #ahead: Reader;
  /** Source bytes before this position have been copied or replaced. */
  #copied = 0;
  #modelled = false;
  /** Blocks that are open inside of the short loop at hand; -1 outside of one. */
  #inShort = -1;
  /** Groups of locals that the source declares. */
  #groups = 0;
  readonly #last: Recent = { op: -1, start: 0, a: 0 };
  readonly #before: Recent = { op: -1, start: 0, a: 0 };

  constructor(context: LowerContext, code: Writer) {
    this.#context = context;
    this.#code = code;
    this.#access = new AccessWriter(context, this.#w, this.#added, this.#facts, (local) => this.#lookAhead(local));
    this.#r = this.#ahead = new Reader(context.m.bytes);
  }

  /** Appends the lowered body, with its size, to the code section. */
  lower(body: number): void {
    const { m, scan, ticking, offsets } = this.#context;
    const start = m.bodies[body * 2]!;
    const end = m.bodies[body * 2 + 1]!;
    const traits = scan.traits[body]!;
    const touched = Trait.sites | Trait.bulk | Trait.accesses | (ticking ? Trait.loops | Trait.calls : 0);
    if ((traits & touched) === 0) {
      this.#code.u32(end - start);
      offsets.copied(this.#code.length, start);
      this.#code.range(m.bytes, start, end);
      return;
    }
    const firstPair = offsets.length;
    const r = this.#begin(body, start, end, traits);
    if ((traits & Trait.calls) !== 0) this.#tick(r.pos);
    while (r.pos < end) this.#step(r.next());
    this.#flush(end);
    this.#finish(body, firstPair);
  }

  #begin(body: number, start: number, end: number, traits: number): Reader {
    const { m, targets, scan, elide, unchecked } = this.#context;
    const r = new Reader(m.bytes, start, end);
    this.#r = r;
    this.#ahead = new Reader(m.bytes, start, end);
    this.#w.reset();
    this.#head.reset();
    let groups = 0;
    const params = m.types[m.functions[m.imports.length + body]!]!.params.length;
    const locals = readLocals(r, params, (count, type) => {
      groups++;
      this.#head.u32(count).u8(type);
    });
    this.#groups = groups;
    this.#added.begin(locals);
    this.#copied = r.pos;
    this.#last.op = this.#before.op = -1;
    this.#modelled = (traits & Trait.accesses) !== 0;
    this.#inShort = -1;
    this.#stack.clear();
    this.#facts.begin(this.#modelled && elide ? new BodyIndex(m, targets, scan.impure, r.pos, end) : null);
    if (this.#modelled && (traits & Trait.loops) !== 0 && !unchecked) {
      this.#context.offsets.inserted(0, r.pos);
      this.#access.keepOwner();
    }
    return r;
  }

  #finish(body: number, firstPair: number): void {
    const index = this.#context.m.imports.length + body;
    const groups = new Writer(16).u32(this.#groups + this.#added.types.length);
    for (const type of this.#added.types) this.#head.u32(1).u8(type);
    const declarations = groups.length + this.#head.length;
    const size = declarations + this.#w.length;
    if (size > MAX_LOWERED_BODY_BYTES) {
      const detail = `function ${index} has ${size} bytes after lowering`;
      throw new AdmissionError("too-large", detail, this.#context.m.bodies[body * 2]!);
    }
    this.#code.u32(size).bytes(groups.view()).bytes(this.#head.view());
    this.#context.addHints(index, this.#added.unlikely, declarations);
    this.#context.offsets.shift(firstPair, this.#code.length);
    this.#code.bytes(this.#w.view());
  }

  #step(op: number): void {
    const r = this.#r;
    if (POPS[op] === 0xff) this.#special(op);
    else if (this.#modelled) this.#model(op);
    const { op: lastOp, start, a } = this.#last;
    this.#before.op = lastOp;
    this.#before.start = start;
    this.#before.a = a;
    this.#last.op = op;
    this.#last.start = r.start;
    this.#last.a = r.a;
  }

  /** Plain instructions: the stack model, and facts that die by an assignment. */
  #model(op: number): void {
    const { a } = this.#r;
    const source = this.#stack.plain(op, a);
    if ((op === Op.localSet || op === Op.localTee) && this.#facts.enabled) this.#facts.assign(a, source);
  }

  #special(op: number): void {
    const r = this.#r;
    if (op === Op.bulk) this.#bulk(r);
    else if (op === Op.call || op === Op.returnCall) this.#call(r, r.a, op === Op.returnCall);
    else if (op === Op.loop) {
      this.#block(op);
      this.#loop(r);
    } else {
      this.#block(op);
      if (this.#inShort >= 0) this.#insideShort(r, op);
    }
  }

  /** Control instructions, and the rarer ones whose stack effect is not modelled. */
  #block(op: number): void {
    if (!this.#modelled) return;
    const r = this.#r;
    this.#stack.clear();
    if (!this.#facts.enabled) return;
    if (op === Op.loop) for (const handle of this.#facts.unprepared(r.start)) this.#prepare(handle);
    if (op === Op.block || op === Op.loop || op === Op.if) this.#facts.open(r.start, op === Op.loop);
    else if (op === Op.else) this.#facts.else();
    else if (op === Op.end) this.#facts.close(r.pos);
    else if (killsAll(op, r.a, this.#context.scan.impure)) this.#facts.killAll();
  }

  /** Before the loop that was just read. */
  #prepare(handle: number): void {
    this.#flush(this.#r.start);
    this.#context.offsets.inserted(this.#w.length, this.#r.start);
    this.#access.prepare(handle);
  }

  // ── copying ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #flush(to: number): void {
    if (to <= this.#copied) return;
    this.#context.offsets.copied(this.#w.length, this.#copied);
    this.#w.range(this.#context.m.bytes, this.#copied, to);
    this.#copied = to;
  }

  /** Copies the source up to `from`; what is written next is there for the instruction at `r.start`. */
  #replace(from: number): void {
    this.#flush(from);
    this.#context.offsets.inserted(this.#w.length, this.#r.start);
    this.#copied = this.#r.pos;
  }

  #tick(at: number): void {
    const { tick, stats, offsets } = this.#context;
    if (tick.length === 0) return;
    this.#flush(at);
    offsets.inserted(this.#w.length, this.#r.start === 0 ? at : this.#r.start);
    this.#added.unlikely.push(this.#w.length + TICK_BRANCH);
    this.#w.bytes(tick);
    stats.ticks++;
  }

  /** At a loop's head: a tick at each turn, or for a short loop a loop around it that ticks once in many turns. */
  #loop(r: Reader): void {
    this.#tick(r.pos);
    if (this.#context.tick.length === 0) return;
    this.#ahead.pos = r.pos;
    const turns = turnsBetweenTicks(this.#ahead, this.#context.targets);
    if (turns === 1) return;
    const counter = this.#added.get("turns", I32);
    this.#w.u8(Op.i32Const).s32(turns).u8(Op.localSet).u32(counter);
    this.#w.range(this.#context.m.bytes, r.start, r.pos);
    this.#w.u8(Op.localGet).u32(counter).u8(Op.i32Const).s32(-1).u8(0x6a).u8(Op.localTee).u32(counter).u8(0x45);
    this.#added.unlikely.push(this.#w.length);
    this.#w.u8(Op.brIf).u8(1);
    this.#inShort = 0;
  }

  /** A short loop has a loop around it: what branches out of it has one label more to cross. */
  #insideShort(r: Reader, op: number): void {
    if (op === Op.block || op === Op.if) this.#inShort++;
    else if (op === Op.end && this.#inShort-- === 0) {
      this.#flush(r.pos);
      this.#context.offsets.inserted(this.#w.length, r.start);
      this.#w.u8(Op.end);
    } else if (op === Op.br || op === Op.brIf) {
      if (r.a <= this.#inShort) return;
      this.#replace(r.start);
      this.#w.u8(op).u32(r.a + 1);
    } else if (op === Op.brTable) this.#branchTable(r);
  }

  #branchTable(r: Reader): void {
    this.#replace(r.start);
    this.#w.u8(Op.brTable).u32(r.a);
    const targets = this.#ahead;
    targets.pos = r.start + 1;
    targets.u32();
    for (let i = 0; i <= r.a; i++) {
      const label = targets.u32();
      this.#w.u32(label > this.#inShort ? label + 1 : label);
    }
  }

  // ── calls ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #call(r: Reader, callee: number, tail: boolean): void {
    const { m, targets, scan } = this.#context;
    const target = targets[callee];
    if (target !== undefined && target.kind !== "kernel") this.#site(r, target, tail);
    if (!this.#modelled) return;
    if (target?.kind !== "intrinsic" || target.intrinsic.kind === "helper" || target.intrinsic.kind === "peek") {
      this.#stack.call(m.types[m.functions[callee]!]!);
    }
    if (tail) this.#stack.clear();
    if (this.#facts.enabled && scan.impure[callee] !== 0) this.#facts.killAll();
  }

  #site(r: Reader, target: Exclude<Target, { kind: "kernel" }>, tail: boolean): void {
    const w = this.#w;
    if (target.kind === "method") {
      this.#replace(r.start);
      const { params, results } = this.#context.m.types[this.#context.m.functions[r.a]!]!;
      const type = this.#context.type({ params: params.slice(0, -1), results });
      // The capability is the last parameter; it becomes the slot of its method.
      w.u8(Op.i32Const)
        .s32(1 - FIRST_HANDLE + target.index)
        .u8(0x6a);
      w.u8(tail ? Op.returnCallIndirect : Op.callIndirect)
        .u32(type)
        .u32(this.#context.caps);
      return;
    }
    const { intrinsic, name } = target;
    if (intrinsic.kind === "helper") {
      this.#replace(r.start);
      w.u8(tail ? Op.returnCall : Op.call).u32(this.#context.helper(name));
      return;
    }
    if ("index" in intrinsic) this.#returnWord(r, intrinsic);
    else if (intrinsic.kind === "peek") this.#peek(r, intrinsic);
    else this.#checkedAccess(r, intrinsic);
    if (tail) w.u8(Op.return);
  }

  #peek(r: Reader, a: Access): void {
    this.#context.stats.sites++;
    this.#replace(r.start);
    this.#w.u8(Op.i32Const).s32(a.width).u8(Op.call).u32(this.#context.helper(PEEK_ADDRESS));
    this.#access.heapAccess(a, 0);
  }

  /** Stack: [value,] handle, offset. Operands that are plain local.get or constants are taken back from the source. */
  #checkedAccess(r: Reader, a: Access): void {
    this.#context.stats.sites++;
    const last = this.#last;
    const before = this.#before;
    const constant = last.op === Op.i32Const ? last.a >>> 0 : -1;
    let offsetLocal = last.op === Op.localGet ? last.a : -1;
    const offsetTaken = constant >= 0 || offsetLocal >= 0;
    this.#stack.pop();
    const known = this.#stack.pop();
    const handleTaken = offsetTaken && before.op === Op.localGet;
    this.#replace(handleTaken ? before.start : offsetTaken ? last.start : r.start);
    if (!offsetTaken) {
      offsetLocal = this.#added.get("offset", I32);
      this.#w.u8(Op.localSet).u32(offsetLocal);
    }
    let handle = known;
    if (handleTaken) handle = before.a;
    else if (known >= 0) this.#w.u8(Op.drop);
    else {
      handle = this.#added.get("handle", I32);
      this.#w.u8(Op.localSet).u32(handle);
    }
    let value = -1;
    if (a.kind === "store") {
      this.#stack.pop();
      value = this.#added.get(`value${a.type}`, a.type);
      this.#w.u8(Op.localSet).u32(value);
    } else this.#stack.push(-1);
    const kept = this.#facts.enabled && (handleTaken || known >= 0);
    this.#access.access(a, handle, kept, { constant, local: offsetLocal }, value);
  }

  /** The domain's own result words, at a fixed place in its record. */
  #returnWord(r: Reader, word: ReturnWord): void {
    const w = this.#w;
    const get = word.kind === "return-get";
    this.#replace(r.start);
    let value = -1;
    if (!get) {
      this.#stack.pop();
      value = this.#added.get(`value${word.type}`, word.type);
      w.u8(Op.localSet).u32(value);
    } else this.#stack.push(-1);
    w.u8(Op.globalGet).u32(this.#context.record);
    if (!get) w.u8(Op.localGet).u32(value);
    const op = RETURN_OPS[word.type]!;
    w.u8(get ? op.get : op.set)
      .u8(2 | HAS_MEMORY_INDEX)
      .u8(LEDGER_MEMORY)
      .u32(DOMAIN_RETURN + 4 * word.index);
  }

  /**
   * The most bytes that a straight run of code from here on needs of the object in `local`: through accesses with
   * constant offsets, before the local is assigned, control flow branches, or anything else is called.
   */
  #lookAhead(local: number): number {
    const r = this.#ahead;
    r.pos = this.#r.pos;
    let needed = 0;
    let offset = -1;
    let handle = -1;
    for (let i = 0; i < LOOK_AHEAD && r.pos < r.end; i++) {
      const op = r.next();
      if (op === Op.call) {
        const target = this.#context.targets[r.a];
        if (target?.kind !== "intrinsic" || target.intrinsic.kind === "helper") break;
        const a = target.intrinsic;
        const access = a.kind === "load" || a.kind === "store";
        if (access && handle === local && offset >= 0) needed = Math.max(needed, offset + a.width);
        handle = offset = -1;
      } else if (op === Op.localGet) {
        handle = r.a;
        offset = -1;
      } else if (op === Op.i32Const && handle >= 0 && offset < 0) {
        // Larger ones trap on their own, where the source has them.
        offset = r.a >= 0 && r.a < 0x7fff_fff0 ? r.a : -1;
        if (offset < 0) handle = -1;
      } else {
        if (POPS[op] === 0xff && op !== Op.simd) break;
        if ((op === Op.localSet || op === Op.localTee) && r.a === local) break;
        handle = offset = -1;
      }
    }
    return needed;
  }

  // ── bulk ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  #bulk(r: Reader): void {
    const op = r.a;
    if (op < Bulk.memoryInit) {
      this.#stack.drop(1);
      this.#stack.push(-1);
      return;
    }
    if (op === Bulk.dataDrop || op === Bulk.elemDrop) return;
    if (op === Bulk.tableSize) {
      this.#stack.push(-1);
      return;
    }
    this.#stack.drop(3);
    const { op: lastOp, a } = this.#last;
    if (lastOp === Op.i32Const && a >>> 0 <= (isTable(op) ? INLINE_ELEMENTS : INLINE_BYTES)) return;
    const first = op === Bulk.memoryFill || op === Bulk.memoryCopy ? 0 : r.b;
    const second = op === Bulk.tableInit || op === Bulk.tableCopy ? r.c : 0;
    this.#replace(r.start);
    this.#w.u8(Op.call).u32(this.#context.bulk({ op, first, second }));
  }
}
