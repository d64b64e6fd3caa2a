/**
 * Thousands of lives, in a process of their own: domains that crash at random points, in random ways, in the middle of a
 * chain, and live again. Run by cycles.test.ts, which reads the line of JSON that it prints.
 *
 *     node cycles-child.ts CYCLES SEED
 *
 * Invariant: after each death everything is looked at, and the first thing that is wrong ends the process with its place.
 */
import { strictEqual } from "node:assert/strict";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { HostObject } from "#kernel/host/object.ts";
import { DEFAULT_RESTART } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const [CYCLES, SEED] = process.argv.slice(2).map(Number) as [number, number];
const WARM = Math.min(1000, CYCLES / 2);
const LENGTH = 3;
const WAYS = 6;
const STEPS = 14;

const IDL = `
export type Item = { a: u32; next: RRef<Item> };
export declare enum Err { Failed }
export interface Node {
  /** At \`depth\` equal to \`victim\` it crashes in the given way at its \`left\`-th step. */
  run(left: u32, way: u32, depth: u32, victim: u32, item: RRef<Item>): RpcResult<RRef<Item>, Err>;
  lend(left: u32, way: u32, item: Borrow<Item>): RpcResult<u32, Err>;
  bulk(items: RRef<Deque<Item, 8>>): RpcResult<void, Err>;
}
export interface Killer { kill(): RpcResult<u32, Err>; }
`;

const node =
  (next: string | null) =>
  (n: Names): string =>
    `(module
  (import "heap" "push" (func $push (param i32 i32) (result i32))) (import "heap" "pop" (func $pop (param i32) (result i32)))
  (import "heap" "put" (func $put (param i32 i32 i32))) (import "heap" "free" (func $free (param i32)))
  (import "heap" "store_i32" (func $store (param i32 i32 i32))) (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  ${n.newType("Item")} ${n.newType("Deque<Item,8>")}
  (import "${n.module("Node")}" "use" (func $useNode (param i32 i32) (result i32)))
  (import "${n.module("Node")}" "run" (func $run (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "${n.module("Node")}" "lend" (func $lend (param i32 i32 i32 i32) (result i32)))
  (import "${n.module("Killer")}" "use" (func $useKiller (param i32 i32) (result i32)))
  (import "${n.module("Killer")}" "kill" (func $kill (param i32) (result i32)))
  (memory 1 2) (data (i32.const 0) "nextkiller") (data (i32.const 32) "\\2a")
  (global $left (mut i32) (i32.const -1)) (global $way (mut i32) (i32.const 0)) (global $lives (mut i32) (i32.const 0))
  (func $recurse (param i32) (result i32) (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
  (func $step (local $dead i32)
    (global.set $left (i32.sub (global.get $left) (i32.const 1)))
    (if (global.get $left) (then (return)))
    (if (i32.eq (global.get $way) (i32.const 0)) (then unreachable))
    (if (i32.eq (global.get $way) (i32.const 1)) (then (drop (i32.load (i32.const 0x7fffffff)))))
    (if (i32.eq (global.get $way) (i32.const 2)) (then (local.set $dead (call $new_Item)) (call $free (local.get $dead)) (call $free (local.get $dead))))
    (if (i32.eq (global.get $way) (i32.const 3)) (then (drop (call $kill (call $useKiller (i32.const 4) (i32.const 6))))))
    (if (i32.eq (global.get $way) (i32.const 4)) (then (drop (call $load (i32.const 0x12345678) (i32.const 0)))))
    (if (i32.eq (global.get $way) (i32.const 5)) (then (drop (call $recurse (i32.const 0))))))
  (func (export "main")
    (if (i32.or (i32.ne (i32.load8_u (i32.const 32)) (i32.const 42)) (i32.load (i32.const 64))) (then unreachable))
    (i32.store (i32.const 64) (i32.const 1)) (i32.store8 (i32.const 32) (i32.const 0)))
  (func (export "${n.serve("Node.bulk")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Node.lend")}") (param i32 i32 i32 i32) (result i32)
    (global.set $left (local.get 1)) (global.set $way (local.get 2))
    (call $store (i32.const 1) (local.get 3) (i32.const 0)) (call $step) (call $free (call $new_Item)) (call $step) (i32.const 1))
  (func (export "${n.serve("Node.run")}") (param $self i32) (param $l i32) (param $w i32) (param $depth i32) (param $victim i32) (param $item i32) (result i32)
    (local $deque i32) (local $i i32) (local $got i32) (local $mine i32)
    (global.set $left (select (local.get $l) (i32.const -1) (i32.eq (local.get $depth) (local.get $victim))))
    (global.set $way (local.get $w))
    (call $step)
    (local.set $deque (call $new_Deque_Item_8_)) (call $step)
    (loop $fill
      (drop (call $push (call $new_Item) (local.get $deque))) (call $step)
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $fill (i32.lt_u (local.get $i) (i32.const 3))))
    (local.set $mine (call $new_Item))
    (call $put (call $new_Item) (local.get $mine) (i32.const 0)) (call $step)
    ${
      next === null
        ? ""
        : `(drop (call $lend (i32.const 0) (i32.const 0) (local.get $mine) (call $useNode (i32.const 0) (i32.const 4))))
    (local.set $left2 (global.get $left))
    (local.set $got (call $run (local.get $l) (local.get $w) (i32.add (local.get $depth) (i32.const 1)) (local.get $victim) (call $new_Item) (call $useNode (i32.const 0) (i32.const 4))))
    (call $step)
    (if (i32.ge_u (local.get $got) (i32.const 1024)) (then (drop (call $push (local.get $got) (local.get $deque)))))`
    }
    (call $step)
    (call $free (call $pop (local.get $deque))) (call $step)
    (call $free (local.get $deque)) (call $step) (call $free (local.get $mine)) (call $step)
    (local.get $item)))`.replace(
      "(local $mine i32)",
      next === null ? "(local $mine i32)" : "(local $mine i32) (local $left2 i32)",
    );

