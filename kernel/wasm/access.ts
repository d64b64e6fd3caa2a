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
  GENERATION_BITS, OBJECT_ADDRESS, OBJECT_BYTES, OBJECT_SIZE, OBJECT_TAG, OBJECTS,
} from "../../shared-heap/layout.ts";
import { I32 } from "../interface/model.ts";
import { EMPTY_BLOCK, HAS_MEMORY_INDEX, HEAP_MEMORY, LEDGER_MEMORY } from "./asm.ts";
import type { LowerContext } from "./context.ts";
import { Facts, type Fact } from "./facts.ts";
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
const OR = 0x72;
const ADD = 0x6a;
const SUB = 0x6b;
const NE = 0x47;
const SHR_U = 0x76;
const LT_U = 0x49;
const GT_U = 0x4b;

/** Locals that the loader adds to the body at hand. Temporaries are free again after each use. */
export class AddedLocals {
  readonly types: number[] = [];
  readonly #named = new Map<string, number>();
  #first = 0;

  begin(first: number): void {
    this.#first = first;
    this.types.length = 0;
    this.#named.clear();
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
  readonly #locals: AddedLocals;
  readonly #facts: Facts;
  /** Bytes that the straight run of code from here on proves or uses through a local. */
  readonly #lookAhead: (local: number) => number;

  constructor(
    context: LowerContext, w: Writer, locals: AddedLocals, facts: Facts, lookAhead: (local: number) => number,
  ) {
    this.#context = context;
    this.#w = w;
    this.#locals = locals;
    this.#facts = facts;
    this.#lookAhead = lookAhead;
  }

  #get(local: number): Writer {
    return this.#w.u8(Op.localGet).u32(local);
  }

  #const(value: number): Writer {
    return this.#w.u8(Op.i32Const).s32(value);
  }

  #ledger(offset: number): Writer {
    return this.#w.u8(Op.i32Load).u8(2 | HAS_MEMORY_INDEX).u8(LEDGER_MEMORY).u32(offset);
  }

  #trapIf(): void {
    this.#w.u8(Op.if).u8(EMPTY_BLOCK).u8(Op.unreachable).u8(Op.end);
  }

  /** Load or store; a store's value is in the local `value`. `kept`: facts about the handle's local can be kept. */
  access(a: Access, handle: number, kept: boolean, offset: Offset, value: number): void {
    const constant = offset.constant >= 0;
    if (this.#context.unchecked) {
      this.#get(handle);
      if (!constant) this.#get(offset.local).u8(ADD);
    } else {
      const bytes = a.width + Math.max(offset.constant, 0);
      if (bytes > 0xffff_ffff) {
        this.#w.u8(Op.unreachable); // beyond every object
        return;
      }
      const { address, size } = this.#check(handle, kept, bytes);
      if (!constant) {
        this.#context.stats.boundChecks++;
        this.#get(offset.local);
        this.#get(size);
        this.#const(a.width).u8(SUB).u8(GT_U);
        this.#trapIf();
      }
      this.#get(address);
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
  #check(handle: number, kept: boolean, bytes: number): { address: number; size: number } {
    const { stats } = this.#context;
    const known = kept ? this.#facts.find(handle) : null;
    if (known !== null && known.bytes >= bytes) {
      stats.elided++;
      return known;
    }
    const proven = kept ? Math.max(bytes, this.#lookAhead(handle)) : bytes;
    stats.boundChecks++;
    if (known !== null) {
      stats.elided++;
      this.#get(known.size);
      this.#const(proven).u8(LT_U);
      this.#trapIf();
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
    const address = this.#locals.get(`address${slot}`, I32);
    const size = this.#locals.get(`size${slot}`, I32);
    return { local: handle, slot, address, size, bytes };
  }

  #fullCheck(handle: number, { address, size, bytes }: Fact): void {
    const record = this.#locals.get("record", I32);
    this.recordOf(handle, record);
    this.#ownerDiffers(handle, record);
    this.#get(record);
    this.#ledger(OBJECTS + OBJECT_SIZE).u8(Op.localTee).u32(size);
    this.#const(bytes).u8(LT_U).u8(OR);
    this.#trapIf();
    this.#get(record);
    this.#ledger(OBJECTS + OBJECT_ADDRESS).u8(Op.localSet).u32(address);
  }

  /** record := index * OBJECT_BYTES */
  recordOf(handle: number, record: number): void {
    this.#get(handle);
    this.#const(GENERATION_BITS - Math.log2(OBJECT_BYTES)).u8(SHR_U);
    this.#const(-OBJECT_BYTES).u8(AND).u8(Op.localSet).u32(record);
  }

  /** Pushes non-zero unless the domain owns the object in the handle's generation. */
  #ownerDiffers(handle: number, record: number): void {
    this.#get(record);
    this.#ledger(OBJECTS + OBJECT_TAG);
    this.#get(handle).u8(XOR).u8(Op.globalGet).u32(this.#context.owner).u8(NE);
  }
}
