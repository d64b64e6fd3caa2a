/**
 * The table of bad inputs: what the compiler must refuse, and exactly what it must say.
 *
 * Owns the cases of `errors.test.ts`. In a source, the offending text stands between « and », which the test removes;
 * that gives line, column and caret. Invariant: each case has exactly one error.
 */

export interface BadInput {
  readonly name: string;
  readonly source: string;
  readonly reason: string;
  readonly instead: string;
}

/** Puts a declaration behind an import of the whole prelude. */
const file = (text: string): string =>
  `import type { bool, u8, u16, u32, u64, f64, RRef, Borrow, Deque, Array, Bytes, Str, Slice, RpcResult } from "./prelude.ts";\n${text}\n`;
const method = (text: string): string =>
  file(`export type Packet = { used: u32 };\nexport declare enum Fail { Io }\nexport interface Disk {\n  ${text}\n}`);
const record = (text: string): string =>
  file(`export interface Net { up(): RpcResult<void, never> }\nexport type Packet = {\n  ${text}\n};`);
const param = (type: string): string => method(`read(value: ${type}): RpcResult<void, never>;`);
const result = (type: string): string => method(`read(): RpcResult<${type}, never>;`);

const cross = (type: string, place: string): string => `\`${type}\` cannot cross a domain boundary as a ${place}`;
const bad = (name: string, source: string, reason: string, instead: string): BadInput => ({
  name,
  source,
  reason,
  instead,
});

const TEXT = "`Str<256>` (UTF-8 text of at most 256 bytes) instead";
const NUMBER = "`u32`, `i32`, `u64` or `f64` instead";
const BYTES = "`Slice<N>` (at most N bytes, copied) or `Bytes<N>` in a record";
const KINDS = "`export interface` (methods), `export type` (a record) or `export declare enum`";
const ONLY = "an interface file holds only imports of types and exported declarations";

