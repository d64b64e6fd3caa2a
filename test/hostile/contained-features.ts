/**
 * Unusual features that are fine: admitted, and lowered code gives the right results.
 */
import { append, HEADER, section, u32 } from "../support/wasm-builder/bytes.ts";
import { Kind } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { type Contained, i32main, main } from "./containment.ts";

const { I32, I64, F32, F64, FUNCREF } = op;

/** Features that are fine and must run right. */
export const FINE: readonly Contained[] = [
  main("SIMD", 10, (m) =>
    i32main(m, [...op.i32(4), ...op.simd(17), ...op.i32(6), ...op.simd(17), ...op.simd(0xae), ...op.simd(27, 2)]),
  ),
  main("SIMD memory lanes", 7, (m) => {
    m.memory(1);
    m.data(op.i32(4), [7, 0, 0, 0]);
    i32main(m, [...op.i32(4), ...op.i32(0), ...op.simd(17), ...op.access([0xfd, 86], 2), 1, ...op.simd(27, 1)]);
  }),
  main("relaxed SIMD", 8, (m) =>
    i32main(m, [
      ...op.i32(8),
      ...op.simd(17),
      ...op.i32(1),
      ...op.simd(17),
      ...op.i32(-1),
      ...op.simd(17),
      ...op.simd(0x10b),
      ...op.simd(27, 0),
    ]),
  ),
  main("atomics on a memory that is not shared", 5, (m) => {
    m.memory(1);
    i32main(m, [
      ...op.i32(8),
      ...op.i32(5),
      ...op.atomic(0x1e, 2),
      ...op.drop,
      0xfe,
      3,
      0,
      ...op.i32(8),
      ...op.atomic(0x10, 2),
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
  main("saturating conversion and sign extension", -1, (m) =>
    i32main(m, [...op.i32(255), 0xc0, ...op.f64(Number.NaN), 0xfc, 2, ...op.i32add]),
  ),
  main("bulk table operations", 21, (m) => {
    m.table(8, 8);
    const f = m.func([], [I32], op.i32(21));
    m.item(9, [1, 0, 1, f]);
    i32main(m, [
      ...op.i32(0),
      ...op.i32(0),
      ...op.i32(1),
      0xfc,
      12,
      0,
      0,
      ...op.i32(5),
      ...op.i32(0),
      ...op.i32(2),
      0xfc,
      14,
      0,
      0,
      ...op.i32(5),
      ...op.callIndirect(m.type([], [I32])),
    ]);
  }),
  main("float results words", 42, (m) => {
    const set = m.importFunc("rpc", "setd2", [F64]);
    const get = m.importFunc("rpc", "getd2", [], [F64]);
    const setf = m.importFunc("rpc", "setf7", [F32]);
    i32main(m, [...op.f64(42), ...op.call(set), ...op.f32(1), ...op.call(setf), ...op.call(get), 0xaa]);
  }),
  {
    name: "20,000 functions",
    calls: [{ name: "main", args: [] }],
    expected: [20_000],
    build: () => manyFunctions(20_000),
  },
  main("40,000 locals", 40_000, (m) => {
    const body = [1, ...u32(40_000), I32];
    append(body, [...op.i32(40_000), ...op.set(39_999), ...op.get(39_999), ...op.get(0), ...op.i32add, 0x0b]);
    m.rawFunc(m.type([], [I32]), body, "main");
  }),
  main("br_table of 5,000", 1, (m) =>
    i32main(m, [...op.block([...op.i32(4_999), ...op.brTable(Array<number>(5_000).fill(0), 0)]), ...op.i32(1)]),
  ),
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
