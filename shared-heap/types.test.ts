/**
 * The type table: stable ids, types that refer to each other, and tables that are full.
 */
import { expect, test } from "vitest";
import {
  ledgerBytes,
  MAX_SLOT_TYPES,
  MAX_TYPES,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_SIZE,
  TYPE_SLOTS,
  TypeKind,
} from "./layout.ts";
import { codeOf } from "./test/support.ts";
import { MAX_OBJECT_SIZE, MAX_SLOTS, TypeTable, typeWord, type TypeDefinition } from "./types.ts";

const record = (size: number, ...slots: string[]): TypeDefinition => ({ kind: "record", slots, size });
function table(): { types: TypeTable; words: Int32Array; field: (id: number, offset: number) => number } {
  const words = new Int32Array(ledgerBytes(2) / 4);
  return { types: new TypeTable(words), words, field: (id, offset) => words[typeWord(id) + (offset >> 2)]! };
}

test("a definition lands in the ledger", () => {
  const { types, words, field } = table();
  const packet = types.define("Packet", record(100));
  const pair = types.define("Pair", record(4, "Packet", "Note"));
  const deque = types.define("Ring", { kind: "deque", element: "Packet", length: 32 });
  const array = types.define("List", { kind: "array", element: "Pair", length: 7 });
  expect([packet, pair, deque, array].map((id) => field(id, TYPE_KIND))).toEqual([
    TypeKind.record,
    TypeKind.record,
    TypeKind.deque,
    TypeKind.array,
  ]);
  expect([packet, pair, deque, array].map((id) => field(id, TYPE_SLOTS))).toEqual([0, 2, 32, 7]);
  expect([packet, pair, deque, array].map((id) => field(id, TYPE_SIZE))).toEqual([100, 4, 0, 0]);
  expect([field(deque, TYPE_ELEMENT), field(array, TYPE_ELEMENT)]).toEqual([packet, pair]);
  const at = field(pair, TYPE_ELEMENT) >> 2;
  expect([words[at], words[at + 1]]).toEqual([packet, types.id("Note")]);
  const other = types.define("Other", record(0, "Pair"));
  expect(field(other, TYPE_ELEMENT) >> 2).toBe(at + 2);
});

test("a key that is only referred to has an id, no kind, and keeps the id when defined", () => {
  const { types, field } = table();
  types.define("A", record(0, "B"));
  const b = types.id("B");
  expect(b).toBeGreaterThan(0);
  expect(field(b, TYPE_KIND)).toBe(TypeKind.none);
  expect(types.define("B", record(0, "A", "B"))).toBe(b);
  expect(types.key(b)).toBe("B");
  expect(types.id("C")).toBe(0);
  expect(types.key(0)).toBe("");
  expect(types.key(99)).toBe("");
});

test("the same definition again is the same type, another one is refused", () => {
  const { types } = table();
  const id = types.define("A", record(8, "B"));
  expect(types.define("A", record(8, "B"))).toBe(id);
  for (const other of [record(9, "B"), record(8, "C"), record(8), { kind: "array", element: "B", length: 1 } as const])
    expect(codeOf(() => types.define("A", other))).toBe("conflict");
  expect(types.id("C")).toBe(0);
});

test("sizes that cannot be are refused", () => {
  const { types } = table();
  for (const size of [-1, 0.5, NaN, MAX_OBJECT_SIZE + 1])
    expect(codeOf(() => types.define("A", record(size)))).toBe("config");
  for (const kind of ["array", "deque"] as const)
    for (const length of [0, -1, 1.5, NaN, MAX_SLOTS + 1])
      expect(codeOf(() => types.define("A", { kind, element: "B", length }))).toBe("config");
  expect(types.id("A") + types.id("B")).toBe(0);
});

test("full tables are refused, and a refusal takes no id", () => {
  const { types } = table();
  for (let i = 1; i < MAX_TYPES - 1; i++) types.define(`T${i}`, record(0));
  expect(codeOf(() => types.define("A", record(0, "B")))).toBe("exhausted");
  expect(types.id("A") + types.id("B")).toBe(0);
  expect(types.define("A", record(0))).toBe(MAX_TYPES - 1);
  expect(codeOf(() => types.define("B", record(0)))).toBe("exhausted");

  const second = table().types;
  second.define("Wide", record(0, ...Array.from({ length: MAX_SLOT_TYPES - 1 }, () => "X")));
  expect(codeOf(() => second.define("Two", record(0, "X", "X")))).toBe("exhausted");
  expect(codeOf(() => second.define("One", record(0, "X")))).toBe("");
  expect(codeOf(() => second.define("None", record(0)))).toBe("");
});
