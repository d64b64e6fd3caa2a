/**
 * Faults in a chain of calls: every kind of trap, at every depth, in every member, with objects moved and lent across.
 *
 * The chain is made of equal domains n0 → n1 → … Each member owns one object that it made, holds the one that was moved
 * to it, and lends on the one that was lent to it.
 */
import { afterEach, describe, expect, test } from "vitest";
import { HostObject } from "#kernel/host/object.ts";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
/** A member of the chain. */
export interface Node {
  run(left: u32, mode: u32, moved: RRef<Item>, lent: Borrow<Item>): RpcResult<u32, Err>;
  back(mode: u32): RpcResult<u32, Err>;
}
/** The host's: acts while the deepest member runs. */
export interface Act {
  act(mode: u32): RpcResult<void, Err>;
}
`;

/** Modes of the deepest member. */
const MODE = {
  ok: 0,
  unreachable: 1,
  act: 2,
  recursion: 3,
  divide: 4,
  bounds: 5,
  nullCall: 6,
  abort: 7,
  badHandle: 8,
  conversion: 9,
} as const;

const node =
  (next: string | null) =>
  (n: Names): string =>
    `(module
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "env" "abort" (func $abort (param i32 i32 i32 i32)))
  ${n.newType("Item")}
  (import "${n.module("Node")}" "use" (func $useNode (param i32 i32) (result i32)))
  (import "${n.module("Node")}" "run" (func $run (param i32 i32 i32 i32 i32) (result i32)))
  (import "${n.module("Act")}" "use" (func $useAct (param i32 i32) (result i32)))
  (import "${n.module("Act")}" "act" (func $act (param i32 i32) (result i32)))
  (memory 1 4)
  (data (i32.const 0) "nextact")
  (table 2 funcref)
  (global $next (mut i32) (i32.const 0))
  (global $actor (mut i32) (i32.const 0))
  (global $own (mut i32) (i32.const 0))
  (func (export "_init")
    ${next === null ? "" : "(global.set $next (call $useNode (i32.const 0) (i32.const 4)))"}
    (global.set $actor (call $useAct (i32.const 4) (i32.const 3))))
  (func $forever (param i32) (result i32) (i32.add (call $forever (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
  (func $misbehave (param $mode i32) (param $lent i32)
    (if (i32.eq (local.get $mode) (i32.const 1)) (then unreachable))
    (if (i32.eq (local.get $mode) (i32.const 2)) (then (drop (call $act (local.get $mode) (global.get $actor)))))
    (if (i32.eq (local.get $mode) (i32.const 3)) (then (drop (call $forever (i32.const 0)))))
    (if (i32.eq (local.get $mode) (i32.const 4)) (then (drop (i32.div_u (i32.const 1) (i32.sub (local.get $mode) (i32.const 4))))))
    (if (i32.eq (local.get $mode) (i32.const 5)) (then (drop (i32.load (i32.const -4)))))
    (if (i32.eq (local.get $mode) (i32.const 6)) (then (call_indirect (i32.const 1))))
    (if (i32.eq (local.get $mode) (i32.const 7)) (then (call $abort (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 4))))
    (if (i32.eq (local.get $mode) (i32.const 8)) (then (drop (call $load (i32.const 123456) (i32.const 0)))))
    (if (i32.eq (local.get $mode) (i32.const 9)) (then (drop (i32.trunc_f32_u (f32.const nan))))))
  (func (export "${n.serve("Node.back")}") (param i32 i32) (result i32) (call $set0 (local.get 1)) (i32.const 0))
  (func (export "${n.serve("Node.run")}") (param $self i32) (param $left i32) (param $mode i32) (param $moved i32) (param $lent i32) (result i32)
    (local $status i32)
    (global.set $own (call $new_Item))
    (call $store (local.get $left) (global.get $own) (i32.const 0))
    (call $store (i32.add (call $load (local.get $lent) (i32.const 0)) (i32.const 1)) (local.get $lent) (i32.const 0))
    (if (i32.eqz (local.get $left))
      (then (call $misbehave (local.get $mode) (local.get $lent)) (call $set0 (i32.const 0)))
      (else
        (local.set $status (call $run (i32.sub (local.get $left) (i32.const 1)) (local.get $mode) (call $new_Item) (local.get $lent) (global.get $next)))
        (call $set0 (if (result i32) (local.get $status) (then (i32.add (i32.const 1000) (local.get $left))) (else (call $get0))))))
    ;; the lent object is still reachable, and only through the handle that was lent
    (drop (call $load (local.get $lent) (i32.const 0)))
    (i32.const 0)))`;

let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

type Answer = { ok: boolean; value?: unknown; fault?: string };
type Node = {
  run(left: number, mode: number, moved: HostObject, lent: HostObject): Answer;
  back(mode: number): Answer;
};

async function chain(length: number, act: () => void = () => {}): Promise<Node> {
  const domains: Record<string, LabDomain> = {};
  for (let i = length - 1; i >= 0; i--) {
    const last = i === length - 1;
    domains[`n${i}`] = {
      wat: node(last ? null : `n${i + 1}`),
      provides: { node: "Node" },
      uses: { ...(last ? {} : { next: ["Node", `n${i + 1}`] as const }), act: ["Act", "host"] },
    };
  }
  const service = { act: () => (act(), { ok: true }) };
  lab = await makeLab({ idl: IDL, domains, services: { Act: [service] } });
  return lab.client<Node>("n0.node");
}

function objects(): { moved: HostObject; lent: HostObject } {
  const make = (): HostObject => new HostObject(lab.system.heap, lab.system.heap.create("Item"));
  return { moved: make(), lent: make() };
}

describe("every kind of trap is contained", () => {
  const kinds: [keyof typeof MODE, string][] = [
    ["unreachable", "trap"],
    ["recursion", "stack"],
    ["divide", "trap"],
    ["bounds", "trap"],
    ["nullCall", "trap"],
    ["abort", "abort"],
    ["badHandle", "trap"],
    ["conversion", "trap"],
  ];
  test.each(kinds)("%s", async (mode, kind) => {
    const n0 = await chain(1);
    const { moved, lent } = objects();
    expect(n0.run(0, MODE[mode], moved, lent)).toEqual({ ok: false, fault: "crashed" });
    expect(n0.run(0, MODE.ok, objects().moved, lent)).toEqual({ ok: false, fault: "dead" });
    expect(lab.faults).toMatchObject([{ domain: "n0", kind, chain: ["host", "n0"] }]);
    // One it made and one it was given; the lent one came back, written to.
    expect(lab.faults[0]!.objectsFreed).toBe(2);
    expect(lab.system.heap.loadU32(lent.handle, 0)).toBe(1);
  });
});

describe.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])("a chain of %i", (length) => {
  test("the deepest traps: it alone dies; moved objects of the others stay, its own are freed, the lent one comes back", async () => {
    const n0 = await chain(length);
    const { moved, lent } = objects();
    const answer = n0.run(length - 1, MODE.unreachable, moved, lent);
    expect(answer).toEqual(length === 1 ? { ok: false, fault: "crashed" } : { ok: true, value: 1001 });
    expect(lab.faults.map((f) => f.domain)).toEqual([`n${length - 1}`]);
    expect(lab.faults[0]!.chain).toEqual(["host", ...Array.from({ length }, (_, i) => `n${i}`)]);
    for (let i = 0; i < length - 1; i++) expect(lab.owned(`n${i}`), `n${i}`).toBe(2);
    expect(lab.system.heap.loadU32(lent.handle, 0)).toBe(length);
    lab.system.heap.free(lent.handle);
  });

  test("each member in turn is killed from outside while the deepest runs", async () => {
    for (let victim = 0; victim < length; victim++) {
      const n0 = await chain(length, () => lab.system.kill(`n${victim}`, "test"));
      const { moved, lent } = objects();
      const answer = n0.run(length - 1, MODE.act, moved, lent);
      // Its caller is told that it crashed; everybody above goes on, everybody below had returned.
      expect(answer, `victim ${victim}`).toEqual(
        victim === 0 ? { ok: false, fault: "crashed" } : { ok: true, value: 1000 + length - victim },
      );
      expect(lab.faults.map((f) => f.domain)).toEqual([`n${victim}`]);
      expect(lab.faults[0]).toMatchObject({ kind: "killed", message: "test", objectsFreed: 2 });
      for (let i = 0; i < length; i++) if (i !== victim) expect(lab.owned(`n${i}`), `n${i}`).toBe(2);
      expect(lab.system.heap.loadU32(lent.handle, 0)).toBe(length);
      lab.system.heap.free(lent.handle);
      if (victim === length - 1) break;
      lab.audit();
      await lab.close();
    }
  });
});
