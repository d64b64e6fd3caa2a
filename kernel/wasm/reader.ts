/**
 * Reads the binary format: numbers, names, and one instruction at a time.
 *
 * Invariant: never reads outside [pos, end), never accepts an over-long or overflowing LEB128, an unknown opcode, a
 * memory other than 0 or a value type other than the plain ones; each of these throws an AdmissionError that names
 * the byte. Nothing is allocated per instruction: the last one is in the fields.
 */
import { AdmissionError, type AdmissionCode } from "./errors.ts";
import { MAX_BR_TABLE, MAX_NAME_BYTES } from "./limits.ts";
import { Bulk, IMMEDIATE, Immediate, SIMD_GAPS } from "./opcodes.ts";

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Value types that a module may use: i32, i64, f32, f64, v128, funcref, externref. */
export function isValueType(byte: number): boolean {
  return (byte >= 0x7b && byte <= 0x7f) || byte === 0x70 || byte === 0x6f;
}

export class Reader {
  readonly bytes: Uint8Array;
  pos: number;
  readonly end: number;
  /** The last instruction: its first byte, opcode (prefix only), and immediates. */
  start = 0;
  op = 0;
  /** First immediate: index, constant, block type (negative: none or a value type) or the number behind a prefix. */
  a = 0;
  /** Second immediate, and a third (for `0xfc`: its two operands). */
  b = 0;
  c = 0;

  constructor(bytes: Uint8Array, pos = 0, end = bytes.length) {
    this.bytes = bytes;
    this.pos = pos;
    this.end = end;
  }

  fail(code: AdmissionCode, detail: string, at = this.pos): never {
    throw new AdmissionError(code, detail, at);
  }

  u8(): number {
    if (this.pos >= this.end) this.fail("malformed", "unexpected end");
    return this.bytes[this.pos++]!;
  }

