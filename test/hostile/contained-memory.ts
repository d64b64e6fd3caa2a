/**
 * Modules that never end, and modules that reach beyond their memory 0: contained when they run.
 */
import { type Code, append, u32 } from "../support/wasm-builder/bytes.ts";
import { Kind, limits } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { type Contained, type Expected, i32main, main, row } from "./containment.ts";
import { MAX_PAGES } from "./policy.ts";

const { I32, I64 } = op;

/** What would never end, were it not for the ticks. */
export const ENDLESS: readonly Contained[] = [
  main("endless loop", "trap", (m) => m.func([], [], op.loop(op.br(0)), [], "main")),
  main("endless loop by br_table", "trap", (m) =>
    m.func([], [], op.loop([...op.i32(9), ...op.brTable([0, 0], 0)]), [], "main"),
  ),
  main("endless loop by br_if in nested blocks", "trap", (m) =>
    m.func([], [], op.loop(op.block(op.block([...op.i32(1), ...op.brIf(2)]))), [], "main"),
  ),
  main("endless inner loop behind a dead outer one", "trap", (m) =>
    m.func([], [], [...op.loop(op.loop([...op.br(0), ...op.br(1)]))], [], "main"),
  ),
  main("endless loop with parameters", "trap", (m) => {
    const type = m.type([I32], [I32]);
    i32main(m, [...op.i32(1), ...op.loop([...op.i32(1), ...op.i32add, ...op.br(0)], type)]);
  }),
  main("endless recursion", "trap", (m) => i32main(m, [...op.call(0), ...op.i32(1), ...op.i32add])),
  main("endless mutual recursion", "trap", (m) => {
    i32main(m, [...op.call(1), ...op.i32(1), ...op.i32add]);
    m.func([], [I32], [...op.call(0), ...op.i32(1), ...op.i32add]);
  }),
  main("endless tail call", "trap", (m) => i32main(m, op.returnCall(0))),
  main("endless mutual tail call", "trap", (m) => {
    i32main(m, op.returnCall(1));
    m.func([], [I32], op.returnCall(0));
  }),
  main("endless indirect tail call", "trap", (m) => {
    m.table(1);
    m.elem(op.i32(0), [i32main(m, [...op.i32(0), ...op.returnCallIndirect(m.type([], [I32]))])]);
  }),
  main("endless indirect recursion", "trap", (m) => {
    m.table(1);
    m.elem(op.i32(0), [i32main(m, [...op.i32(0), ...op.callIndirect(m.type([], [I32])), ...op.i32(1), ...op.i32add])]);
  }),
  main("recursion with a frame of 40,000 locals", "trap", (m) => {
    const body = [1, ...u32(40_000), I64];
    append(body, [...op.call(0), ...op.get(7), 0xa7, ...op.i32add, 0x0b]);
    m.rawFunc(m.type([], [I32]), body, "main");
  }),
  main("endless loop around a bulk fill", "trap", (m) => {
    m.memory(1, 1);
    m.func(
      [],
      [],
      op.loop([...op.i32(0), ...op.i32(7), ...op.i32(65_536), ...op.memoryFill(), ...op.br(0)]),
      [],
      "main",
    );
  }),
  main("endless loop that grows memory", "trap", (m) => {
    m.memory(1);
    m.func([], [], op.loop([...op.i32(1), ...op.memoryGrow(), ...op.drop, ...op.br(0)]), [], "main");
  }),
];

/** Memory 0: bounds, quota, bulk, data segments. */
const grown = (times: number): Code => {
  const out: number[] = [];
  for (let i = 0; i < times; i++) append(out, [...op.i32(1), ...op.memoryGrow(), ...op.drop]);
  return [...out, ...op.memorySize()];
};
const memoryTrap = (name: string, code: Code): Contained =>
  main(name, "trap", (m) => {
    m.memory(1, 2);
    m.passiveData([1, 2, 3, 4]);
    m.func([], [], code, [], "main");
  });
