/**
 * Hand-made modules that admission lets in and that must be contained when they run.
 *
 * Each row says what its calls give. Whatever they give, the world is judged as after every hostile run.
 */
import { append, type Code, HEADER, section, u32 } from "../support/wasm-builder/bytes.ts";
import { Kind, limits, ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { MAX_PAGES, STORE } from "./policy.ts";
import type { Call } from "./runner.ts";
import type { World } from "./world.ts";

const { I32, I64, F32, F64, FUNCREF, EXTERNREF } = op;
type Expected = number | bigint | "trap";

export interface Contained {
  readonly name: string;
  readonly build: (world: World) => Uint8Array<ArrayBuffer>;
  readonly calls: readonly Call[];
  /** Results of the calls, or null when instantiation traps. */
  readonly expected: readonly Expected[] | null;
}

/** A row whose one function `main` is called once, without parameters. */
const main = (name: string, result: Expected, fill: (m: ModuleBuilder, world: World) => void): Contained =>
  row(name, [result], fill, [{ name: "main", args: [] }]);

function row(
  name: string, expected: readonly Expected[] | null, fill: (m: ModuleBuilder, world: World) => void, calls: readonly Call[] = [],
): Contained {
  const build = (world: World): Uint8Array<ArrayBuffer> => {
    const m = new ModuleBuilder();
    fill(m, world);
    return m.build();
  };
  return { name, build, calls, expected };
}

const load = (m: ModuleBuilder): number => m.importFunc("heap", "load_i32", [I32, I32], [I32]);
const poke = (m: ModuleBuilder): number => m.importFunc(STORE, "poke", [I32, I32, I32], [I32]);
const i32main = (m: ModuleBuilder, code: Code, locals: Code = []): number => m.func([], [I32], code, locals, "main");

/** What would never end, were it not for the ticks. */
const ENDLESS: readonly Contained[] = [
  main("endless loop", "trap", (m) => m.func([], [], op.loop(op.br(0)), [], "main")),
  main("endless loop by br_table", "trap", (m) => m.func([], [], op.loop([...op.i32(9), ...op.brTable([0, 0], 0)]), [], "main")),
  main("endless loop by br_if in nested blocks", "trap", (m) =>
    m.func([], [], op.loop(op.block(op.block([...op.i32(1), ...op.brIf(2)]))), [], "main")),
  main("endless inner loop behind a dead outer one", "trap", (m) =>
    m.func([], [], [...op.loop(op.loop([...op.br(0), ...op.br(1)]))], [], "main")),
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
    m.func([], [], op.loop([...op.i32(0), ...op.i32(7), ...op.i32(65_536), ...op.memoryFill(), ...op.br(0)]), [], "main");
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
const memoryTrap = (name: string, code: Code): Contained => main(name, "trap", (m) => {
  m.memory(1, 2);
  m.passiveData([1, 2, 3, 4]);
  m.func([], [], code, [], "main");
});
const MEMORY: readonly Contained[] = [
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
    i32main(m, [
      ...op.i32(16), ...op.i32(42), 0x36, 0x42, 0, 0, ...op.i32(16), 0x28, 0x42, 0, 0,
    ]);
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
const long = (name: string, result: Expected, code: Code, show: Code): Contained => main(name, result, (m) => {
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
const LONG: readonly Contained[] = [
  long("long fill reaches its last byte", 9, [...op.i32(3), ...op.i32(9), ...hidden(200_000), ...op.memoryFill()], byteAt(200_002)),
  long("long fill stops at its last byte", 0, [...op.i32(3), ...op.i32(9), ...hidden(200_000), ...op.memoryFill()], byteAt(200_003)),
  long("long copy upwards over itself", 5, [...op.i32(100), ...op.i32(0), ...hidden(150_000), ...op.memoryCopy()], byteAt(104)),
  long("long copy downwards over itself", 0, [
    ...op.i32(150_050), ...op.i32(77), 0x3a, 0, 0, ...op.i32(0), ...op.i32(100), ...hidden(150_000), ...op.memoryCopy(),
  ], [...byteAt(149_950), ...op.i32(77), ...op.i32sub]),
  long("long copy upwards moves its end first", 77, [
    ...op.i32(149_999), ...op.i32(77), 0x3a, 0, 0, ...op.i32(10), ...op.i32(0), ...hidden(150_000), ...op.memoryCopy(),
  ], byteAt(150_009)),
  long("long init", (69_999 * 7) & 0xff, [...op.i32(16), ...op.i32(0), ...hidden(70_000), ...op.memoryInit(0)], byteAt(70_015)),
  long("long copy beyond the end", "trap", [...op.i32(100_000), ...op.i32(0), ...hidden(170_000), ...op.memoryCopy()], op.i32(1)),
  long("long init beyond the segment", "trap", [...op.i32(0), ...op.i32(1), ...hidden(70_000), ...op.memoryInit(0)], op.i32(1)),
  long("fill of 2^32 - 1, hidden", "trap", [...op.i32(1), ...op.i32(9), ...hidden(-1), ...op.memoryFill()], op.i32(1)),
  long("long table fill", 33, [...op.i32(1), ...op.refFunc(0), ...hidden(19_999), 0xfc, 17, 0],
    [...op.i32(19_999), 0x11, 0, 0]),
  long("long table copy over itself", 33, [
    ...op.i32(0), ...op.refFunc(0), 0x26, 0, ...op.i32(1), ...op.i32(0), ...hidden(19_999), 0xfc, 14, 0, 0,
  ], [...op.i32(1), 0x11, 0, 0]),
  long("long table fill beyond the end", "trap", [...op.i32(1), ...op.refFunc(0), ...hidden(20_000), 0xfc, 17, 0], op.i32(1)),
];

/** Tables, indirect calls, capabilities. */
const indirect = (name: string, result: Expected, slot: number, params: Code = []): Contained => main(name, result, (m) => {
  m.table(4, 4);
  const f = m.func([], [I32], op.i32(11));
  m.elem(op.i32(1), [f]);
  i32main(m, [...params.flatMap(() => op.i32(0)), ...op.i32(slot), ...op.callIndirect(m.type(params, [I32]))]);
});
const capability = (name: string, result: Expected, cap: number): Contained => main(name, result, (m) => {
  i32main(m, [...op.i32(0), ...op.i32(9), ...op.i32(cap), ...op.call(poke(m))]);
});
const TABLES: readonly Contained[] = [
  indirect("indirect call", 11, 1),
  indirect("indirect call of an empty slot", "trap", 0),
  indirect("indirect call beyond the table", "trap", 4),
  indirect("indirect call of slot -1", "trap", -1),
  indirect("indirect call of another type", "trap", 1, [I32]),
  main("a function of its own by ref.func", 12, (m) => {
    m.table(1);
    const f = m.func([], [I32], op.i32(12));
    m.declare([f]);
    i32main(m, [...op.i32(0), ...op.refFunc(f), 0x26, 0, ...op.i32(0), ...op.callIndirect(m.type([], [I32]))]);
  }),
  main("exported table and globals do not come out", 1, (m) => {
    m.export("table", Kind.table, m.table(1));
    m.export("global", Kind.global, m.global(I32, true, op.i32(0)));
    m.export("memory", Kind.memory, m.memory(1));
    i32main(m, op.i32(1));
  }),
  main("table of externref", 1, (m) => {
    m.table(3, 3, EXTERNREF);
    i32main(m, [...op.i32(0), 0x25, 0, 0xd1]);
  }),
  capability("capability", 9, 1024),
  capability("second capability", 9, 1027),
  capability("capability one too high meets another method", "trap", 1025),
  capability("capability one too low meets the tick function", "trap", 1023),
  ...[0, 1, -1, 1022, 1030, 2046, 2047, 2048, 0x7fffffff, -0x80000000, 0x10000400].map((cap) =>
    capability(`capability ${cap}`, "trap", cap)),
  main("capability by tail call", 9, (m) => i32main(m, [...op.i32(0), ...op.i32(9), ...op.i32(1024), ...op.returnCall(poke(m))])),
];

/** Handles. */
const forge = (name: string, code: (handle: Code, f: number) => Code): Contained =>
  main(name, "trap", (m, world) => {
    const f = load(m);
    for (let i = 0; i < 8; i++) m.global(I32, true, op.i32(4 << 10));
    i32main(m, code(op.i32(world.handle("v.plain")), f), [I32]);
  });
const setGlobals = (owner: number): Code => Array.from({ length: 8 }, (_, i) => [...op.i32(owner), ...op.globalSet(i)]).flat();
const FORGERIES: readonly Contained[] = [
  forge("victim's object after writing its own globals", (h, f) => [...setGlobals(4 << 10), ...h, ...op.i32(0), ...op.call(f)]),
  forge("victim's object by tail call", (h, f) => [...h, ...op.i32(0), ...op.returnCall(f)]),
  forge("victim's object in a branch", (h, f) => [
    ...op.i32(1), ...op.ifElse([...h, ...op.i32(0), ...op.call(f)], op.i32(0), I32),
  ]),
  forge("victim's object in a local that held an own one", (h, f) => [
    ...h, ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f),
  ]),
  main("own object, reassigned to the victim's", "trap", (m, world) => {
    const f = load(m);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.tee(0), ...op.i32(0), ...op.call(f),
      ...op.i32(world.handle("v.plain")), ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f), ...op.i32add,
    ], [I32]);
  }),
  main("own object, reassigned by the offset's own expression", "trap", (m, world) => {
    const f = load(m);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.get(0), ...op.i32(world.handle("v.plain")), ...op.tee(0), ...op.drop, ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.get(0), ...op.i32(0), ...op.call(f),
    ], [I32]);
  }),
  main("own object given away, then read", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.get(0), ...op.i32(0), ...op.i32(1024), ...op.call(give), ...op.drop, ...op.get(0), ...op.i32(0), ...op.call(f),
    ], [I32]);
  }),
  main("own object given away through an alias, then read", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.tee(1), ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.get(1), ...op.i32(0), ...op.i32(1024), ...op.call(give), ...op.drop, ...op.get(0), ...op.i32(0), ...op.call(f),
    ], [I32, I32]);
  }),
  main("own object given away in the second turn of a loop", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.set(0), ...op.get(0), ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.loop([
        ...op.get(0), ...op.i32(4), ...op.call(f), ...op.drop,
        ...op.get(0), ...op.i32(0), ...op.i32(1024), ...op.call(give), ...op.drop,
        ...op.get(1), ...op.i32(1), ...op.i32add, ...op.tee(1), ...op.i32(2), 0x48, ...op.brIf(0),
      ]), ...op.i32(0),
    ], [I32, I32]);
  }),
  main("own object put into a container, then read", "trap", (m, world) => {
    const f = load(m);
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [
      ...op.i32(world.handle("plain")), ...op.tee(0), ...op.i32(0), ...op.call(f), ...op.drop,
      ...op.get(0), ...op.i32(world.handle("empty node")), ...op.i32(0), ...op.call(put), ...op.get(0), ...op.i32(0), ...op.call(f),
    ], [I32]);
  }),
  main("a container into itself", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [...op.i32(world.handle("empty node")), ...op.i32(world.handle("empty node")), ...op.i32(1), ...op.call(put), ...op.i32(0)]);
  }),
  main("a container into its own contents", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [...op.i32(world.handle("node")), ...op.i32(world.handle("node.1")), ...op.i32(1), ...op.call(put), ...op.i32(0)]);
  }),
  main("wrong type into a slot", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [...op.i32(world.handle("plain")), ...op.i32(world.handle("empty node")), ...op.i32(1), ...op.call(put), ...op.i32(0)]);
  }),
  main("lent object into a slot", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [...op.i32(world.handle("lent plain")), ...op.i32(world.handle("empty node")), ...op.i32(0), ...op.call(put), ...op.i32(0)]);
  }),
  main("taken object under its old handle", "trap", (m, world) => {
    const take = m.importFunc("heap", "take", [I32, I32], [I32]);
    const f = load(m);
    i32main(m, [
      ...op.i32(world.handle("node")), ...op.i32(0), ...op.call(take), ...op.drop,
      ...op.i32(world.handle("node.0")), ...op.i32(0), ...op.call(f),
    ]);
  }),
];

