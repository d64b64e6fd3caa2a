/**
 * Endless work in calls that are all short: trees of calls, within a domain or between several, are stopped from
 * outside, and who dies is who made the calls. Nobody dies for having waited in one.
 *
 * Nothing here looks at a clock: what ran away did so for ever, or for longer than any machine lives.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { Limits } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";
import type { Answer } from "./spin.ts";

const SLICE_MS = 10;
const ENTRY_MS = 40;
/** 2^40 calls. */
const DEEP = 40;
const TRIALS = 1000;

const IDL = `
export declare enum Err { Failed }
export interface Tree {
  /** A leaf computes \`own\` turns; all others call \`fan\` of their peers in turns, each time after as much. */
  grow(depth: u32, fan: u32, own: u32): RpcResult<u32, Err>;
  /** Lets its peers grow such trees in turns: \`times\`, 0 for ever, each after \`own\` turns, and then \`after\`. */
  start(times: u32, depth: u32, fan: u32, own: u32, after: u32): RpcResult<u32, Err>;
}
export interface Relay {
  /** The host's: has the domain of this number grow so many trees, one after another. */
  relay(times: u32, depth: u32, own: u32): RpcResult<u32, Err>;
}
`;

interface Tree {
  grow(depth: number, fan: number, own: number): Answer;
  start(times: number, depth: number, fan: number, own: number, after: number): Answer;
}

/** @param peers how many it may call: p0, p1, … */
const member =
  (peers: number, relay: boolean) =>
  (n: Names): string => {
    const names = Array.from({ length: peers }, (_, i) => `p${String.fromCharCode(97 + i)}`);
    const peer = "(i32.load (i32.shl (i32.rem_u (local.get $i) (i32.const " + peers + ")) (i32.const 2)))";
    const imports = relay
      ? `(import "${n.module("Relay")}" "use" (func $useRelay (param i32 i32) (result i32)))
         (import "${n.module("Relay")}" "relay" (func $relay (param i32 i32 i32 i32) (result i32)))`
      : "";
    return `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Tree")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Tree")}" "grow" (func $grow (param i32 i32 i32 i32) (result i32)))
  ${imports}
  (memory 1) (data (i32.const 256) "${names.join("")}relay")
  (global $host (mut i32) (i32.const 0))
  (func (export "main")
    ${names
      .map((_, i) => `(i32.store (i32.const ${4 * i}) (call $use (i32.const ${256 + 2 * i}) (i32.const 2)))`)
      .join("\n    ")}
    ${relay ? `(global.set $host (call $useRelay (i32.const ${256 + 2 * peers}) (i32.const 5)))` : ""})
  (func $spin (param i32)
    (loop $l (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))))
  (func (export "${n.serve("Tree.grow")}") (param $self i32) (param $depth i32) (param $fan i32) (param $own i32)
    (result i32) (local $i i32)
    (call $spin (local.get $own))
    (if (local.get $depth) (then
      (loop $again
        (drop (call $grow (i32.sub (local.get $depth) (i32.const 1)) (local.get $fan) (local.get $own) ${peer}))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (local.get $fan))))))
    (call $set0 (i32.const 0)) (i32.const 0))
  (func (export "${n.serve("Tree.start")}") (param $self i32) (param $times i32) (param $depth i32) (param $fan i32)
    (param $own i32) (param $after i32) (result i32) (local $i i32) (local $status i32)
    (loop $again
      (call $spin (local.get $own))
      (local.set $status ${
        relay
          ? "(call $relay (local.get $fan) (local.get $depth) (local.get $own) (global.get $host))"
          : `(call $grow (local.get $depth) (local.get $fan) (local.get $own) ${peer})`
      })
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $again (i32.ne (local.get $i) (local.get $times))))
    (call $spin (local.get $after))
    (call $set0 (local.get $status)) (i32.const 0)))`;
  };

const LIMITS = { sliceMs: SLICE_MS, entryMs: ENTRY_MS };

/** One that may call these, under the names pa, pb, …; with `host`, in \`start\`, the host's relay instead. */
function tree(peers: readonly string[], limits: Limits = LIMITS, host = false): LabDomain {
  const uses = Object.fromEntries(peers.map((peer, i) => [`p${String.fromCharCode(97 + i)}`, ["Tree", peer] as const]));
  return {
    wat: member(peers.length, host),
    provides: { tree: "Tree" },
    uses: { ...uses, ...(host ? { relay: ["Relay", "host"] as const } : {}) },
    limits,
  };
}

let lab: Lab;
let relayed = 0;
const relay = {
  relay(times: number, depth: number, own: number) {
    for (let i = 0; i < times; i++) {
      lab.client<Tree>("a.tree").grow(depth, 2, own);
      relayed++;
    }
    return { ok: true, value: 0 };
  },
};
async function boot(domains: Record<string, LabDomain>): Promise<void> {
  relayed = 0;
  lab = await makeLab({ idl: IDL, domains, services: { Relay: [relay] } });
}
afterEach(async () => {
  lab.audit();
  await lab.close();
});

const client = (name: string): Tree => lab.client<Tree>(`${name}.tree`);
const died = (): string[] => lab.faults.map(({ domain, kind }) => `${domain} ${kind}`);
/** All that lives answers. */
const expectOthersAlive = (): void => {
  for (const { name, state } of lab.system.domains())
    if (state === "running") expect(client(name).grow(0, 1, 1), name).toEqual({ ok: true, value: 0 });
};

/** CPU time that the thread took, in milliseconds. */
function spent(call: () => void): number {
  const before = process.threadCpuUsage();
  call();
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / 1000;
}