  u32(): number {
    const first = this.u8();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.u8();
      if (shift === 28 && byte > 0x0f) break;
      value += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return value;
    }
    return this.fail("malformed", "LEB128 does not fit in 32 bits", this.pos - 1);
  }

  s32(): number {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = this.u8();
      value |= (byte & 0x7f) << shift;
      if (byte >= 0x80) continue;
      if (shift === 28) {
        if ((byte & 0x78) !== 0 && (byte & 0x78) !== 0x78) break;
        return value;
      }
      return (byte & 0x40) === 0 ? value : value | (-1 << (shift + 7));
    }
    return this.fail("malformed", "LEB128 does not fit in 32 bits", this.pos - 1);
  }

  #skipS64(): void {
    for (let i = 0; i < 9; i++) if (this.u8() < 0x80) return;
    const last = this.u8();
    if (last !== 0 && last !== 0x7f) this.fail("malformed", "LEB128 does not fit in 64 bits", this.pos - 1);
  }

  skip(count: number): void {
    if (count > this.end - this.pos) this.fail("malformed", "unexpected end", this.end);
    this.pos += count;
  }

  /** A count of things that take at least one byte each, so that it can be trusted for allocation. */
  count(what: string, limit: number): number {
    const at = this.pos;
    const n = this.u32();
    if (n > limit) this.fail("too-large", `${n} ${what}, at most ${limit} are allowed`, at);
    if (n > this.end - this.pos) this.fail("malformed", `${n} ${what} do not fit in what is left`, at);
    return n;
  }

  name(): string {
    const at = this.pos;
    const length = this.u32();
    if (length > MAX_NAME_BYTES) this.fail("too-large", `a name of ${length} bytes`, at);
    const from = this.pos;
    this.skip(length);
    try {
      return UTF8.decode(this.bytes.subarray(from, this.pos));
    } catch {
      return this.fail("malformed", "a name is not UTF-8", from);
    }
  }

  valueType(): number {
    const at = this.pos;
    const type = this.u8();
    if (!isValueType(type)) this.fail("type-section", `value type 0x${type.toString(16)} is not allowed`, at);
    return type;
  }

  referenceType(): number {
    const at = this.pos;
    const type = this.u8();
    if (type !== 0x70 && type !== 0x6f) {
      this.fail("type-section", `reference type 0x${type.toString(16)} is not allowed`, at);
    }
    return type;
  }

  memoryIndex(): void {
    const at = this.pos;
    if (this.u32() !== 0) this.fail("memory", "only memory 0 can be named", at);
  }

  #memoryArgument(): void {
    const at = this.pos;
    const flags = this.u32();
    if (flags >= 0x80) this.fail("malformed", "bad alignment", at);
    if ((flags & 0x40) !== 0) this.memoryIndex();
    this.u32();
  }

  #blockType(): number {
    const at = this.pos;
    const byte = this.bytes[at] ?? 0;
    if (byte === 0x40 || isValueType(byte)) return this.u8() - 0x80;
    if (byte >= 0x40 && byte < 0x80) this.fail("type-section", `block type 0x${byte.toString(16)} is not allowed`, at);
    const index = this.u32();
    // In the format this is a signed number; a set sign bit in a longer encoding would mean something else.
    if ((this.bytes[this.pos - 1]! & 0x40) !== 0) this.fail("malformed", "bad block type", at);
    return index;
  }

  /** Reads one instruction into the fields and returns its opcode (for two-byte instructions, the prefix). */
  next(): number {
    this.start = this.pos;
    const op = this.u8();
    this.op = op;
    switch (IMMEDIATE[op]) {
      case Immediate.none:
        break;
      case Immediate.index:
        this.a = this.u32();
        break;
      case Immediate.memory:
        this.#memoryArgument();
        break;
      case Immediate.i32:
        this.a = this.s32();
        break;
      case Immediate.block:
        this.a = this.#blockType();
        break;
      default:
        this.#rarer(op);
    }
    return op;
  }

  #rarer(op: number): void {
    switch (IMMEDIATE[op]) {
      case Immediate.twoIndices:
        this.a = this.u32();
        this.b = this.u32();
        break;
      case Immediate.memoryIndex:
        this.memoryIndex();
        break;
      case Immediate.i64:
        this.#skipS64();
        break;
      case Immediate.f32:
        this.skip(4);
        break;
      case Immediate.f64:
        this.skip(8);
        break;
      case Immediate.brTable:
        this.a = this.count("branch targets", MAX_BR_TABLE);
        for (let i = 0; i <= this.a; i++) this.u32();
        break;
      case Immediate.selectTypes:
        if (this.u32() !== 1) this.fail("malformed", "select has one type", this.start);
        this.valueType();
        break;
      case Immediate.heapType:
        this.referenceType();
        break;
      case Immediate.bulk:
        this.#bulk();
        break;
      case Immediate.simd:
        this.#simd();
        break;
      case Immediate.atomic:
        this.#atomic();
        break;
      case Immediate.forbidden:
        this.#refuse("forbidden-opcode", op);
        break;
      default:
        this.#refuse("unknown-opcode", op);
    }
  }

  #refuse(code: AdmissionCode, op: number, second?: number): never {
    const tail = second === undefined ? "" : ` 0x${second.toString(16)}`;
    return this.fail(code, `opcode 0x${op.toString(16)}${tail}`, this.start);
  }

  #bulk(): void {
    const op = this.u32();
    this.a = op;
    if (op < Bulk.memoryInit) return;
    switch (op) {
      case Bulk.memoryInit:
        this.b = this.u32();
        this.memoryIndex();
        return;
      case Bulk.memoryCopy:
        this.memoryIndex();
        this.memoryIndex();
        return;
      case Bulk.memoryFill:
        this.memoryIndex();
        return;
      case Bulk.tableInit:
      case Bulk.tableCopy:
        this.b = this.u32();
        this.c = this.u32();
        return;
      case Bulk.dataDrop:
      case Bulk.elemDrop:
      case Bulk.tableSize:
      case Bulk.tableFill:
        this.b = this.u32();
        return;
      default:
        this.#refuse(op === Bulk.tableGrow ? "forbidden-opcode" : "unknown-opcode", 0xfc, op);
    }
  }

  #simd(): void {
    const op = this.u32();
    this.a = op;
    if (op > 0x113 || SIMD_GAPS.has(op)) this.#refuse("unknown-opcode", 0xfd, op);
    if (op <= 11 || op === 92 || op === 93) this.#memoryArgument();
    else if (op === 12 || op === 13) this.skip(16);
    else if (op >= 21 && op <= 34) this.skip(1);
    else if (op >= 84 && op <= 91) {
      this.#memoryArgument();
      this.skip(1);
    }
  }

  #atomic(): void {
    const op = this.u32();
    this.a = op;
    // memory.atomic.wait32/64 would put the kernel's thread to sleep.
    if (op === 1 || op === 2) this.#refuse("forbidden-opcode", 0xfe, op);
    if (op === 3) {
      if (this.u8() !== 0) this.fail("malformed", "atomic.fence has one zero byte", this.start);
      return;
    }
    if (op !== 0 && (op < 0x10 || op > 0x4e)) this.#refuse("unknown-opcode", 0xfe, op);
    this.#memoryArgument();
  }
}