/** Features that are fine and must run right. */
const FINE: readonly Contained[] = [
  main("SIMD", 10, (m) => i32main(m, [
    ...op.i32(4), ...op.simd(17), ...op.i32(6), ...op.simd(17), ...op.simd(0xae), ...op.simd(27, 2),
  ])),
  main("SIMD memory lanes", 7, (m) => {
    m.memory(1);
    m.data(op.i32(4), [7, 0, 0, 0]);
    i32main(m, [
      ...op.i32(4), ...op.i32(0), ...op.simd(17), ...op.access([0xfd, 86], 2), 1, ...op.simd(27, 1),
    ]);
  }),
  main("relaxed SIMD", 8, (m) => i32main(m, [
    ...op.i32(8), ...op.simd(17), ...op.i32(1), ...op.simd(17), ...op.i32(-1), ...op.simd(17), ...op.simd(0x10b), ...op.simd(27, 0),
  ])),
  main("atomics on a memory that is not shared", 5, (m) => {
    m.memory(1);
    i32main(m, [
      ...op.i32(8), ...op.i32(5), ...op.atomic(0x1e, 2), ...op.drop, 0xfe, 3, 0, ...op.i32(8), ...op.atomic(0x10, 2),
    ]);
  }),
  main("tail call", 3, (m) => {
    i32main(m, [...op.i32(1), ...op.i32(2), ...op.returnCall(1)]);
    m.func([I32, I32], [I32], [...op.get(0), ...op.get(1), ...op.i32add]);
  }),
  main("many results", 6, (m) => {
    m.func([], [I32, I32, I32], [...op.i32(1), ...op.i32(2), ...op.i32(3)]);
    i32main(m, [...op.call(0), ...op.i32add, ...op.i32add]);
  }),
  main("extended constants", 9, (m) => {
    m.global(I32, false, [...op.i32(4), ...op.i32(5), ...op.i32add]);
    i32main(m, op.globalGet(0));
  }),
  main("saturating conversion and sign extension", -1, (m) => i32main(m, [
    ...op.i32(255), 0xc0, ...op.f64(Number.NaN), 0xfc, 2, ...op.i32add,
  ])),
  main("bulk table operations", 21, (m) => {
    m.table(8, 8);
    const f = m.func([], [I32], op.i32(21));
    m.item(9, [1, 0, 1, f]);
    i32main(m, [
      ...op.i32(0), ...op.i32(0), ...op.i32(1), 0xfc, 12, 0, 0, ...op.i32(5), ...op.i32(0), ...op.i32(2), 0xfc, 14, 0, 0,
      ...op.i32(5), ...op.callIndirect(m.type([], [I32])),
    ]);
  }),
  main("float results words", 42, (m) => {
    const set = m.importFunc("rpc", "setd2", [F64]);
    const get = m.importFunc("rpc", "getd2", [], [F64]);
    const setf = m.importFunc("rpc", "setf7", [F32]);
    i32main(m, [...op.f64(42), ...op.call(set), ...op.f32(1), ...op.call(setf), ...op.call(get), 0xaa]);
  }),
  {
    name: "20,000 functions", calls: [{ name: "main", args: [] }], expected: [20_000],
    build: () => manyFunctions(20_000),
  },
  main("40,000 locals", 40_000, (m) => {
    const body = [1, ...u32(40_000), I32];
    append(body, [...op.i32(40_000), ...op.set(39_999), ...op.get(39_999), ...op.get(0), ...op.i32add, 0x0b]);
    m.rawFunc(m.type([], [I32]), body, "main");
  }),
  main("br_table of 5,000", 1, (m) => i32main(m, [
    ...op.block([...op.i32(4_999), ...op.brTable(Array<number>(5_000).fill(0), 0)]), ...op.i32(1),
  ])),
  main("code of unreachable types", "trap", (m) => {
    const store = m.importFunc("heap", "store_i64", [I64, I32, I32]);
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [...op.unreachable, ...op.call(store), ...op.call(put), ...op.i32add]);
  }),
  main("a null function reference is no function", 1, (m) => i32main(m, [...op.refNull(FUNCREF), 0xd1])),
];

/** `count` functions, each adding one to the next one's result. */
function manyFunctions(count: number): Uint8Array<ArrayBuffer> {
  const types = section(1, [1, 0x60, 0, 1, I32]);
  const functions = u32(count);
  const code = u32(count);
  for (let i = 0; i < count; i++) {
    functions.push(0);
    const body = i === 0 ? [0, ...op.i32(count), 0x0b] : [0, ...op.i32(i), 0x0b];
    append(code, [...u32(body.length), ...body]);
  }
  const out = [...HEADER, ...types];
  append(out, section(3, functions));
  append(out, section(7, [1, 4, 0x6d, 0x61, 0x69, 0x6e, Kind.func, 0]));
  append(out, section(10, code));
  return Uint8Array.from(out);
}

export const CONTAINED: readonly Contained[] = [...ENDLESS, ...MEMORY, ...LONG, ...TABLES, ...FORGERIES, ...FINE];
