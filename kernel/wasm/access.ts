/**
 * Emits the inline code of one checked access: owner and generation, bounds, and the access itself.
 *
 * Invariant: an emitted access is reached only when its handle's record says `tag ^ handle == owner global` and when
 * offset + width <= size, without wrap-around; otherwise the code runs into `unreachable`. With facts, an earlier
 * check on every path to here may be the one that proves it.
 *
 * A trap may come earlier than in the source, but only within a run of instructions without branches or calls: the
 * largest constant offset of such a run is proven at its first access. The domain is dead either way.
 */
import {
  GENERATION_BITS,
  OBJECT_ADDRESS,
  OBJECT_BYTES,
  OBJECT_SHIFT,
  OBJECT_SIZE,
  OBJECT_TAG,
  OBJECTS,
} from "../../shared-heap/layout.ts";
import { I32, I64 } from "../interface/model.ts";
import { EMPTY_BLOCK, HAS_MEMORY_INDEX, HEAP_MEMORY, LEDGER_MEMORY } from "./asm.ts";
import type { LowerContext } from "./context.ts";
import type { Facts, Fact } from "./facts.ts";
import type { Access } from "./intrinsics.ts";
import { Op } from "./opcodes.ts";
import type { Writer } from "./writer.ts";

/** Where an access's offset is: a constant, or a local (the constant is then -1). */
export interface Offset {
  readonly constant: number;
  readonly local: number;
}

const XOR = 0x73;
const AND = 0x71;
const ADD = 0x6a;
const EQ = 0x46;
const NE = 0x47;
const SHR_U = 0x76;
const LE_U = 0x4d;
const I64_LOAD = 0x29;
const I64_LOAD_32_U = 0x35;
const I64_EXTEND_U = 0xad;
const I64_ADD = 0x7c;
const I64_SUB = 0x7d;
const I64_LT_S = 0x53;
const I64_GT_S = 0x55;
const I64_CONST = 0x42;
const I64_SHR_U = 0x88;
const I32_WRAP = 0xa7;
/** Name of the local that keeps the owner. */
const OWNER = "owner";

/** What the loader adds to the body at hand: locals, free again after each use, and where its branches are. */
export class Additions {
  readonly types: number[] = [];
  /** Places, in the new code, of `if` instructions that are hardly ever taken: hints for the compiler. */
  readonly unlikely: number[] = [];
  readonly #named = new Map<string, number>();
  #first = 0;

  begin(first: number): void {
    this.#first = first;
    this.types.length = 0;
    this.unlikely.length = 0;
    this.#named.clear();
  }

  has(name: string): boolean {
    return this.#named.has(name);
  }

  get(name: string, type: number): number {
    let local = this.#named.get(name);
    if (local === undefined) {
      local = this.#first + this.types.push(type) - 1;
      this.#named.set(name, local);
    }
    return local;
  }
}

export class AccessWriter {
  readonly #context: LowerContext;
  readonly #w: Writer;
  readonly #added: Additions;
  readonly #facts: Facts;
  /** Bytes that the straight run of code from here on proves or uses through a local. */
  readonly #lookAhead: (local: number) => number;

  constructor(context: LowerContext, w: Writer, added: Additions, facts: Facts, lookAhead: (local: number) => number) {
    this.#context = context;
    this.#w = w;
    this.#added = added;
    this.#facts = facts;
    this.#lookAhead = lookAhead;
  }