describe("stopped", () => {
  test("a domain that calls itself in a tree", async () => {
    await boot({ a: tree(["a"]), bystander: tree([]) });
    expect(client("a").grow(DEEP, 2, 100)).toEqual({ ok: false, fault: "crashed" });
    expect(died()).toEqual(["a entry"]);
    expect(lab.faults[0]!.ranMs).toBeGreaterThan(ENTRY_MS);
    expect(lab.faults[0]!.ranMs).toBeLessThanOrEqual(2 * ENTRY_MS);
    expect(lab.faults[0]!.message).toMatch(/^ran [\d.]+ ms with its calls, limit 40 ms$/);
    expectOthersAlive();
    lab.system.restart("a");
    expect(client("a").grow(3, 2, 100)).toEqual({ ok: true, value: 0 });
  });

  test("two that call each other in a tree", async () => {
    await boot({ a: tree(["b"]), b: tree(["a"]), bystander: tree([]) });
    client("a").grow(DEEP, 2, 100);
    expect(died().length).toBeGreaterThan(0);
    expect(new Set(died().map((who) => who[0]))).not.toContain("bystander");
    expectOthersAlive();
  });

  test("a ping-pong of short calls: who serves", async () => {
    await boot({ a: tree(["b"]), b: tree(["a"]) });
    expect(client("a").start(0, 1, 1, 100, 0)).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults.map(({ domain }) => domain)).toEqual(["a"]);
    expectOthersAlive();
  });

  test("one that has sixteen others compute in turns, each for a short time", async () => {
    const names = Array.from({ length: 16 }, (_, i) => `n${i}`);
    await boot({ ...Object.fromEntries(names.map((name) => [name, tree([])])), root: tree(names) });
    expect(client("root").start(0, 0, 1, 20_000, 0)).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults.map(({ domain }) => domain)).toEqual(["root"]);
    expectOthersAlive();
  });

  test("sixteen that work together, each calling all", async () => {
    const names = Array.from({ length: 16 }, (_, i) => `n${i}`);
    await boot({ ...Object.fromEntries(names.map((name) => [name, tree(names)])), bystander: tree([]) });
    client("n0").grow(DEEP, 16, 50);
    expect(died().length).toBeGreaterThan(0);
    expect(died().filter((who) => who.startsWith("bystander"))).toEqual([]);
    expectOthersAlive();
  });

  test("one whose calls each compute for less than a slice, and then call deeper", async () => {
    await boot({ a: tree(["a"]) });
    client("a").grow(2000, 1, 2_000_000);
    expect(died()).toEqual(["a entry"]);
  });

  test("one that has a service of the host call it back, again and again", async () => {
    await boot({ a: tree(["a"]), caller: tree([], LIMITS, true) });
    expect(client("caller").start(0, 4, 2, 2000, 0)).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults.map(({ domain }) => domain)).toEqual(["caller"]);
  });
});

test(`an innocent callee of who makes ever new calls never dies: ${TRIALS} trials`, { timeout: 600_000 }, async () => {
  const hasty = { sliceMs: SLICE_MS, entryMs: SLICE_MS };
  await boot({ leaf: tree([]), middle: tree(["leaf"]), root: tree(["middle"], hasty) });
  for (let trial = 0; trial < TRIALS; trial++) {
    const random = Math.random();
    spent(() => client("leaf").grow(0, 1, 1_000_000 * Math.random()));
    const answer = client("root").start(0, trial & 1, 1 + (trial & 6), 20_000 * random, 0);
    expect(answer).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults.filter(({ domain }) => domain !== "root")).toEqual([]);
    expect(lab.faults).toHaveLength(trial + 1);
    lab.system.restart("root");
  }
  expect(died().filter((who) => who === "root entry").length).toBeGreaterThan(TRIALS / 2);
});

describe("not the culprit", () => {
  const SLOW = { sliceMs: 60_000, entryMs: 3_600_000 };
  /** Takes longer than ten entries. */
  const LONG = 12_000;

  test("who waits for another that makes many calls, in one call, and then goes on", async () => {
    await boot({ helper: tree([]), slow: tree(["helper"], SLOW), front: tree(["slow"]) });
    const ms = spent(() => expect(client("front").start(1, 1, LONG, 200_000, 1000)).toEqual({ ok: true, value: 0 }));
    expect(ms).toBeGreaterThan(10 * ENTRY_MS);
    expect(lab.faults).toEqual([]);
  });

  test("who makes a million calls, when its manifest entry says so", async () => {
    await boot({ helper: tree([]), client: tree(["helper"], { sliceMs: 60_000, entryMs: 3_600_000 }) });
    const ms = spent(() => expect(client("client").start(1_000_000, 0, 1, 200, 0)).toEqual({ ok: true, value: 0 }));
    expect(ms).toBeGreaterThan(2 * ENTRY_MS);
    expect(lab.faults).toEqual([]);
  });

  test("the host, which calls again and again, and whom it calls", async () => {
    await boot({ a: tree(["a"]) });
    const ms = spent(() => {
      for (let i = 0; i < 200; i++) client("a").grow(7, 2, 10_000);
    });
    expect(ms).toBeGreaterThan(2 * ENTRY_MS);
    expect(lab.faults).toEqual([]);
  });

  test("who waits for a service of the host that calls again and again", async () => {
    await boot({ a: tree(["a"]), caller: tree([], LIMITS, true) });
    const ms = spent(() => expect(client("caller").start(1, 7, 200, 5000, 0)).toMatchObject({ ok: true }));
    expect(relayed).toBeGreaterThanOrEqual(200);
    expect(ms).toBeGreaterThan(2 * ENTRY_MS);
    expect(lab.faults).toEqual([]);
  });
});
