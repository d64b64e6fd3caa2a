/**
 * Bad inputs: enums, names, imports and statements.
 *
 * Owns its part of the table; see `case.ts`. Invariant: the messages are exact, to the letter.
 */
import { bad, file, KINDS, ONLY, type BadInput } from "./case.ts";

export const FILES: readonly BadInput[] = [
  bad(
    "enum with a value",
    file("export declare enum Fail { Io = «5» }"),
    "the value of a member is its position",
    "`Io` without a value",
  ),
  bad(
    "enum without declare",
    file("export «enum Fail { Io }»"),
    "an enum without `declare` is code",
    "`export declare enum` instead",
  ),
  bad(
    "const enum",
    file("export «declare const enum Fail { Io }»"),
    "`const enum` has no names at run time",
    "`export declare enum` instead",
  ),
  bad("empty enum", file("export declare enum «Fail» {}"), "the enum `Fail` is empty", "at least one member"),
  bad(
    "enum member twice",
    file("export declare enum Fail { Io, «Io» }"),
    "`Io` is a member already",
    "each member once",
  ),
  bad(
    "enum member in small letters",
    file("export declare enum Fail { «io» }"),
    "`io` is not a member name: letters and digits, first a capital",
    "`Io` instead",
  ),
  bad(
    "too many members",
    file(`export declare enum «Fail» { ${Array.from({ length: 256 }, (_, i) => `M${i}`).join(", ")} }`),
    "the enum `Fail` has 256 members",
    "at most 255: it travels in one byte",
  ),
  bad(
    "declared twice",
    file("export type Packet = { a: u32 };\nexport declare enum «Packet» { A }"),
    "`Packet` is declared twice: first at interfaces/bad.ts:2",
    "a name that no interface file has yet",
  ),
  bad(
    "interface declared twice",
    file(
      "export interface Disk { a(): RpcResult<void, never> }\nexport interface «Disk» { b(): RpcResult<void, never> }",
    ),
    "`Disk` is declared twice: first at interfaces/bad.ts:2",
    "a name that no interface file has yet",
  ),
  bad("imported twice", 'import type { u32, «u32» } from "./prelude.ts";\n', "`u32` is imported twice", "it once"),
  bad(
    "named Error",
    file("export declare enum «Error» { Io }"),
    "`Error` is already a name of AssemblyScript or of Samara",
    "a name of your own, such as `DiskError`",
  ),
  bad(
    "named Map",
    file("export interface «Map» { read(): RpcResult<void, never> }"),
    "`Map` is already a name of AssemblyScript or of Samara",
    "a name of your own, such as `DiskMap`",
  ),
  bad(
    "named in small letters",
    file("export type «packet» = { a: u32 };"),
    "`packet` is not a type name: letters and digits, first a capital, at most 63",
    "`Packet` instead",
  ),
  bad(
    "named with a dollar",
    file("export type «Packet$1» = { a: u32 };"),
    "`Packet$1` is not a type name: letters and digits, first a capital, at most 63",
    "`Packet1` instead",
  ),
  bad(
    "generated name",
    file("export type «DiskServer» = { a: u32 };\nexport interface Disk { read(): RpcResult<void, never> }"),
    "`DiskServer` is also the generated name of the server class of `Disk`",
    "another name",
  ),
  bad(
    "not exported",
    file("interface «Disk» { read(): RpcResult<void, never> }"),
    "`Disk` is not exported",
    "`export` before the declaration",
  ),
  bad(
    "default export",
    file("«export default interface Disk { read(): RpcResult<void, never> }»"),
    "default exports have no name",
    "`export interface`, `export type` or `export declare enum`",
  ),
  bad(
    "star export",
    file('«export * from "./other.ts";»'),
    "re-exports have no meaning here",
    "an `import type` where the names are used",
  ),
  bad(
    "re-export",
    file("export type Packet = { a: u32 };\n«export { Packet };»"),
    "re-exports have no meaning here",
    "the declaration itself with `export` before it",
  ),
  bad("statement", file("«console.log(1);»"), ONLY, KINDS),
  bad("constant", file("«export const size = 4;»"), ONLY, KINDS),
  bad("class", file("«export class Disk {}»"), ONLY, KINDS),
  bad("namespace", file("«export declare namespace Disk {}»"), ONLY, KINDS),
  bad("directive", '«"use strict";»\n', ONLY, KINDS),
  bad(
    "declared interface",
    file("export «declare interface Disk { read(): RpcResult<void, never> }»"),
    "`declare` has no meaning here",
    "`export interface` instead",
  ),
  bad(
    "value import",
    '«import { u32 } from "./prelude.ts";»\n',
    "interface files import types only",
    "`import type { … } from …`",
  ),
  bad(
    "namespace import",
    'import type «* as all» from "./prelude.ts";\n',
    "names are imported one by one",
    "`import type { A, B } from …`",
  ),
  bad(
    "renamed import",
    'import type { «u32 as word» } from "./prelude.ts";\n',
    "an imported name keeps its name: it is the same everywhere",
    "`u32` instead",
  ),
  bad(
    "import of a package",
    'import type { Disk } from «"disk"»;\n',
    "interface files import each other by relative path",
    '`"./other.ts"` instead',
  ),
  bad(
    "import of a missing file",
    'import type { «Disk» } from "./disk.ts";\n',
    "there is no interface file interfaces/disk.ts",
    "the path of an interface file",
  ),
  bad(
    "unknown name of the prelude",
    'import type { «u128» } from "./prelude.ts";\n',
    "the prelude has no `u128`",
    "one of bool, u8, i8, u16, i16, u32, i32, u64, i64, f32, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult",
  ),
  bad(
    "scalar that is not imported",
    "export type Packet = { a: «u32» };\n",
    "`u32` is not imported",
    '`import type { u32 } from "./prelude.ts"` at the top',
  ),
  bad(
    "syntax",
    "export interface Disk {\n  read(«:» u32;\n}\n",
    "syntax: Unexpected token",
    "TypeScript that an editor accepts",
  ),
];