const TYPES: readonly BadInput[] = [
  bad("string", param("«string»"), cross("string", "parameter"), TEXT),
  bad("number", param("«number»"), cross("number", "parameter"), NUMBER),
  bad("boolean", result("«boolean»"), cross("boolean", "result"), "`bool` instead"),
  bad("bigint", param("«bigint»"), cross("bigint", "parameter"), "`u64` or `i64` instead"),
  bad("any", param("«any»"), cross("any", "parameter"), "a scalar, an enum, `RRef<…>`, `Str<N>` or `Slice<N>`"),
  bad("String object", param("«String»"), "`String` cannot cross a domain boundary", TEXT),
  bad(
    "Promise",
    result("«Promise<u32>»"),
    "`Promise` cannot cross a domain boundary",
    "the value itself: the caller always waits for the answer",
  ),
  bad(
    "Map",
    param("«Map<u32, u32>»"),
    "`Map` cannot cross a domain boundary",
    "a capability interface with `get` and `put` instead",
  ),
  bad("Uint8Array", param("«Uint8Array»"), "`Uint8Array` cannot cross a domain boundary", BYTES),
  bad("union", param("«u32 | u64»"), cross("u32 | u64", "parameter"), "an enum, or two methods, instead"),
  bad("optional by union", result("«u32 | null»"), cross("u32 | null", "result"), "an enum, or two methods, instead"),
  bad("intersection", param("«u32 & u64»"), cross("u32 & u64", "parameter"), "one record with all fields instead"),
  bad(
    "function type",
    param("«(value: u32) => void»"),
    cross("(value: u32) => void", "parameter"),
    "a capability interface with one method instead",
  ),
  bad(
    "array",
    param("«u8[]»"),
    cross("u8[]", "parameter"),
    "`Bytes<N>` or `Array<u32, N>` in a record, `Slice<N>` in a call, instead",
  ),
  bad(
    "tuple",
    result("«[u32, u32]»"),
    cross("[u32, u32]", "result"),
    "a record, or an object type in `RpcResult`, instead",
  ),
  bad("literal type", param('«"read"»'), cross('"read"', "parameter"), "an enum instead"),
  bad(
    "object as parameter",
    param("«{ a: u32 }»"),
    cross("{ a: u32 }", "parameter"),
    "a record declared with `export type`, passed as `RRef<…>`",
  ),
  bad(
    "void parameter",
    param("«void»"),
    cross("void", "parameter"),
    "`RpcResult<void, …>` for a method without a value",
  ),
  bad("qualified name", param("«lib.Type»"), "`lib.Type` is a qualified name", "a name imported by `import type`"),
  bad(
    "unknown name",
    param("RRef<«Paket»>"),
    "there is no type `Paket`",
    "the name of a record, an enum or an interface",
  ),
  bad(
    "record by value",
    param("«Packet»"),
    "`Packet` is a record: it lives in the exchange heap",
    "`RRef<Packet>` to move it, `Borrow<Packet>` to lend it",
  ),
  bad(
    "record result by value",
    result("«Packet»"),
    "`Packet` is a record: it lives in the exchange heap",
    "`RRef<Packet>` to move it",
  ),
  bad(
    "borrow in result",
    result("«Borrow<Packet>»"),
    "a loan ends with the call, so no result can be one",
    "`RRef<…>` to give the object away",
  ),
  bad(
    "borrow in a result field",
    result("{ a: «Borrow<Packet>» }"),
    "a loan ends with the call, so no result can be one",
    "`RRef<…>` to give the object away",
  ),
  bad(
    "bytes as parameter",
    param("«Bytes<64>»"),
    "`Bytes` is a field of a record, not a parameter",
    "`Slice<N>` (at most N bytes, copied) instead",
  ),
  bad(
    "container by value",
    param("«Deque<Packet, 4>»"),
    "a container lives in the exchange heap",
    "`RRef<Deque<Packet, 4>>` instead",
  ),
  bad(
    "container of scalars",
    param("RRef<Deque<«u32», 4>>"),
    "a container holds records, not `u32`",
    "`Deque<Packet, 32>` of a record declared with `export type`",
  ),
  bad(
    "container of enums",
    param("RRef<Array<«Fail», 4>>"),
    "a container holds records, not the enum `Fail`",
    "`Array<Packet, 32>` of a record declared with `export type`",
  ),
  bad(
    "rref of a scalar",
    param("RRef<«u32»>"),
    "`RRef` holds a record or a container, not `u32`",
    "`RRef<…>` around a record declared with `export type`",
  ),
  bad(
    "rref of an interface",
    param("«RRef<Disk>»"),
    "`Disk` is an interface: a capability is passed as it is",
    "`Disk` instead",
  ),
  bad("rref of an enum", param("«RRef<Fail>»"), "`Fail` is an enum: it is passed by value", "`Fail` instead"),
  bad(
    "borrow of a borrow",
    param("Borrow<«Borrow<Packet>»>"),
    "`Borrow` holds a record or a container, not `Borrow<Packet>`",
    "`Borrow<…>` around a record declared with `export type`",
  ),
  bad("arguments of a scalar", param("«u32<4>»"), "`u32` takes no arguments, not 1", "`u32` instead"),
  bad("arguments of a record", param("RRef<«Packet<u32>»>"), "`Packet` takes no arguments, not 1", "`Packet` instead"),
  bad("text without N", param("«Str»"), "`Str` takes 1 argument, not 0", "`Str<256>` instead"),
  bad(
    "deque without N",
    param("RRef<«Deque<Packet>»>"),
    "`Deque` takes 2 arguments, not 1",
    "`Deque<Packet, 32>` instead",
  ),
  bad("N is no literal", param("Str<«u32»>"), "N of `Str<N>` must be a number, not `u32`", "a decimal number"),
  bad("N is a fraction", param("Slice<«1.5»>"), "N of `Slice<N>` must be a number, not `1.5`", "a decimal number"),
  bad("N is negative", param("Slice<«-1»>"), "N of `Slice<N>` must be a number, not `-1`", "a decimal number"),
  bad("N is zero", param("Slice<«0»>"), "N of `Slice<N>` must be from 1 to 65536", "a number in that range"),
  bad("N is too large", param("Str<«65537»>"), "N of `Str<N>` must be from 1 to 65536", "a number in that range"),
  bad(
    "deque too long",
    param("RRef<Deque<Packet, «4097»>>"),
    "N of `Deque<T, N>` must be from 1 to 4096",
    "a number in that range",
  ),
  bad(
    "rpc result as parameter",
    param("«RpcResult<u32, never>»"),
    "`RpcResult` stands only around the whole result",
    "the value's own type",
  ),
];

