/**
 * Opcodes and small instruction encoders for tests.
 *
 * Owns the names of the opcodes that tests write by hand; anything else is written as raw bytes. The encoders do not
 * check types: an ill-typed body is a test input like any other.
 */
import { type Code, f32Bytes, f64Bytes, s32, s64, u32 } from "./bytes.ts";

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export const FUNCREF = 0x70;
export const EXTERNREF = 0x6f;
/** Block type of a block without parameters and results. */
export const VOID = 0x40;

export const unreachable: Code = [0x00];
export const nop: Code = [0x01];
export const end: Code = [0x0b];
export const drop: Code = [0x1a];
export const ret: Code = [0x0f];
export const i32eqz: Code = [0x45];
export const i32add: Code = [0x6a];
export const i32sub: Code = [0x6b];

export const i32 = (n: number): Code => [0x41, ...s32(n)];
export const i64 = (n: bigint): Code => [0x42, ...s64(n)];
export const f32 = (n: number): Code => [0x43, ...f32Bytes(n)];
export const f64 = (n: number): Code => [0x44, ...f64Bytes(n)];
export const get = (local: number): Code => [0x20, ...u32(local)];
export const set = (local: number): Code => [0x21, ...u32(local)];
export const tee = (local: number): Code => [0x22, ...u32(local)];
export const globalGet = (index: number): Code => [0x23, ...u32(index)];
export const globalSet = (index: number): Code => [0x24, ...u32(index)];
export const call = (index: number): Code => [0x10, ...u32(index)];
export const returnCall = (index: number): Code => [0x12, ...u32(index)];
export const callIndirect = (type: number, table = 0): Code => [0x11, ...u32(type), ...u32(table)];
export const returnCallIndirect = (type: number, table = 0): Code => [0x13, ...u32(type), ...u32(table)];
export const refFunc = (index: number): Code => [0xd2, ...u32(index)];
export const refNull = (type: number): Code => [0xd0, type];
export const br = (depth: number): Code => [0x0c, ...u32(depth)];
export const brIf = (depth: number): Code => [0x0d, ...u32(depth)];
export const brTable = (depths: readonly number[], fallback: number): Code => [
  0x0e,
  ...u32(depths.length),
  ...depths.flatMap(u32),
  ...u32(fallback),
];
export const block = (body: Code, type = VOID): Code => [0x02, type, ...body, 0x0b];
export const loop = (body: Code, type = VOID): Code => [0x03, type, ...body, 0x0b];
export const ifElse = (then: Code, otherwise: Code | null = null, type = VOID): Code => [
  0x04,
  type,
  ...then,
  ...(otherwise === null ? [] : [0x05, ...otherwise]),
  0x0b,
];

/** A memory access: opcode, alignment exponent, offset; `memory` other than 0 sets the multi-memory flag. */
export function access(op: Code, align: number, offset = 0, memory = 0): Code {
  return memory === 0
    ? [...op, ...u32(align), ...u32(offset)]
    : [...op, ...u32(align | 0x40), ...u32(memory), ...u32(offset)];
}
export const i32load = (offset = 0, memory = 0): Code => access([0x28], 2, offset, memory);
export const i32store = (offset = 0, memory = 0): Code => access([0x36], 2, offset, memory);
export const memoryGrow = (memory = 0): Code => [0x40, ...u32(memory)];
export const memorySize = (memory = 0): Code => [0x3f, ...u32(memory)];
export const memoryFill = (memory = 0): Code => [0xfc, 11, ...u32(memory)];
export const memoryCopy = (to = 0, from = 0): Code => [0xfc, 10, ...u32(to), ...u32(from)];
export const memoryInit = (segment: number, memory = 0): Code => [0xfc, 8, ...u32(segment), ...u32(memory)];
export const dataDrop = (segment: number): Code => [0xfc, 9, ...u32(segment)];
export const simd = (op: number, ...immediates: number[]): Code => [0xfd, ...u32(op), ...immediates];
export const atomic = (op: number, align: number, offset = 0, memory = 0): Code =>
  access([0xfe, ...u32(op)], align, offset, memory);