  #get(local: number): Writer {
    return this.#w.u8(Op.localGet).u32(local);
  }

  #const(value: number): Writer {
    return this.#w.u8(Op.i32Const).s32(value);
  }

  #trapIf(): void {
    this.#added.unlikely.push(this.#w.length);
    this.#w.u8(Op.if).u8(EMPTY_BLOCK).u8(Op.unreachable).u8(Op.end);
  }

  /** Load or store; a store's value is in the local `value`. `kept`: facts about the handle's local can be kept. */
  access(a: Access, handle: number, kept: boolean, offset: Offset, value: number): void {
    const constant = offset.constant >= 0;
    if (this.#context.unchecked) {
      this.#get(handle);
      if (!constant) this.#get(offset.local).u8(ADD);
    } else {
      const bytes = constant ? a.width + offset.constant : 0;
      if (bytes > 0x7fff_ffff) {
        this.#w.u8(Op.unreachable); // beyond every object
        return;
      }
      const fact = this.#check(handle, kept, bytes);
      if (!constant) this.#boundCheck(fact, offset.local, a.width);
      this.#get(fact.address);
      if (!constant) this.#get(offset.local).u8(ADD);
    }
    if (a.kind === "store") this.#get(value);
    this.heapAccess(a, constant ? offset.constant : 0);
  }

  /** The bare instruction on the exchange heap. Alignment is only a hint; objects have none to promise. */
  heapAccess(a: Access, offset: number): void {
    this.#w.u8(a.op).u8(HAS_MEMORY_INDEX).u8(HEAP_MEMORY).u32(offset);
  }

  /** Makes sure that the handle is owned and that `bytes` from its start are inside. */
  #check(handle: number, kept: boolean, bytes: number): Fact {
    const { stats } = this.#context;
    const known = kept ? this.#facts.find(handle) : null;
    if (known !== null && known.bytes >= bytes) {
      stats.elided++;
      return known;
    }
    const proven = kept ? Math.max(bytes, this.#lookAhead(handle)) : bytes;
    if (known !== null) {
      stats.elided++;
      this.#sizeCheck(known.size, proven);
      this.#facts.put({ ...known, bytes: proven });
      return known;
    }
    stats.ownerChecks++;
    const slot = kept ? this.#facts.freeSlot() : -1;
    const fact = this.factLocals(handle, slot, proven);
    this.#fullCheck(handle, fact);
    if (slot >= 0) this.#facts.put(fact);
    return fact;
  }

  factLocals(handle: number, slot: number, bytes: number): Fact {
    const address = this.#added.get(`address${slot}`, I32);
    const size = this.#added.get(`size${slot}`, I64);
    const width = slot < 0 ? 0 : this.#facts.width(handle);
    const limit = width === 0 ? -1 : this.#added.get(`limit${slot}`, I64);
    return { local: handle, slot, address, size, limit, width, bytes };
  }

  #fullCheck(handle: number, fact: Fact): void {
    this.#pushOwner(handle);
    this.#w.u8(NE);
    this.#trapIf();
    this.#takeRecord(fact);
    if (fact.bytes > 0) this.#sizeCheck(fact.size, fact.bytes);
  }

  /** Traps when `size < bytes`. By a subtraction, since V8 would do the load of a plain compare's operand twice. */
  #sizeCheck(size: number, bytes: number): void {
    this.#context.stats.boundChecks++;
    this.#get(size).u8(I64_CONST).s32(bytes).u8(I64_SUB).u8(I64_CONST).s32(0).u8(I64_LT_S);
    this.#trapIf();
  }

  /** Traps when `offset + width > size`. In 64 bits nothing wraps; a limit that is kept saves the sum. */
  #boundCheck({ size, limit, width: usual }: Fact, offset: number, width: number): void {
    this.#context.stats.boundChecks++;
    this.#get(offset).u8(I64_EXTEND_U);
    if (width === usual) this.#get(limit);
    else {
      this.#w.u8(I64_CONST).s32(width).u8(I64_ADD);
      this.#get(size);
    }
    this.#w.u8(I64_GT_S);
    this.#trapIf();
  }

  /**
   * At a loop's head, for a handle that the loop uses: a fact that holds in the whole loop and traps nowhere, since
   * the loop may never come to its first access. An object that is not the domain's gets the size 0, which every
   * access's bounds check refuses.
   */
  prepare(handle: number): void {
    const slot = this.#facts.freeSlot();
    if (slot < 0) return;
    this.#context.stats.ownerChecks++;
    const fact = this.factLocals(handle, slot, 0);
    const lastRecord = this.#context.ledgerBytes - OBJECTS - OBJECT_BYTES;
    this.#w.u8(I64_CONST).s32(0).u8(Op.localSet).u32(fact.size);
    if (fact.limit >= 0) this.#w.u8(I64_CONST).s32(-1).u8(Op.localSet).u32(fact.limit);
    this.#get(handle);
    this.#const(GENERATION_BITS).u8(SHR_U);
    this.#const(lastRecord / OBJECT_BYTES)
      .u8(LE_U)
      .u8(Op.if)
      .u8(EMPTY_BLOCK);
    this.#pushOwner(handle);
    this.#w.u8(EQ).u8(Op.if).u8(EMPTY_BLOCK);
    this.#takeRecord(fact);
    this.#w.u8(Op.end).u8(Op.end);
    this.#facts.put(fact);
  }

  /** In bodies with loops the owner is kept in a local. */
  keepOwner(): void {
    this.#w.u8(Op.globalGet).u32(this.#context.owner).u8(Op.localSet).u32(this.#added.get(OWNER, I32));
  }

  /** Pushes what the record says the owner is, in the handle's generation, and the owner that it should be. */
  #pushOwner(handle: number): void {
    this.#get(handle);
    this.#const(GENERATION_BITS - OBJECT_SHIFT).u8(SHR_U);
    this.#const(-OBJECT_BYTES).u8(AND).u8(Op.localTee).u32(this.#added.get("record", I32));
    // Tag and address in one load.
    this.#w
      .u8(I64_LOAD)
      .u8(3 | HAS_MEMORY_INDEX)
      .u8(LEDGER_MEMORY)
      .u32(OBJECTS + OBJECT_TAG);
    this.#w.u8(Op.localTee).u32(this.#added.get("words", I64)).u8(I32_WRAP);
    this.#get(handle).u8(XOR);
    if (this.#added.has(OWNER)) this.#get(this.#added.get(OWNER, I32));
    else this.#w.u8(Op.globalGet).u32(this.#context.owner);
  }

  /** Sets address and size from the record that was looked at last. */
  #takeRecord({ address, size, limit, width }: Fact): void {
    this.#get(this.#added.get("words", I64));
    this.#w
      .u8(I64_CONST)
      .s32((OBJECT_ADDRESS - OBJECT_TAG) * 8)
      .u8(I64_SHR_U)
      .u8(I32_WRAP);
    this.#w.u8(Op.localSet).u32(address);
    this.#get(this.#added.get("record", I32));
    this.#w
      .u8(I64_LOAD_32_U)
      .u8(2 | HAS_MEMORY_INDEX)
      .u8(LEDGER_MEMORY)
      .u32(OBJECTS + OBJECT_SIZE);
    this.#w.u8(Op.localSet).u32(size);
    if (limit < 0) return;
    this.#get(size).u8(I64_CONST).s32(width).u8(I64_SUB).u8(Op.localSet).u32(limit);
  }
}
