/**
 * Bad inputs: records and their fields.
 *
 * Owns its part of the table; see `case.ts`. Invariant: the messages are exact, to the letter.
 */
import { bad, cross, file, record, TEXT, type BadInput } from "./case.ts";

export const RECORDS: readonly BadInput[] = [
  bad(
    "borrow in a record",
    record("a: «Borrow<Packet>»;"),
    "a loan ends with the call, so no record can keep one",
    "`RRef<…>` to keep it",
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
