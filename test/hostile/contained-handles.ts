/**
 * Modules that forge capabilities and handles, or use them when they are no longer theirs: contained when they run.
 */
import type { Code } from "../support/wasm-builder/bytes.ts";
import { Kind } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { type Contained, type Expected, i32main, load, main, poke } from "./containment.ts";

const { I32, EXTERNREF } = op;

/** Tables, indirect calls, capabilities. */
const indirect = (name: string, result: Expected, slot: number, params: Code = []): Contained =>
  main(name, result, (m) => {
    m.table(4, 4);
    const f = m.func([], [I32], op.i32(11));
    m.elem(op.i32(1), [f]);
    i32main(m, [...params.flatMap(() => op.i32(0)), ...op.i32(slot), ...op.callIndirect(m.type(params, [I32]))]);
  });
const capability = (name: string, result: Expected, cap: number): Contained =>
  main(name, result, (m) => {
    i32main(m, [...op.i32(0), ...op.i32(9), ...op.i32(cap), ...op.call(poke(m))]);
  });
export const TABLES: readonly Contained[] = [
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
    capability(`capability ${cap}`, "trap", cap),
  ),
  main("capability by tail call", 9, (m) =>
    i32main(m, [...op.i32(0), ...op.i32(9), ...op.i32(1024), ...op.returnCall(poke(m))]),
  ),
];

/** Handles. */
const forge = (name: string, code: (handle: Code, f: number) => Code): Contained =>
  main(name, "trap", (m, world) => {
    const f = load(m);
    for (let i = 0; i < 8; i++) m.global(I32, true, op.i32(4 << 10));
    i32main(m, code(op.i32(world.handle("v.plain")), f), [I32]);
  });
const setGlobals = (owner: number): Code =>
  Array.from({ length: 8 }, (_, i) => [...op.i32(owner), ...op.globalSet(i)]).flat();
export const FORGERIES: readonly Contained[] = [
  forge("victim's object after writing its own globals", (h, f) => [
    ...setGlobals(4 << 10),
    ...h,
    ...op.i32(0),
    ...op.call(f),
  ]),
  forge("victim's object by tail call", (h, f) => [...h, ...op.i32(0), ...op.returnCall(f)]),
  forge("victim's object in a branch", (h, f) => [
    ...op.i32(1),
    ...op.ifElse([...h, ...op.i32(0), ...op.call(f)], op.i32(0), I32),
  ]),
  forge("victim's object in a local that held an own one", (h, f) => [
    ...h,
    ...op.set(0),
    ...op.get(0),
    ...op.i32(0),
    ...op.call(f),
  ]),
  main("own object, reassigned to the victim's", "trap", (m, world) => {
    const f = load(m);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.tee(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.i32(world.handle("v.plain")),
        ...op.set(0),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.i32add,
      ],
      [I32],
    );
  }),
  main("own object, reassigned by the offset's own expression", "trap", (m, world) => {
    const f = load(m);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.set(0),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.get(0),
        ...op.i32(world.handle("v.plain")),
        ...op.tee(0),
        ...op.drop,
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
      ],
      [I32],
    );
  }),
  main("own object given away, then read", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.set(0),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.get(0),
        ...op.i32(0),
        ...op.i32(1024),
        ...op.call(give),
        ...op.drop,
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
      ],
      [I32],
    );
  }),
  main("own object given away through an alias, then read", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.tee(1),
        ...op.set(0),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.get(1),
        ...op.i32(0),
        ...op.i32(1024),
        ...op.call(give),
        ...op.drop,
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
      ],
      [I32, I32],
    );
  }),
  main("own object given away in the second turn of a loop", "trap", (m, world) => {
    const f = load(m);
    const give = poke(m);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.set(0),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.loop([
          ...op.get(0),
          ...op.i32(4),
          ...op.call(f),
          ...op.drop,
          ...op.get(0),
          ...op.i32(0),
          ...op.i32(1024),
          ...op.call(give),
          ...op.drop,
          ...op.get(1),
          ...op.i32(1),
          ...op.i32add,
          ...op.tee(1),
          ...op.i32(2),
          0x48,
          ...op.brIf(0),
        ]),
        ...op.i32(0),
      ],
      [I32, I32],
    );
  }),
  main("own object put into a container, then read", "trap", (m, world) => {
    const f = load(m);
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(
      m,
      [
        ...op.i32(world.handle("plain")),
        ...op.tee(0),
        ...op.i32(0),
        ...op.call(f),
        ...op.drop,
        ...op.get(0),
        ...op.i32(world.handle("empty node")),
        ...op.i32(0),
        ...op.call(put),
        ...op.get(0),
        ...op.i32(0),
        ...op.call(f),
      ],
      [I32],
    );
  }),
  main("a container into itself", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [
      ...op.i32(world.handle("empty node")),
      ...op.i32(world.handle("empty node")),
      ...op.i32(1),
      ...op.call(put),
      ...op.i32(0),
    ]);
  }),
  main("a container into its own contents", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [
      ...op.i32(world.handle("node")),
      ...op.i32(world.handle("node.1")),
      ...op.i32(1),
      ...op.call(put),
      ...op.i32(0),
    ]);
  }),
  main("wrong type into a slot", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [
      ...op.i32(world.handle("plain")),
      ...op.i32(world.handle("empty node")),
      ...op.i32(1),
      ...op.call(put),
      ...op.i32(0),
    ]);
  }),
  main("lent object into a slot", "trap", (m, world) => {
    const put = m.importFunc("heap", "put", [I32, I32, I32]);
    i32main(m, [
      ...op.i32(world.handle("lent plain")),
      ...op.i32(world.handle("empty node")),
      ...op.i32(0),
      ...op.call(put),
      ...op.i32(0),
    ]);
  }),
  main("taken object under its old handle", "trap", (m, world) => {
    const take = m.importFunc("heap", "take", [I32, I32], [I32]);
    const f = load(m);
    i32main(m, [
      ...op.i32(world.handle("node")),
      ...op.i32(0),
      ...op.call(take),
      ...op.drop,
      ...op.i32(world.handle("node.0")),
      ...op.i32(0),
      ...op.call(f),
    ]);
  }),
];