const METHODS: readonly BadInput[] = [
  bad(
    "no RpcResult",
    method("read(): «u32»;"),
    "`read` must return `RpcResult`: any call can meet a dead domain",
    "`RpcResult<u32, never>`, or with an error enum",
  ),
  bad(
    "void without RpcResult",
    method("read(): «void»;"),
    "`read` must return `RpcResult`: any call can meet a dead domain",
    "`RpcResult<void, never>`, or with an error enum",
  ),
  bad("no result type", method("«read()»"), "`read` has no result type", "`read(…): RpcResult<void, never>`"),
  bad(
    "RpcResult with one argument",
    method("read(): «RpcResult<u32>»;"),
    "`RpcResult` takes 2 arguments, not 1",
    "`RpcResult<T, E>`, with `never` for a method that cannot fail",
  ),
  bad(
    "error is a scalar",
    method("read(): RpcResult<void, «u32»>;"),
    "`u32` is not an error enum",
    "an enum, or `never` when the method cannot fail",
  ),
  bad(
    "error is a record",
    method("read(): RpcResult<void, «Packet»>;"),
    "`Packet` is not an error enum",
    "an enum, or `never` when the method cannot fail",
  ),
  bad(
    "error is void",
    method("read(): RpcResult<u32, «void»>;"),
    "`void` is not an error enum",
    "an enum, or `never` when the method cannot fail",
  ),
  bad(
    "empty result object",
    method("read(): RpcResult<«{}», never>;"),
    "the result of `read` is empty",
    "`RpcResult<void, …>` instead",
  ),
  bad(
    "result too wide",
    method("read(): RpcResult<«{ a: u64; b: u64; c: u64; d: u64; e: u32 }», never>;"),
    "the result takes 9 words, and 8 is the most (32 bits each; u64, f64 and text two)",
    "fewer fields, or an `RRef` to a record",
  ),
  bad(
    "result too wide by alignment",
    method("read(): RpcResult<«{ a: u32; b: f64; c: u32; d: f64; e: u32; f: u32 }», never>;"),
    "the result takes 10 words, and 8 is the most (32 bits each; u64, f64 and text two)",
    "fewer fields, or an `RRef` to a record",
  ),
  bad(
    "result field twice",
    method("read(): RpcResult<{ a: u32; «a: u32» }, never>;"),
    "`a` is a result field already",
    "another name",
  ),
  bad(
    "result field named ok",
    method("read(): RpcResult<{ «ok»: u32 }, never>;"),
    "`ok` is a member that every generated class has",
    "another name, such as `okValue`",
  ),
  bad(
    "result fields that collide",
    method("read(): RpcResult<«{ line: Str<8>; lineBytes: u32 }», never>;"),
    "`line` and `lineBytes` make the same member",
    "another name",
  ),
  bad(
    "optional parameter",
    method("read(«at?: u32»): RpcResult<void, never>;"),
    "the parameter `at` cannot be optional",
    "`at: …`, and a second method without it",
  ),
  bad(
    "unnamed parameter",
    method("read(«u32»): RpcResult<void, never>;"),
    "the parameter `u32` has no type",
    "a name before the type, `value: u32`",
  ),
  bad(
    "untyped parameter",
    method("read(«at»): RpcResult<void, never>;"),
    "the parameter `at` has no type",
    "`at: u32`, for example",
  ),
  bad(
    "rest parameter",
    method("read(«...all: u32»): RpcResult<void, never>;"),
    "a parameter is a plain `name: Type`",
    "each value as a parameter of its own",
  ),
  bad(
    "destructured parameter",
    method("read(«{ a }: u32»): RpcResult<void, never>;"),
    "a parameter is a plain `name: Type`",
    "each value as a parameter of its own",
  ),
  bad(
    "this parameter",
    method("read(«this: u32»): RpcResult<void, never>;"),
    "a parameter is a plain `name: Type`",
    "each value as a parameter of its own",
  ),
  bad(
    "parameter twice",
    method("read(a: u32, «a: u32»): RpcResult<void, never>;"),
    "`a` is a parameter already",
    "another name",
  ),
  bad(
    "reserved word of C",
    method("read(«int: u32»): RpcResult<void, never>;"),
    "`int` is a reserved word of TypeScript, AssemblyScript or C",
    "another name, such as `intValue`",
  ),
  bad(
    "builtin of AssemblyScript",
    method("read(«changetype: u32»): RpcResult<void, never>;"),
    "`changetype` is a reserved word of TypeScript, AssemblyScript or C",
    "another name, such as `changetypeValue`",
  ),
  bad(
    "parameter in capitals",
    method("read(«Block: u32»): RpcResult<void, never>;"),
    "`Block` is not a parameter name: letters and digits, first a small letter, at most 63",
    "`block` instead",
  ),
  bad(
    "too many parameters",
    method(`«read»(${Array.from({ length: 17 }, (_, i) => `p${i}: u32`).join(", ")}): RpcResult<void, never>;`),
    "17 parameters",
    "at most 16, or a record",
  ),
  bad(
    "optional method",
    method("«read?(): RpcResult<void, never>;»"),
    "`read` cannot be optional",
    "`read(…)` instead",
  ),
  bad(
    "generic method",
    method("read«<T>»(): RpcResult<void, never>;"),
    "`read` cannot be generic",
    "one method for each type",
  ),
  bad(
    "overload",
    method("read(): RpcResult<void, never>; «read»(a: u32): RpcResult<void, never>;"),
    "`read` is a method already: there is no overloading",
    "a name of its own for each method",
  ),
  bad(
    "property among methods",
    method("«size: u32;»"),
    "an interface holds methods only",
    "`name(argument: u32): RpcResult<u32, never>`",
  ),
  bad(
    "function property",
    method("«read: (at: u32) => void;»"),
    "an interface holds methods only",
    "`name(argument: u32): RpcResult<u32, never>`",
  ),
  bad(
    "getter",
    method("«get size(): u32;»"),
    "an interface holds methods only",
    "`name(argument: u32): RpcResult<u32, never>`",
  ),
  bad(
    "call signature",
    method("«(at: u32): void;»"),
    "an interface holds methods only",
    "`name(argument: u32): RpcResult<u32, never>`",
  ),
  bad(
    "computed method",
    method('["«read»"](): RpcResult<void, never>;'.replace('"«read»"', '«"read"»')),
    "a method has a plain name",
    "a name such as `read`",
  ),
  bad(
    "method with an underscore",
    method("«read_block»(): RpcResult<void, never>;"),
    "`read_block` is not a method name: letters and digits, first a small letter, at most 63",
    "`readBlock` instead",
  ),
  bad(
    "method named like a generated member",
    method("«use»(): RpcResult<void, never>;"),
    "`use` is a member that every generated class has",
    "another name, such as `useValue`",
  ),
  bad(
    "generic interface",
    file("export interface Disk«<T>» { read(): RpcResult<void, never> }"),
    "`Disk` cannot be generic",
    "one interface for each type",
  ),
  bad(
    "extends",
    file(
      "export interface Base { a(): RpcResult<void, never> }\nexport interface Disk extends «Base» { read(): RpcResult<void, never> }",
    ),
    "`Disk` cannot extend another interface",
    "all methods here, or a method that returns the other capability",
  ),
  bad("empty interface", file("export interface «Disk» {}"), "the interface `Disk` is empty", "at least one method"),
];