type Answer = { ok: boolean; value: HostObject; fault?: string };
interface Node {
  run(left: number, way: number, depth: number, victim: number, item: HostObject): Answer;
}

/** Resident memory without what only waits for the collector. */
function settledMemory(): number {
  setFlagsFromString("--expose-gc");
  (runInNewContext("gc") as () => void)();
  return process.memoryUsage.rss();
}

/** A generator of the same numbers for the same seed (mulberry32). */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

async function run(): Promise<object> {
  const restart = { ...DEFAULT_RESTART, policy: "always" as const, limit: 1_000_000, backoffMs: 0 };
  const names = Array.from({ length: LENGTH }, (_, i) => `n${i}`);
  let inside = "";
  const lab: Lab = await makeLab({
    idl: IDL,
    domains: Object.fromEntries(
      names.map((name, i) => [
        name,
        {
          wat: node(names[i + 1] ?? null),
          provides: { node: "Node" },
          uses: { next: ["Node", names[i + 1] ?? name] as const, killer: ["Killer", "host", i] as const },
          restart,
        },
      ]),
    ),
    services: {
      Killer: names.map((name) => ({
        kill: () => (lab.system.kill(name, "in mid-call"), (inside = name), { ok: true, value: 0 }),
      })),
    },
  });
  const { kernel } = lab.system;
  const client = lab.client<Node>("n0.node");
  const next = random(SEED);
  const instances = () => names.map((name) => kernel.domain(name).memory);
  const before = instances();
  const live = kernel.heap.live;
  const cycle = (number: number, check: boolean): void => {
    // Running out of the stack takes half a millisecond: less often.
    const way = number % 16 === 0 ? 5 : next(WAYS - 1);
    const [left, victim] = [1 + next(STEPS), next(LENGTH)];
    const item = new HostObject(lab.system.heap, lab.system.heap.create("Item"));
    const answer = client.run(left, way, 0, victim, item);
    const where = `seed ${SEED}, cycle ${number}: way ${way} at step ${left} of n${victim} (${inside})`;
    if (answer.ok) lab.system.heap.free(answer.value.handle);
    if (check) strictEqual(JSON.stringify(kernel.heap.check()), "[]", where);
    strictEqual(kernel.heap.live, live, where);
    strictEqual(
      lab.system.domains().every((d) => d.state === "running"),
      true,
      where,
    );
  };
  for (let i = 0; i < CYCLES; i++) cycle(i, true);
  // The checker's own arrays would hide what a life leaves behind.
  let rss = 0;
  for (let i = 0; i < CYCLES; i++) {
    if (i === WARM) rss = settledMemory();
    cycle(CYCLES + i, false);
  }
  const slope = (settledMemory() - rss) / (CYCLES - WARM);
  const deaths = lab.system.domains().reduce((sum, d) => sum + d.faults, 0);
  const reports = lab.faults.length;
  const same = instances().every((memory, i) => memory === before[i]);
  await lab.close();
  return { deaths, reports, same, slope };
}

process.stdout.write(`${JSON.stringify(await run())}\n`);
