/**
 * Hand-made hostile modules that run: contained beside a victim, with check removal and without.
 *
 * Every intrinsic is also called with every forged handle in every place where it takes one, and with offsets and
 * lengths that wrap; the reference says what must come out.
 */
import { describe, expect, test } from "vitest";
import type { Signature } from "#kernel/interface/model.ts";
import { HEAP, HEAP_CALLS, RPC } from "#kernel/wasm/intrinsics.ts";
import { ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { admitHostile } from "./admission.ts";
import type { Admitted } from "#kernel/wasm/policy.ts";
import { CONTAINED } from "./contained.ts";
import type { Contained } from "./containment.ts";
import { handlesOf } from "./generator.ts";
import { type Call, type Outcome, Runner } from "./runner.ts";
import { structureViolation } from "./structure.ts";
import { World } from "./world.ts";

const world = new World();
const runner = new Runner(world);
const handles = handlesOf(world);

interface Subject {
  readonly admitted: Admitted;
  readonly module: WebAssembly.Module;
}
interface Run {
  readonly outcome: Outcome;
  readonly state: Buffer;
}

function admitAndCompile(bytes: Uint8Array, elide: boolean): Subject {
  const admitted = admitHostile(bytes, { elide });
  const module = new WebAssembly.Module(admitted.bytes);
  const exported = WebAssembly.Module.exports(module).filter((e) => !e.name.startsWith("samara:"));
  expect(exported.filter((e) => e.kind !== "function")).toEqual([]);
  return { admitted, module };
}

/** Runs; fails when the world is not as it must be. */
function runContained({ admitted, module }: Subject, calls: readonly Call[]): Run {
  world.setEpoch(1);
  const outcome = runner.runLowered(admitted, module, calls);
  world.setEpoch(0);
  const broken =
    world.violation() ??
    world.brokenInvariant() ??
    structureViolation(world) ??
    (world.leaks(outcome.memory) ? "a secret leaked" : null);
  const state = world.capture(Buffer.alloc(world.captureBytes()));
  if (broken === null) world.resetOpen();
  else world.reset(0);
  if (broken !== null) throw new Error(`${broken} after ${calls.map((c) => `${c.name}(${c.args.join()})`).join()}`);
  return { outcome, state };
}

describe.each([true, false])("contained, check removal %s", (elide) => {
  test.each(CONTAINED)("$name", ({ build, calls, expected }: Contained) => {
    const { outcome } = runContained(admitAndCompile(build(world), elide), calls);
    expect(outcome.calls, outcome.trap).toEqual(expected);
  });
});

/** A module with one exported function for each intrinsic, whose parameters are the intrinsic's. */
function wrappers(): Uint8Array {
  const m = new ModuleBuilder();
  const all: [string, string, Signature][] = [
    ...Object.entries({ ...HEAP, ...HEAP_CALLS }).map(([name, s]): [string, string, Signature] => ["heap", name, s]),
    ...Object.entries(RPC).map(([name, s]): [string, string, Signature] => ["rpc", name, s]),
  ];
  const indices = all.map(([module, name, s]) => m.importFunc(module, name, s.params, s.results));
  m.export("memory", 2, m.memory(1, 1));
  m.data(
    op.i32(0),
    Array.from({ length: 64 }, (_, i) => i),
  );
  for (const [i, [, name, s]] of all.entries()) {
    m.func(s.params, s.results, [...s.params.flatMap((_, p) => op.get(p)), ...op.call(indices[i]!)], [], name);
  }
  return m.build();
}
const WRAPPERS = wrappers() as Uint8Array<ArrayBuffer>;
const UNLOWERED = new WebAssembly.Module(WRAPPERS);
const LOWERED = new Map([true, false].map((elide) => [elide, admitAndCompile(WRAPPERS, elide)]));

/** Where each intrinsic takes handles, and arguments with which it does not trap. */
function harmless(): Readonly<Record<string, { args: readonly (number | bigint)[]; handles: readonly number[] }>> {
  const [plain, node, array, deque] = ["plain", "node", "array", "deque"].map((name) => world.handle(name)) as [
    number,
    number,
    number,
    number,
  ];
  const access: Record<string, { args: readonly (number | bigint)[]; handles: readonly number[] }> = {};
  for (const [name, { kind }] of Object.entries(HEAP)) {
    if (kind === "load") access[name] = { args: [plain, 8], handles: [0] };
    if (kind === "peek") access[name] = { args: [node, 0, 8], handles: [0] };
    if (kind === "store") access[name] = { args: [name === "store_i64" ? 7n : 7, plain, 8], handles: [1] };
  }
  return {
    ...access,
    size: { args: [plain], handles: [0] },
    put: { args: [plain, array, 0], handles: [0, 1] },
    take: { args: [node, 0], handles: [0] },
    has: { args: [node, 0], handles: [0] },
    push: { args: [plain, deque], handles: [0, 1] },
    pop: { args: [deque], handles: [0] },
    len: { args: [deque], handles: [0] },
    push_n: { args: [0, 0, deque], handles: [2] },
    pop_n: { args: [0, 2, deque], handles: [2] },
    copy_in: { args: [0, 16, plain, 8], handles: [2] },
    copy_out: { args: [0, 16, plain, 8], handles: [2] },
    copy: { args: [plain, 0, 16, world.handle("plain2"), 8], handles: [0, 3] },
    fill: { args: [7, 16, plain, 8], handles: [2] },
    free: { args: [plain], handles: [0] },
    resize: { args: [plain, 32], handles: [0] },
  };
}

/** Runs one call of a wrapper lowered and on the reference; both must end alike, byte for byte. */
function bothWays(call: Call, elide: boolean): Outcome {
  const lowered = runContained(LOWERED.get(elide)!, [call]);
  const expected = runner.runReference(UNLOWERED, [call]);
  const state = world.capture(Buffer.alloc(world.captureBytes()));
  world.resetOpen();
  const where = `${call.name}(${call.args.join()})`;
  if (String(lowered.outcome.calls) !== String(expected.calls)) {
    throw new Error(`${where} gives ${String(lowered.outcome.calls)} instead of ${String(expected.calls)}`);
  }
  if (!lowered.outcome.memory.equals(expected.memory)) throw new Error(`memory 0 differs after ${where}`);
  if (!lowered.state.equals(state)) throw new Error(`objects differ after ${where}`);
  return lowered.outcome;
}

describe.each([true, false])("every intrinsic, check removal %s", (elide) => {
  const table = harmless();

  test("the table covers all that takes a handle", () => {
    const missing = Object.keys({ ...HEAP, ...HEAP_CALLS }).filter((name) => !(name in table));
    expect(missing).toEqual([]);
  });

  test.each(Object.keys(harmless()))("%s works with the domain's own handle", (name) => {
    expect(bothWays({ name, args: table[name]!.args }, elide).calls).not.toContain("trap");
  });

  test.each(Object.keys(harmless()))("%s traps on every forged handle in every place", (name) => {
    const { args, handles: places } = table[name]!;
    for (const place of places) {
      for (const forged of handles.foreign) {
        const outcome = bothWays({ name, args: args.with(place, forged) }, elide);
        if (outcome.calls?.[0] !== "trap")
          throw new Error(`${name} took 0x${(forged >>> 0).toString(16)} as argument ${place}`);
      }
    }
  });

  test.each(Object.keys(HEAP).filter((name) => /_[iuf]\d/.test(name)))(
    "%s checks offsets without wrap-around",
    (name) => {
      const { args } = table[name]!;
      const width = (HEAP[name] as { width: number }).width;
      const inside = [0, 1, 64 - width];
      const outside = [65 - width, 64, 65, -1, -width, 1 - width - 1, 0x7fffffff, -0x80000000, -64, 0x10000 * 4];
      for (const offset of inside) {
        expect(
          bothWays({ name, args: args.with(args.length - 1, offset) }, elide).calls,
          `${name} at ${offset}`,
        ).not.toContain("trap");
      }
      for (const offset of outside) {
        expect(
          bothWays({ name, args: args.with(args.length - 1, offset) }, elide).calls,
          `${name} at ${offset}`,
        ).toEqual(["trap"]);
      }
    },
  );
});

/** Spans and slots at their edges: what the reference says, for every intrinsic that takes them. */
const EDGES = [
  0, 1, 2, 3, 4, 5, 63, 64, 65, 0x7fffffff, -0x80000000, -1, -2, -4, -64, 65_532, 65_533, 65_535, 65_536, 65_537,
];

describe.each([true, false])("edges, check removal %s", (elide) => {
  const plain = world.handle("plain");
  const containers = ["node", "array", "deque", "empty deque", "lent node", "lent deque", "plain"].map((n) =>
    world.handle(n),
  );

  test.each(["copy_in", "copy_out", "fill"])("%s", (name) => {
    for (const length of EDGES) {
      for (const offset of [0, 1, 64, 65, -1, -64, -0x80000000])
        bothWays({ name, args: [0, length, plain, offset] }, elide);
      for (const pointer of EDGES) bothWays({ name, args: [pointer, length, world.handle("big"), 0] }, elide);
    }
  });

  test("copy", () => {
    for (const length of EDGES) {
      for (const [from, to] of [
        [0, 8],
        [8, 0],
        [64, 0],
        [0, 64],
        [-1, 0],
        [0, -1],
        [65, 0],
        [-64, -64],
      ] as const) {
        bothWays({ name: "copy", args: [plain, from, length, plain, to] }, elide);
        bothWays({ name: "copy", args: [world.handle("big"), from, length, world.handle("plain2"), to] }, elide);
      }
    }
  });

  test.each(["peek_u8", "peek_i64", "has", "take"])("%s of any slot of any container", (name) => {
    for (const container of containers) {
      for (const slot of EDGES)
        bothWays({ name, args: name.startsWith("peek") ? [container, slot, 0] : [container, slot] }, elide);
    }
  });

  test("put into any slot of any container", () => {
    for (const container of containers) {
      for (const slot of EDGES) bothWays({ name: "put", args: [plain, container, slot] }, elide);
    }
  });

  test.each(["push", "pop", "len"])("%s of any container", (name) => {
    for (const container of containers)
      bothWays({ name, args: name === "push" ? [plain, container] : [container] }, elide);
  });

  test.each(["push_n", "pop_n"])("%s with any pointer and count", (name) => {
    for (const container of containers) {
      for (const pointer of EDGES) {
        for (const count of [0, 1, 2, 3, -1, 0x40000000, 0x40000001])
          bothWays({ name, args: [pointer, count, container] }, elide);
      }
    }
  });
});