export const MEMORY: readonly Contained[] = [
  main("memory grows to the quota and no further", MAX_PAGES, (m) => {
    m.memory(1);
    i32main(m, grown(20));
  }),
  main("memory with a maximum of 4 GiB grows to the quota", MAX_PAGES, (m) => {
    m.memory(0, 65_536);
    i32main(m, grown(20));
  }),
  main("memory grows to its own maximum", 2, (m) => {
    m.memory(1, 2);
    i32main(m, grown(20));
  }),
  main("growing by 2^32 - 1 pages", -1, (m) => {
    m.memory(1);
    i32main(m, [...op.i32(-1), ...op.memoryGrow()]);
  }),
  main("imported memory is the domain's own", 1, (m) => {
    m.importRaw("env", "memory", Kind.memory, limits(1, 4));
    i32main(m, op.memorySize());
  }),
  main("a module without memory has none", 5, (m) => i32main(m, op.i32(5))),
  memoryTrap("load at -1", [...op.i32(-1), ...op.i32load(), ...op.drop]),
  memoryTrap("load with offset 2^32 - 1", [...op.i32(-1), ...op.i32load(2 ** 32 - 1), ...op.drop]),
  memoryTrap("fill across the end", [...op.i32(65_535), ...op.i32(1), ...op.i32(2), ...op.memoryFill()]),
  memoryTrap("fill of 2^32 - 1", [...op.i32(1), ...op.i32(1), ...op.i32(-1), ...op.memoryFill()]),
  memoryTrap("copy from beyond the end", [...op.i32(0), ...op.i32(65_536), ...op.i32(1), ...op.memoryCopy()]),
  memoryTrap("copy to beyond the end", [...op.i32(65_536), ...op.i32(0), ...op.i32(1), ...op.memoryCopy()]),
  memoryTrap("init beyond the segment", [...op.i32(0), ...op.i32(2), ...op.i32(3), ...op.memoryInit(0)]),
  memoryTrap("init with a length that wraps", [...op.i32(0), ...op.i32(2), ...op.i32(-2), ...op.memoryInit(0)]),
  memoryTrap("init after drop", [...op.dataDrop(0), ...op.i32(0), ...op.i32(0), ...op.i32(1), ...op.memoryInit(0)]),
  memoryTrap("fill of nothing beyond the end", [...op.i32(65_537), ...op.i32(1), ...op.i32(0), ...op.memoryFill()]),
  main("fill of nothing at the end", 1, (m) => {
    m.memory(1);
    i32main(m, [...op.i32(65_536), ...op.i32(1), ...op.i32(0), ...op.memoryFill(), ...op.i32(1)]);
  }),
  main("a fill that traps writes nothing", 0, (m) => {
    m.memory(2, 2);
    m.func([], [], [...op.i32(8), ...op.i32(7), ...op.i32(131_065), ...op.memoryFill()], [], "fill");
    i32main(m, [...op.i32(65_600), ...op.i32load()]);
  }),
  main("memory flag with index 0 written out", 42, (m) => {
    m.memory(1);
    i32main(m, [...op.i32(16), ...op.i32(42), 0x36, 0x42, 0, 0, ...op.i32(16), 0x28, 0x42, 0, 0]);
  }),
  main("unused sections and names", 3, (m) => {
    m.custom("name", [0, 2, 1, 0x61]).custom("samara", [1, 2, 3]).custom("name", [9, 0xff, 0xff]);
    m.memory(1);
    m.passiveData([1, 2, 3]);
    m.item(9, [1, 0, 0]);
    i32main(m, op.i32(3));
  }),
  row("data segment out of range", null, (m) => {
    m.memory(1);
    m.data(op.i32(65_530), [1, 2, 3, 4, 5, 6, 7, 8]);
  }),
  row("data segment at -1", null, (m) => {
    m.memory(1);
    m.data(op.i32(-1), [1]);
  }),
  row("element segment out of range", null, (m) => {
    m.table(2);
    m.elem(op.i32(2), [m.func([], [], op.nop)]);
  }),
];

