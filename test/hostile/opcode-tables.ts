/**
 * Opcodes from which the writers of random code choose.
 */
import { F32, F64, I32, I64 } from "../support/wasm-builder/op.ts";

export const BINARY_I32 = [0x6a, 0x6b, 0x6c, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x77, 0x46, 0x48, 0x49, 0x4d];
export const BINARY_I64 = [0x7c, 0x7d, 0x7e, 0x83, 0x84, 0x85, 0x86, 0x88];
/** Loads and stores of memory 0 by value type: opcode and alignment. */
export const LOADS: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  [I32]: [
    [0x28, 2],
    [0x2c, 0],
    [0x2d, 0],
    [0x2e, 1],
    [0x2f, 1],
  ],
  [I64]: [
    [0x29, 3],
    [0x30, 0],
    [0x33, 1],
    [0x34, 2],
    [0x35, 2],
  ],
};
export const WIDTHS: Readonly<Record<string, number>> = {
  u8: 1,
  i8: 1,
  u16: 2,
  i16: 2,
  i32: 4,
  i64: 8,
  f32: 4,
  f64: 8,
};

export const STORES: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  [I32]: [
    [0x36, 2],
    [0x3a, 0],
    [0x3b, 1],
  ],
  [I64]: [
    [0x37, 3],
    [0x3c, 0],
    [0x3e, 2],
  ],
  [F32]: [[0x38, 2]],
  [F64]: [[0x39, 3]],
};
