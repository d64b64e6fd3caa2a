/**
 * Things that could abort the process instead of throwing, one function each; abort-child.ts runs one by name.
 *
 * Each answers what came of it: a refusal, a trap or a result.
 */
import { AdmissionError } from "#kernel/wasm/errors.ts";
import { append, type Code, HEADER, section, u32 } from "../support/wasm-builder/bytes.ts";
import { ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { admitHostile } from "./admission.ts";
import { type Outcome, Runner } from "./runner.ts";
import { World } from "./world.ts";

const { I32, I64, FUNCREF, EXTERNREF } = op;
const runner = new Runner(new World());

/** Admits and runs `main`; a refusal is as good as a trap. */
function attempt(bytes: Uint8Array): string {
  try {
    const admitted = admitHostile(bytes);
    runner.world.setEpoch(1);
    const calls = admitted.exports.has("main") ? [{ name: "main", args: [] }] : [];
    const outcome: Outcome = runner.runLowered(admitted, new WebAssembly.Module(admitted.bytes), calls);
    return outcome.calls === null ? `not instantiated, ${outcome.trap}` : `${String(outcome.calls[0])} ${outcome.trap}`;
  } catch (error) {
    if (error instanceof AdmissionError) return `refused, ${error.message}`;
    throw error;
  }
}

const built = (fill: (m: ModuleBuilder) => void): string => {
  const m = new ModuleBuilder();
  fill(m);
  return attempt(m.build());
};

function repeat(count: number, code: Code): number[] {
  const out: number[] = [];
  for (let i = 0; i < count; i++) append(out, code);
  return out;
}

const typedBody = (type: Code, code: Code): Uint8Array => {
  const body = [0];
  append(body, code);
  const sized = [1, ...u32(body.length)];
  append(sized, body);
  const out = [
    ...HEADER,
    ...section(1, [1, ...type]),
    ...section(3, [1, 0]),
    ...section(7, [1, 4, 0x6d, 0x61, 0x69, 0x6e, 0, 0]),
  ];
  append(out, section(10, sized));
  return Uint8Array.from(out);
};

function manyFunctions(count: number): Uint8Array {
  const out = [...HEADER, ...section(1, [1, 0x60, 0, 0])];
  append(out, section(3, [...u32(count), ...repeat(count, [0])]));
  append(out, section(7, [1, 4, 0x6d, 0x61, 0x69, 0x6e, 0, 0]));
  append(out, section(10, [...u32(count), ...repeat(count, [2, 0, 0x0b])]));
  return Uint8Array.from(out);
}

export const TRIALS: Readonly<Record<string, () => string>> = {
  "table of 10 million at once": () => built((m) => m.table(10_000_000)),
  "table of externref of 10 million": () => built((m) => m.table(10_000_000, null, EXTERNREF)),
  "largest allowed tables, in many instances": () => {
    let last = "";
    for (let i = 0; i < 50; i++) {
      last = built((m) => {
        for (let t = 0; t < 4; t++) m.table(25_000, 25_000);
        m.func([], [I32], op.i32(i), [], "main");
      });
    }
    return last;
  },
  "table.grow in a loop": () =>
    built((m) => {
      m.table(1);
      m.func(
        [],
        [],
        op.loop([...op.refNull(FUNCREF), ...op.i32(1_000_000), 0xfc, 15, 0, ...op.drop, ...op.br(0)]),
        [],
        "main",
      );
    }),
  "GC arrays in a loop": () =>
    built((m) => {
      const array = m.rawType([0x5e, I64, 1]);
      m.func([], [], op.loop([...op.i32(100_000_000), 0xfb, 7, array, ...op.drop, ...op.br(0)]), [], "main");
    }),
  "memory of 4 GiB": () => built((m) => m.memory(65_536)),
  "memory of 4 GiB, grown": () =>
    built((m) => {
      m.memory(1, 65_536);
      m.func([], [I32], [...op.i32(65_535), ...op.memoryGrow()], [], "main");
    }),
  "memory grown in a loop": () =>
    built((m) => {
      m.memory(1);
      m.func([], [], op.loop([...op.i32(1), ...op.memoryGrow(), ...op.drop, ...op.br(0)]), [], "main");
    }),
  "two thousand instances with a memory each": () => {
    const m = new ModuleBuilder();
    m.memory(1, 4);
    m.func([], [I32], op.memorySize(), [], "main");
    const bytes = m.build();
    let last = "";
    for (let i = 0; i < 2000; i++) last = attempt(bytes);
    return last;
  },
  "deep nesting of blocks": () =>
    attempt(typedBody([0x60, 0, 0], [...repeat(80_000, [0x02, 0x40]), ...repeat(80_001, [0x0b])])),
  "deep nesting of ifs": () =>
    attempt(typedBody([0x60, 0, 0], [...repeat(50_000, [0x41, 0, 0x04, 0x40]), ...repeat(50_001, [0x0b])])),
  "deep operand stack": () =>
    attempt(typedBody([0x60, 0, 1, I32], [...repeat(85_000, [0x41, 1]), ...repeat(84_999, [0x6a]), 0x0b])),
  "long chain of constant expressions": () =>
    built((m) => {
      m.global(I32, false, [...op.i32(1), ...repeat(200_000, [...op.i32(1), ...op.i32add])]);
    }),
  "deep recursion group": () =>
    attempt(Uint8Array.from([...HEADER, ...section(1, [1, ...repeat(50_000, [0x4e, 1]), 0x60, 0, 0])])),
  "endless recursion": () => built((m) => m.func([], [I32], [...op.call(0), ...op.i32(1), ...op.i32add], [], "main")),
  "endless recursion with huge frames": () =>
    built((m) => {
      const body = [1, ...u32(49_000), I64];
      append(body, [...op.call(0), ...op.get(7), 0xa7, ...op.i32add, 0x0b]);
      m.rawFunc(m.type([], [I32]), body, "main");
    }),
  "recursion without ticks up to the end of the stack": () => {
    const m = new ModuleBuilder();
    m.func([], [I32], [...op.call(0), ...op.i32(1), ...op.i32add], [], "main");
    const admitted = admitHostile(m.build());
    runner.tickBudget = 1e9;
    runner.world.setEpoch(0);
    return runner.runLowered(admitted, new WebAssembly.Module(admitted.bytes), [{ name: "main", args: [] }]).trap;
  },
  "100,000 functions": () => attempt(manyFunctions(100_000)),
  "2^32 - 1 locals": () => built((m) => m.rawFunc(m.type([]), [1, ...u32(2 ** 32 - 1), I64, 0x0b], "main")),
  "a function of the largest allowed size": () => attempt(typedBody([0x60, 0, 0], [...repeat(250_000, [0x01]), 0x0b])),
  "65,000 functions": () => attempt(manyFunctions(65_000)),
  "a function of many calls and checks": () =>
    built((m) => {
      const store = m.importFunc("heap", "store_i32", [I32, I32, I32]);
      const code: number[] = [];
      for (let i = 0; i < 20_000; i++) append(code, [...op.get(0), ...op.get(0), ...op.i32(i & 63), ...op.call(store)]);
      m.func([], [], code, [I32], "main");
    }),
  "br_table of the largest allowed size": () =>
    built((m) => {
      m.func([], [], [...op.i32(3), 0x0e, ...u32(60_000), ...repeat(60_001, [0])], [], "main");
    }),
  "wait on memory": () =>
    built((m) => {
      m.memory(1);
      m.func([], [I32], [...op.i32(0), ...op.i32(0), ...op.i64(-1n), ...op.atomic(1, 2)], [], "main");
    }),
  "bulk fill of 2 GiB": () =>
    built((m) => {
      m.memory(1);
      m.func([], [], [...op.i32(0), ...op.i32(1), ...op.i32(0x7fffffff), ...op.memoryFill()], [], "main");
    }),
};