/** Bulk operations with lengths that are no constants, longer than one piece: the same as in one. */
const long = (name: string, result: Expected, code: Code, show: Code): Contained =>
  main(name, result, (m) => {
    m.memory(4, 4);
    m.passiveData(Array.from({ length: 70_000 }, (_, i) => (i * 7) & 0xff));
    m.data(op.i32(0), [1, 2, 3, 4, 5, 6, 7, 8]);
    m.dataCount(2);
    m.table(20_000, 20_000);
    const f = m.func([], [I32], op.i32(33));
    m.declare([f]);
    m.func([I32], [I32], [...code, ...show], [], "work");
    i32main(m, [...op.i32(0), ...op.call(1)]);
  });
/** A length that the loader cannot see. */
const hidden = (n: number): Code => [...op.get(0), ...op.i32(n), ...op.i32add];
const byteAt = (at: number): Code => [...op.i32(at), 0x2d, 0, 0];
export const LONG: readonly Contained[] = [
  long(
    "long fill reaches its last byte",
    9,
    [...op.i32(3), ...op.i32(9), ...hidden(200_000), ...op.memoryFill()],
    byteAt(200_002),
  ),
  long(
    "long fill stops at its last byte",
    0,
    [...op.i32(3), ...op.i32(9), ...hidden(200_000), ...op.memoryFill()],
    byteAt(200_003),
  ),
  long(
    "long copy upwards over itself",
    5,
    [...op.i32(100), ...op.i32(0), ...hidden(150_000), ...op.memoryCopy()],
    byteAt(104),
  ),
  long(
    "long copy downwards over itself",
    0,
    [
      ...op.i32(150_050),
      ...op.i32(77),
      0x3a,
      0,
      0,
      ...op.i32(0),
      ...op.i32(100),
      ...hidden(150_000),
      ...op.memoryCopy(),
    ],
    [...byteAt(149_950), ...op.i32(77), ...op.i32sub],
  ),
  long(
    "long copy upwards moves its end first",
    77,
    [
      ...op.i32(149_999),
      ...op.i32(77),
      0x3a,
      0,
      0,
      ...op.i32(10),
      ...op.i32(0),
      ...hidden(150_000),
      ...op.memoryCopy(),
    ],
    byteAt(150_009),
  ),
  long(
    "long init",
    (69_999 * 7) & 0xff,
    [...op.i32(16), ...op.i32(0), ...hidden(70_000), ...op.memoryInit(0)],
    byteAt(70_015),
  ),
  long(
    "long copy beyond the end",
    "trap",
    [...op.i32(100_000), ...op.i32(0), ...hidden(170_000), ...op.memoryCopy()],
    op.i32(1),
  ),
  long(
    "long init beyond the segment",
    "trap",
    [...op.i32(0), ...op.i32(1), ...hidden(70_000), ...op.memoryInit(0)],
    op.i32(1),
  ),
  long("fill of 2^32 - 1, hidden", "trap", [...op.i32(1), ...op.i32(9), ...hidden(-1), ...op.memoryFill()], op.i32(1)),
  long(
    "long table fill",
    33,
    [...op.i32(1), ...op.refFunc(0), ...hidden(19_999), 0xfc, 17, 0],
    [...op.i32(19_999), 0x11, 0, 0],
  ),
  long(
    "long table copy over itself",
    33,
    [...op.i32(0), ...op.refFunc(0), 0x26, 0, ...op.i32(1), ...op.i32(0), ...hidden(19_999), 0xfc, 14, 0, 0],
    [...op.i32(1), 0x11, 0, 0],
  ),
  long(
    "long table fill beyond the end",
    "trap",
    [...op.i32(1), ...op.refFunc(0), ...hidden(20_000), 0xfc, 17, 0],
    op.i32(1),
  ),
];
