/**
 * Structure-aware generator of attackers: valid modules that use every intrinsic with right and wrong handles.
 *
 * Owns the shape of a module: imports, memory, tables, globals, functions; `FunctionWriter` writes the bodies. All
 * modules pass validation and end by themselves: through fuel that they spend at loop heads and function entries, or,
 * when `fuelled` is false, through the ticks that the loader inserts. Floats are stored only when they cannot be NaN,
 * whose bits the engine may choose.
 */
import { HEAP, HEAP_CALLS, RPC, NEW_OBJECT, USE, MINT, CAP_CALLS, ENV_CALLS } from "#kernel/wasm/intrinsics.ts";
import type { Signature } from "#kernel/interface/model.ts";
import { Kind, ModuleBuilder } from "../support/wasm-builder/module.ts";
import * as op from "../support/wasm-builder/op.ts";
import { FUEL } from "./attack-writer.ts";
import { FunctionWriter } from "./function-writer.ts";
import { METHODS, NEW_DEQUE, NEW_NODE, NEW_PLAIN, STORE } from "./policy.ts";
import { Random } from "./random.ts";
import type { Call } from "./runner.ts";
import type { World } from "./world.ts";

const { I32, I64 } = op;

export interface Attacker {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly calls: readonly Call[];
  /** Whether it ends without ticks, so that the reference can run it. */
  readonly fuelled: boolean;
}

/** Handles by what the attacker may do with them. */
export interface Handles {
  readonly plain: readonly number[];
  readonly slotted: readonly number[];
  readonly deques: readonly number[];
  readonly lent: readonly number[];
  readonly foreign: readonly number[];
}

export interface FunctionShape extends Signature {
  readonly index: number;
}

/** What a body can refer to. */
export interface Surroundings {
  readonly random: Random;
  readonly handles: Handles;
  /** Probability of a hostile choice where a harmless one exists. */
  readonly hostility: number;
  readonly fuelled: boolean;
  readonly memory: boolean;
  /** Imported functions by `module.name`. */
  readonly importList: readonly (readonly [string, FunctionShape])[];
  /** The loads and stores among them. */
  readonly accesses: readonly (readonly [string, FunctionShape])[];
  readonly functions: readonly FunctionShape[];
  /** The one that does nothing but give its parameter away. */
  readonly giver: FunctionShape;
  /** Type index of a signature. */
  readonly type: (signature: Signature) => number;
  readonly tableSize: number;
  readonly dataSegments: number;
  readonly elemSegments: number;
}

export function handlesOf(world: World): Handles {
  const named = (...names: string[]): number[] => names.map((name) => world.handle(name));
  const bump = (handle: number, by: number): number => (handle & ~0x3ff) | ((handle + by) & 0x3ff);
  const stale = ["plain", "node", "deque", "v.plain", "node.0"].map((name) => bump(world.handle(name), -1));
  return {
    plain: named("plain", "plain2", "big"),
    slotted: named("node", "empty node", "array"),
    deques: named("deque", "empty deque"),
    lent: named("lent plain", "lent node", "lent deque"),
    foreign: [
      ...named("v.plain", "v.node", "v.node.0", "v.deque", "v.deque.1", "v.array", "v.last", "h.plain", "lent out"),
      ...named("node.0", "node.1", "array.1", "deque.0", "lent node.0", "lent deque.0", "spare plain 0"),
      ...stale,
      0,
      1,
      -1,
      1023,
      1024,
      0x7fffffff,
      -2147483648,
      1919 << 10,
      1920 << 10,
      5 << 10,
      4194303 << 10,
    ],
  };
}

const ALWAYS = ["load_i32", "store_i32", "take", "put"];

/** All that a domain may import. */
const IMPORTS: readonly [string, string, Signature][] = [
  ...under("heap", { ...HEAP, ...HEAP_CALLS }),
  ...under("rpc", RPC),
  ...under("cap", CAP_CALLS),
  ...under("env", ENV_CALLS),
  ...under("type", { [NEW_PLAIN]: NEW_OBJECT, [NEW_NODE]: NEW_OBJECT, [NEW_DEQUE]: NEW_OBJECT }),
  ...under(STORE, Object.fromEntries(Object.entries(METHODS).map(([name, { signature }]) => [name, signature]))),
  [STORE, "use", USE],
  [STORE, "mint", MINT],
];
/** How often an import of a module is chosen. */
const DENSITY: Readonly<Record<string, number>> = { heap: 0.4, rpc: 0.06, cap: 0.1, env: 0.1, type: 0.4, [STORE]: 0.5 };

