/**
 * Bad inputs: interfaces, methods, parameters and results.
 *
 * Owns its part of the table; see `case.ts`. Invariant: the messages are exact, to the letter.
 */
import { bad, file, method, type BadInput } from "./case.ts";

export const METHODS: readonly BadInput[] = [
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
  bad(
    "an async method that borrows",
    method("read(«x: Borrow<Packet>»): Promise<RpcResult<void, never>>;"),
    "`read` is async, so it cannot borrow",
    "`RRef<…>`, moved there and back",
  ),
  bad(
    "an async method without RpcResult",
    method("read(): Promise<«u32»>;"),
    "`read` must return `RpcResult`: any call can meet a dead domain",
    "`RpcResult<u32, never>`, or with an error enum",
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
