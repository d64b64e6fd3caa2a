/**
 * How a case of the table of bad inputs is written.
 *
 * Owns the case's type and the frames around small sources. In a source, the offending text stands between « and »,
 * which the test removes; that gives line, column and caret. Invariant: each case has exactly one error.
 */

export interface BadInput {
  readonly name: string;
  readonly source: string;
  readonly reason: string;
  readonly instead: string;
}

const ALL = "bool, u8, u16, u32, u64, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult";

/** Puts a declaration behind an import of the whole prelude. */
export const file = (text: string): string => `import type { ${ALL} } from "./prelude.ts";\n${text}\n`;
export const method = (text: string): string =>
  file(`export type Packet = { used: u32 };\nexport declare enum Fail { Io }\nexport interface Disk {\n  ${text}\n}`);
export const record = (text: string): string =>
  file(`export interface Net { up(): RpcResult<void, never> }\nexport type Packet = {\n  ${text}\n};`);
export const param = (type: string): string => method(`read(value: ${type}): RpcResult<void, never>;`);
export const result = (type: string): string => method(`read(): RpcResult<${type}, never>;`);

export const cross = (type: string, place: string): string =>
  `\`${type}\` cannot cross a domain boundary as a ${place}`;
export const bad = (name: string, source: string, reason: string, instead: string): BadInput => ({
  name,
  source,
  reason,
  instead,
});

export const TEXT = "`Str<256>` (UTF-8 text of at most 256 bytes) instead";
export const NUMBER = "`u32`, `i32`, `u64` or `f64` instead";
export const BYTES = "`Slice<N>` (at most N bytes, copied) or `Bytes<N>` in a record";
export const KINDS = "`export interface` (methods), `export type` (a record) or `export declare enum`";
export const ONLY = "an interface file holds only imports of types and exported declarations";