const RECORDS: readonly BadInput[] = [
  bad(
    "borrow in a record",
    record("a: «Borrow<Packet>»;"),
    "a loan ends with the call, so no record can keep one",
    "`RRef<…>` to keep the object",
  ),
  bad("string in a record", record("a: «string»;"), cross("string", "field"), TEXT),
  bad(
    "text in a record",
    record("a: «Str<8>»;"),
    "`Str` is copied in calls; a record has a fixed layout",
    "`Bytes<N>` and a `u32` for the length",
  ),
  bad(
    "record by itself",
    record("next: «Packet»;"),
    "`Packet` contains itself by value",
    "`RRef<Packet>` (a slot) instead",
  ),
  bad(
    "record in a record",
    file("export type A = { x: u32 };\nexport type B = { a: «A» };"),
    "the record `A` is nested by value",
    "`RRef<A>` (a slot) instead",
  ),
  bad(
    "capability in a record",
    record("net: «Net»;"),
    "a capability cannot lie in a record: `Net` is an interface",
    "it as a parameter of a method",
  ),
  bad(
    "container in a record",
    record("all: «Deque<Packet, 4>»;"),
    "a container is an object of its own",
    "`RRef<Deque<Packet, 4>>` instead",
  ),
  bad(
    "array of records",
    record("all: «Array<Packet, 4>»;"),
    "an array in a record holds scalars, not `Packet`",
    "`Array<u32, 8>`, or `RRef<Array<…>>` for slots that hold records",
  ),
  bad(
    "nested object",
    record("a: «{ b: u32 }»;"),
    cross("{ b: u32 }", "field"),
    "a record declared with `export type`, passed as `RRef<…>`",
  ),
  bad(
    "bytes too long",
    record("a: Bytes<«16777217»>;"),
    "N of `Bytes<N>` must be from 1 to 16777216",
    "a number in that range",
  ),
  bad(
    "optional field",
    record("«a?: u32;»"),
    "a field is always there",
    "`a: …`, and a flag or an enum if it can be unset",
  ),
  bad(
    "readonly field",
    record("«readonly a: u32;»"),
    "`readonly` has no meaning: who owns the object may write it",
    "`a: …` instead",
  ),
  bad("method in a record", record("«a(): u32;»"), "this is no field", "fields `name: Type` only"),
  bad("index signature", record("«[key: string]: u32;»"), "this is no field", "fields `name: Type` only"),
  bad("untyped field", record("«a;»"), "the field `a` has no type", "`a: u32`, for example"),
  bad(
    "field named free",
    record("«free»: u32;"),
    "`free` is a member that every generated class has",
    "another name, such as `freeValue`",
  ),
  bad(
    "accessors that collide",
    file("export type «Packet» = { data: Bytes<8>; dataGet: u32 };"),
    "fields `data` and `dataGet` of `Packet` both make the member `dataGet`",
    "another field name",
  ),
  bad("empty record", file("export type «Packet» = {};"), "the record `Packet` is empty", "at least one field"),
  bad(
    "alias",
    file("export type Size = «u32»;"),
    "`Size` is an alias, not a record",
    "the type itself where it is used, or a record `{ … }`",
  ),
  bad(
    "union alias",
    file('export type Mode = «"r" | "w"»;'),
    "`Mode` is an alias, not a record",
    "the type itself where it is used, or a record `{ … }`",
  ),
  bad(
    "generic record",
    file("export type Packet«<T>» = { a: u32 };"),
    "`Packet` cannot be generic: its layout is fixed",
    "one record for each element type",
  ),
];

const FILES: readonly BadInput[] = [
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

export const BAD_INPUTS: readonly BadInput[] = [...TYPES, ...METHODS, ...RECORDS, ...FILES];