function under(module: string, calls: Readonly<Record<string, Signature>>): [string, string, Signature][] {
  return Object.entries(calls).map(([name, signature]) => [module, name, signature]);
}

function importSome(m: ModuleBuilder, random: Random): [string, FunctionShape][] {
  const imports: [string, FunctionShape][] = [];
  for (const [module, name, signature] of IMPORTS) {
    if (!random.chance(DENSITY[module]!) && !(module === "heap" && ALWAYS.includes(name))) continue;
    const index = m.importFunc(module, name, signature.params, signature.results);
    imports.push([`${module}.${name}`, { params: signature.params, results: signature.results, index }]);
  }
  return imports;
}

/** A module for a seed; the same for the same seed and world. */
export function generate(seed: number, handles: Handles): Attacker {
  const random = new Random(seed);
  const m = new ModuleBuilder();
  const importList = importSome(m, random);
  const fuelled = random.chance(0.9);
  const pages = random.chance(0.9) ? random.pick([0, 1, 1, 1, 1, 1, 2]) : -1;
  const memory = pages >= 0;
  if (memory) m.export("memory", Kind.memory, m.memory(pages, random.pick([2, 3, 4])));
  m.global(I32, true, op.i32(20 + random.below(120)));
  m.global(I32, true, op.i32(random.pick(handles.plain)));
  m.global(I64, true, op.i64(BigInt(random.next())));
  const functions: FunctionShape[] = [];
  const count = 1 + random.below(4);
  for (let i = 0; i < count; i++) {
    const params = Array.from({ length: random.below(4) }, () => (random.chance(0.85) ? I32 : I64));
    const results = random.pick([[], [I32], [I32], [I32], [I64], [I32, I32]]);
    functions.push({ params, results, index: importList.length + i });
  }
  const giver: FunctionShape = { params: [I32], results: [], index: importList.length + count };
  functions.push(giver);
  const tableSize = functions.length + random.below(3);
  const { dataSegments, elemSegments } = segments(m, random, functions, tableSize, pages);
  const surroundings: Surroundings = {
    random,
    handles,
    importList,
    functions,
    giver,
    fuelled,
    memory,
    tableSize,
    dataSegments,
    elemSegments,
    hostility: random.pick([0, 0.02, 0.1, 0.3]),
    accesses: importList.filter(([name]) => /^heap\.(load|store)_/.test(name)),
    type: (s) => m.type(s.params, s.results),
  };
  for (const [i, shape] of functions.entries()) {
    const writer = new FunctionWriter(surroundings, shape);
    const { code, locals } = shape === giver ? writer.writeGiver() : writer.write();
    m.func(shape.params, shape.results, code, locals, `f${i}`);
  }
  observers(m);
  return { bytes: m.build(), calls: callsOf(random, functions, handles), fuelled };
}

function segments(
  m: ModuleBuilder,
  random: Random,
  functions: readonly FunctionShape[],
  tableSize: number,
  pages: number,
): { dataSegments: number; elemSegments: number } {
  m.table(tableSize, random.chance(0.5) ? tableSize : null);
  const some = functions.map((f) => f.index);
  if (random.chance(0.3)) some.reverse();
  m.elem(op.i32(random.chance(0.99) ? 0 : 3), some.slice(0, tableSize));
  m.item(9, [1, 0, functions.length, ...functions.map((f) => f.index)]);
  m.declare(functions.map((f) => f.index));
  if (pages < 0) return { dataSegments: 0, elemSegments: 2 };
  const passive = m.passiveData([1, 2, 3, 4, 5, 6, 7, 8]);
  const active = m.data(op.i32(pages > 0 ? 64 : 0), pages > 0 || random.chance(0.05) ? [9, 9, 9] : []);
  m.dataCount(active + 1);
  return { dataSegments: passive + 2, elemSegments: 2 };
}

/** Functions that show the globals. */
function observers(m: ModuleBuilder): void {
  m.func([], [I32], [...op.globalGet(1), ...op.globalGet(FUEL), ...op.i32add], [], "g1");
  m.func([], [I64], op.globalGet(2), [], "g2");
}

function callsOf(random: Random, functions: readonly FunctionShape[], handles: Handles): Call[] {
  const calls = functions.map((shape, i): Call => ({
    name: `f${i}`,
    args: shape.params.map((type) =>
      type === I64 ? BigInt(random.next()) : random.pick([...handles.plain, ...handles.slotted, 3, -1]),
    ),
  }));
  return [...calls.filter(() => random.chance(0.8)), { name: "g1", args: [] }, { name: "g2", args: [] }];
}
