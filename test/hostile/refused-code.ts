/**
 * Hand-made modules that admission must refuse: opcodes, memory indices, sizes.
 *
 * The first group is valid for V8, so only the loader stands between it and a domain.
 */
import type { AdmissionCode } from "#kernel/wasm/errors.ts";
import { append, type Code, HEADER, section, u32 } from "../support/wasm-builder/bytes.ts";
import { ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { type Refused, refused } from "./refused.ts";

const { I32, I64, FUNCREF } = op;
const OUT: readonly AdmissionCode[] = ["forbidden-opcode", "type-section", "unknown-opcode"];

/** A function body that is valid for V8 with all that Node switches on, and refused all the same. */
const body = (label: string, says: RegExp, code: Code, codes: readonly AdmissionCode[] = OUT): Refused =>
  refused(label, codes, says, (m) => {
    m.memory(1, 2);
    m.table(1);
    m.func([], [], code, [I32], "main");
  });

const FORBIDDEN: readonly Refused[] = [
  body("ref.i31", /opcode|i31/i, [...op.i32(1), 0xfb, 28, ...op.drop]),
  body("any.convert_extern", /opcode|any|extern/i, [0xd0, 0x6f, 0xfb, 26, ...op.drop]),
  body("ref.test", /opcode|type|test/i, [0xd0, FUNCREF, 0xfb, 21, FUNCREF, ...op.drop]),
  body("ref.cast", /opcode|type|cast/i, [0xd0, FUNCREF, 0xfb, 23, FUNCREF, ...op.drop]),
  body("ref.eq", /opcode|type|eq/i, [0xd0, 0x6d, 0xd0, 0x6d, 0xd3, ...op.drop]),
  body("ref.as_non_null", /opcode|ref/i, [0xd0, FUNCREF, 0xd4, ...op.drop]),
  body("br_on_null", /opcode|ref|br_on/i, op.block([0xd0, FUNCREF, 0xd5, 0, ...op.drop])),
  body("br_on_non_null", /opcode|ref|br_on|type/i, [
    0x02,
    FUNCREF,
    0xd0,
    FUNCREF,
    0xd6,
    0,
    0xd0,
    FUNCREF,
    0x0b,
    ...op.drop,
  ]),
  body("call_ref", /opcode|call_ref|type/i, [0xd0, 0, 0x14, 0]),
  body("return_call_ref", /opcode|call_ref|type/i, [0xd0, 0, 0x15, 0]),
  body("null of any", /type|reference|heap/i, [0xd0, 0x6e, ...op.drop]),
  body("null of none", /type|reference|heap/i, [0xd0, 0x71, ...op.drop]),
  body("null of a type index", /type|reference|heap/i, [0xd0, 0, ...op.drop]),
  body("null of an exception", /type|reference|heap/i, [0xd0, 0x69, ...op.drop]),
  body("select of a GC type", /type|reference|select/i, [
    0xd0,
    0x6e,
    0xd0,
    0x6e,
    ...op.i32(0),
    0x1c,
    1,
    0x6e,
    ...op.drop,
  ]),
  body("try_table", /opcode|exception|try/i, [0x1f, op.VOID, 0, 0x0b]),
  body("try_table that catches all", /opcode|exception|try/i, op.block([0x1f, op.VOID, 1, 2, 0, 0x0b])),
  body("legacy try", /opcode|exception|try/i, [0x06, op.VOID, 0x19, 0x0b]),
  body("throw_ref", /opcode|exception|throw|type/i, [0xd0, 0x69, 0x0a]),
  body("table.grow", /table.grow|opcode/i, [0xd0, FUNCREF, ...op.i32(1), 0xfc, 15, 0, ...op.drop]),
  body("atomic wait32", /wait|opcode/i, [...op.i32(0), ...op.i32(0), ...op.i64(-1n), ...op.atomic(1, 2), ...op.drop]),
  body("atomic wait64", /wait|opcode/i, [...op.i32(0), ...op.i64(0n), ...op.i64(-1n), ...op.atomic(2, 3), ...op.drop]),
  refused("throw", OUT, /tag|opcode|exception/i, (m) => {
    m.item(13, [0, m.type([])]);
    m.func([], [], [0x08, 0]);
  }),
  refused("array.new of a gigabyte", OUT, /type|array/i, (m) => {
    const array = m.rawType([0x5e, I32, 1]);
    m.func([], [], [...op.i32(2 ** 28), 0xfb, 7, array, ...op.drop], [], "main");
  }),
  refused("64-bit address", ["memory"], /64/i, (m) => {
    m.memory(1, 1, 4);
    m.func([], [I32], [...op.i64(0n), ...op.i32load()]);
  }),
];

/** Codes of a refusal of an instruction or index that does not exist. */
const NONE: readonly AdmissionCode[] = [
  "unknown-opcode",
  "forbidden-opcode",
  "invalid",
  "malformed",
  "memory",
  "type-section",
];
const unknown = (label: string, code: Code): Refused =>
  refused(label, NONE, /opcode|invalid|unknown|malformed|type/i, (m) => {
    m.memory(1, 2);
    m.func([], [], code);
  });
const UNKNOWN: readonly Refused[] = [
  ...[0x16, 0x17, 0x1d, 0x1e, 0x27, 0xc5, 0xcf, 0xd7, 0xe0, 0xe6, 0xf0, 0xfa, 0xff].map((code) =>
    unknown(`unknown opcode 0x${code.toString(16)}`, [code, 0, 0]),
  ),
  ...[18, 19, 22, 31, 0x7f, 0x3fff, 2 ** 32 - 1].map((code) =>
    unknown(`unknown 0xfc ${code}`, [0xfc, ...u32(code), 0, 0]),
  ),
  ...[0xa2, 0x9a, 0x120, 0x1ff, 0xfff, 2 ** 32 - 1].map((code) =>
    unknown(`unknown 0xfd ${code}`, [0xfd, ...u32(code), 0, 0]),
  ),
  ...[4, 0x0f, 0x4f, 0x7f, 2 ** 31].map((code) => unknown(`unknown 0xfe ${code}`, [0xfe, ...u32(code), 0, 0])),
  ...[0, 16, 30, 31, 0x80, 0x3fff].map((code) => unknown(`unknown or GC 0xfb ${code}`, [0xfb, ...u32(code), 0, 0])),
  unknown("prefix opcode in an overlong LEB128", [0xfc, 0x8b, 0x80, 0x80, 0x80, 0x80, 0x00, 0]),
  unknown("block type that is no type", [0x02, 0x41, 0x0b]),
  unknown("block type index out of range", [0x02, 0x20, 0x0b]),
  unknown("block type in six bytes", [0x02, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00, 0x0b]),
];

/** Every kind of memory instruction on memory 1 and 2, which after lowering would be the heap and the ledger. */
const memoryInstructions = (memory: number): readonly [string, Code][] => {
  const out: [string, Code][] = [];
  for (let code = 0x28; code <= 0x3e; code++) out.push([`0x${code.toString(16)}`, op.access([code], 0, 0, memory)]);
  out.push(["memory.size", op.memorySize(memory)], ["memory.grow", op.memoryGrow(memory)]);
  out.push(["memory.fill", op.memoryFill(memory)], ["memory.copy to", op.memoryCopy(memory, 0)]);
  out.push(["memory.copy from", op.memoryCopy(0, memory)], ["memory.init", op.memoryInit(0, memory)]);
  for (const code of [...Array(12).keys(), 92, 93])
    out.push([`simd ${code}`, op.access([0xfd, ...u32(code)], 0, 0, memory)]);
  for (let code = 84; code <= 91; code++)
    out.push([`simd lane ${code}`, [...op.access([0xfd, ...u32(code)], 0, 0, memory), 0]]);
  for (const code of [0, ...Array.from({ length: 0x3f }, (_, i) => i + 0x10)]) {
    out.push([`atomic 0x${code.toString(16)}`, op.atomic(code, 0, 0, memory)]);
  }
  return out;
};

/** Operand shapes that make one of them type-correct: tried in turn, so that each index is refused for its own sake. */
const OPERANDS: readonly Code[] = [
  [],
  op.i32(0),
  [...op.i32(0), ...op.i32(0)],
  [...op.i32(0), ...op.i64(0n)],
  [...op.i32(0), ...op.i32(0), ...op.i32(0)],
];
export const MEMORY_INDEX: readonly Refused[] = [1, 2, 0x3fff].flatMap((memory) =>
  memoryInstructions(memory).flatMap(([label, code]) =>
    OPERANDS.map((operands, i) =>
      refused(`${label} on memory ${memory}, operands ${i}`, NONE, /memor|opcode|invalid|0x/i, (m) => {
        m.memory(1, 2);
        m.passiveData([1]);
        m.func([], [], [...operands, ...code, ...op.unreachable]);
      }),
    ),
  ),
);

/** Builds a module whose one repeated item is too large to assemble through the builder quickly. */
const repeated = (
  label: string,
  codes: readonly AdmissionCode[],
  says: RegExp,
  build: () => Code | Uint8Array,
): Refused => ({
  name: label,
  codes,
  says,
  build: () => Uint8Array.from(build()),
});
const LARGE: readonly AdmissionCode[] = ["too-large", "invalid", "malformed"];
const manyItems = (id: number, count: number, item: Code, before: Code = []): number[] => {
  const contents = u32(count);
  for (let i = 0; i < count; i++) append(contents, item);
  const out = [...HEADER, ...before];
  append(out, section(id, contents));
  return out;
};
const oneBody = (code: Code, locals: Code = [0]): number[] => {
  const inner = [...locals];
  append(inner, code);
  inner.push(0x0b);
  const sized = u32(inner.length);
  append(sized, inner);
  const out = [...HEADER, ...section(1, [1, 0x60, 0, 0]), ...section(3, [1, 0])];
  const contents = [1];
  append(contents, sized);
  append(out, section(10, contents));
  return out;
};
const times = (count: number, code: Code): number[] => {
  const out: number[] = [];
  for (let i = 0; i < count; i++) append(out, code);
  return out;
};

const SIZES: readonly Refused[] = [
  repeated("module above 16 MiB", ["too-large"], /16|module|bytes/i, () => new Uint8Array(17 << 20)),
  repeated("a million and one functions", LARGE, /function/i, () =>
    manyItems(3, 1_000_001, [0], section(1, [1, 0x60, 0, 0])),
  ),
  repeated("two million types", LARGE, /type/i, () => manyItems(1, 2_000_000, [0x60, 0, 0])),
  repeated("100,001 locals", ["too-large", "invalid"], /local/i, () => oneBody([], [1, ...u32(100_001), I32])),
  repeated("2^32 - 1 locals", ["too-large", "invalid", "malformed"], /local/i, () =>
    oneBody([], [1, ...u32(2 ** 32 - 1), I32]),
  ),
  repeated("locals whose count wraps to 0", ["too-large", "invalid", "malformed"], /local/i, () =>
    oneBody([], [2, ...u32(2 ** 31), I32, ...u32(2 ** 31), I64]),
  ),
  repeated("100,000 groups of no locals and one too many", ["too-large", "invalid"], /local/i, () =>
    oneBody([], [...u32(100_001), ...times(100_000, [0, I32]), ...u32(50_001), I32]),
  ),
  repeated("body of 1 MiB", ["too-large", "invalid"], /function|body|bytes/i, () => oneBody(times(1 << 20, op.nop))),
  repeated("br_table of 300,000", LARGE, /br_table|table|body|function/i, () =>
    oneBody([...op.i32(0), 0x0e, ...u32(300_000), ...times(300_001, [0])]),
  ),
  repeated("br_table of 2^32 - 1", LARGE, /4294967295 br/i, () =>
    oneBody([...op.i32(0), 0x0e, ...u32(2 ** 32 - 1), 0]),
  ),
  repeated("100,000 nested blocks", ["too-large"], /nest|deep|block|bytes/i, () =>
    oneBody([...times(100_000, [0x02, 0x40]), ...times(100_000, [0x0b])]),
  ),
  repeated("100,000 nested loops", ["too-large"], /nest|deep|block|bytes/i, () =>
    oneBody([...times(100_000, [0x03, 0x40]), ...times(100_000, [0x0b])]),
  ),
  repeated("10,000 nested blocks", ["too-large"], /nest|deep/i, () =>
    oneBody([...times(10_000, [0x02, 0x40]), ...times(10_000, [0x0b])]),
  ),
  repeated("1001 parameters", ["too-large", "invalid"], /param|type/i, () => [
    ...HEADER,
    ...section(1, [1, 0x60, ...u32(1001), ...times(1001, [I32]), 0]),
  ]),
  repeated("1001 results", ["too-large", "invalid"], /result|return|type/i, () => [
    ...HEADER,
    ...section(1, [1, 0x60, 0, ...u32(1001), ...times(1001, [I32])]),
  ]),
  repeated("a million exports claimed", LARGE, /export/i, () => {
    const items = u32(1_000_001);
    return [...HEADER, ...section(1, [1, 0x60, 0, 0]), ...section(7, items)];
  }),
  repeated(
    "import name of 200,000 bytes",
    ["too-large", "invalid", "import-not-granted"],
    /name|string|import|env/i,
    () => {
      const out = [...HEADER, ...section(1, [1, 0x60, 0, 0])];
      const contents = [1, 1, 0x61, ...u32(200_000)];
      append(contents, times(200_000, [0x61]));
      append(contents, [0, 0]);
      append(out, section(2, contents));
      return out;
    },
  ),
  repeated("a million globals and one", LARGE, /global/i, () => manyItems(6, 1_000_001, [I32, 0, 0x41, 0, 0x0b])),
  repeated("200,000 data segments", LARGE, /data|segment/i, () => manyItems(11, 200_000, [1, 0])),
];

/** A module that exports nothing wrong but is a little too much: an access to a memory that it does not have. */
const NO_MEMORY: readonly Refused[] = [
  refused("load without a memory", NONE, /memor/i, (m) => m.func([], [I32], [...op.i32(0), ...op.i32load()])),
  refused("data segment without a memory", NONE, /memor|data/i, (m) => m.data(op.i32(0), [1])),
  refused("data segment in memory 1", ["invalid", "malformed", "memory"], /memor|data/i, (m) => {
    m.memory(1);
    m.item(11, [2, 1, ...op.i32(0), 0x0b, 1, 1]);
  }),
  refused("element segment in table 1", ["invalid", "malformed", "table"], /table|element/i, (m) => {
    m.table(1);
    m.item(9, [2, 1, ...op.i32(0), 0x0b, 0, 0]);
  }),
  refused("load offset of 33 bits", NONE, /offset|leb|integer|memor/i, (m) => {
    m.memory(1);
    m.func([], [I32], [...op.i32(0), 0x28, 2, 0x80, 0x80, 0x80, 0x80, 0x10]);
  }),
  refused("alignment beyond natural", NONE, /align/i, (m) => {
    m.memory(1);
    m.func([], [I32], [...op.i32(0), 0x28, 3, 0]);
  }),
  refused("lane out of range", NONE, /lane/i, (m) => {
    m.memory(1);
    m.func([], [I32], [...op.simd(12, ...Array<number>(16).fill(0)), ...op.simd(27, 9)]);
  }),
];

/** All of them, except the memory-index sweep. */
export const REFUSED_CODE: readonly Refused[] = [...FORBIDDEN, ...UNKNOWN, ...SIZES, ...NO_MEMORY];
/** Modules that V8 must find valid by itself, so that the refusal is the loader's. */
export const VALID_FOR_V8: readonly Refused[] = FORBIDDEN;

/** The smallest module that uses one helper of each kind and every section: for truncation and bit flips. */
export function smallModule(): Uint8Array<ArrayBuffer> {
  const m = new ModuleBuilder();
  const load = m.importFunc("heap", "load_i32", [I32, I32], [I32]);
  const take = m.importFunc("heap", "take", [I32, I32], [I32]);
  m.memory(1, 2);
  m.table(2, 2);
  m.global(I32, true, op.i32(7));
  m.elem(op.i32(0), [2]);
  m.data(op.i32(8), [1, 2, 3]);
  m.func(
    [I32],
    [I32],
    [
      ...op.block(op.loop([...op.get(0), ...op.brIf(1)])),
      ...op.get(0),
      ...op.i32(4),
      ...op.call(load),
      ...op.get(0),
      ...op.i32(0),
      ...op.call(take),
      ...op.i32add,
      ...op.globalGet(0),
      ...op.i32add,
    ],
    [],
    "main",
  );
  m.func([], [], [...op.i32(0), ...op.i32(1), ...op.i32(2), ...op.memoryFill()], [], "fill");
  m.custom("name", [0, 2, 1, 0x78]);
  return m.build();
}
