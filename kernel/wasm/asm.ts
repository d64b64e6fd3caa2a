/**
 * A few words of assembler for the code that the loader adds.
 *
 * Each function returns the bytes of an expression or statement; operands are such bytes. Owns the encoding of
 * accesses to the three memories: 0 is the domain's, 1 the exchange heap, 2 the ledger.
 */
import { Op } from "./opcodes.ts";

export type Code = readonly number[];
export const HEAP_MEMORY = 1;
export const LEDGER_MEMORY = 2;
/** Set in the alignment field of an access when a memory index follows. */
export const HAS_MEMORY_INDEX = 0x40;
export const EMPTY_BLOCK = 0x40;

export function u32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value >>> 0;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest);
  return bytes;
}

function s32(value: number): number[] {
  const bytes: number[] = [];
  let rest = value | 0;
  for (; rest < -0x40 || rest > 0x3f; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  bytes.push(rest & 0x7f);
  return bytes;
}

export const i32 = (value: number): Code => [Op.i32Const, ...s32(value)];
export const get = (local: number): Code => [Op.localGet, ...u32(local)];
export const set = (local: number, value: Code): Code => [...value, Op.localSet, ...u32(local)];
export const globalGet = (global: number): Code => [Op.globalGet, ...u32(global)];

const binary =
  (op: number) =>
  (a: Code, b: Code): Code => [...a, ...b, op];
export const eqz = (a: Code): Code => [...a, 0x45];
export const eq = binary(0x46);
export const ne = binary(0x47);
export const ltS = binary(0x48);
export const ltU = binary(0x49);
export const gtU = binary(0x4b);
export const leU = binary(0x4d);
export const geU = binary(0x4f);
export const add = binary(0x6a);
export const sub = binary(0x6b);
export const and = binary(0x71);
export const or = binary(0x72);
export const xor = binary(0x73);
export const shl = binary(0x74);
export const shrU = binary(0x76);

const access = (op: number, memory: number, offset: number): Code =>
  memory === 0 ? [op, 2, ...u32(offset)] : [op, 2 | HAS_MEMORY_INDEX, memory, ...u32(offset)];
/** i32 load and store; an address that is not inside the memory traps. */
export const load = (memory: number, address: Code, offset = 0): Code => [
  ...address,
  ...access(Op.i32Load, memory, offset),
];
export const store = (memory: number, address: Code, value: Code, offset = 0): Code => [
  ...address,
  ...value,
  ...access(Op.i32Store, memory, offset),
];
export const ledger = (address: Code, offset: number): Code => load(LEDGER_MEMORY, address, offset);
export const setLedger = (address: Code, offset: number, value: Code): Code =>
  store(LEDGER_MEMORY, address, value, offset);

export const when = (condition: Code, then: Code, otherwise: Code = []): Code => [
  ...condition,
  Op.if,
  EMPTY_BLOCK,
  ...then,
  ...(otherwise.length > 0 ? [Op.else, ...otherwise] : []),
  Op.end,
];
export const trapIf = (condition: Code): Code => when(condition, [Op.unreachable]);
/** Repeats `body` while `condition` holds before it. */
export const whileLoop = (condition: Code, body: Code): Code => [
  Op.loop,
  EMPTY_BLOCK,
  ...when(condition, [...body, Op.br, 1]),
  Op.end,
];
export const call = (index: number, ...args: Code[]): Code => [...args.flat(), Op.call, ...u32(index)];
export const returns = (value: Code): Code => [...value, Op.return];
