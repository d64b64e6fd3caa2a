/**
 * Async methods: chains of suspended domains, and what happens when a member dies while the deepest is suspended.
 *
 * Each member owns an object that it made and holds the one that was moved to it; both are counted. Plain calls into a
 * suspended domain nest; a second async call finds it busy; a domain entered by a plain call cannot be suspended.
 */
import { afterEach, describe, expect, test } from "vitest";
import { HostObject } from "#kernel/host/object.ts";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
/** A member of the chain. */
export interface Node {
  run(left: u32, mode: u32, moved: RRef<Item>): Promise<RpcResult<{ n: u32; item: RRef<Item> }, Err>>;
  plain(x: u32): RpcResult<u32, Err>;
  /** A plain method that calls an async one. */
  wrongly(): RpcResult<u32, Err>;
  text(s: Slice<64>): Promise<RpcResult<Slice<64>, Err>>;
}
/** The host's: ends when the test says so. */
export interface Timer {
  wait(what: u32): Promise<RpcResult<u32, Err>>;
}
`;

/** Modes of the deepest member: 0 wait, 1 trap at once, 2 wait and then trap, 3 do not wait. */
const node =
  (next: string | null) =>
  (n: Names): string =>
    `(module
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "rpc" "get1" (func $get1 (result i32)))
  ${n.newType("Item")}
  (import "${n.module("Node")}" "use" (func $useNode (param i32 i32) (result i32)))
  (import "${n.module("Node")}" "run" (func $run (param i32 i32 i32 i32) (result i32)))
  (import "${n.module("Timer")}" "use" (func $useTimer (param i32 i32) (result i32)))
  (import "${n.module("Timer")}" "wait" (func $wait (param i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "nexttimer")
  (global $next (mut i32) (i32.const 0)) (global $timer (mut i32) (i32.const 0)) (global $own (mut i32) (i32.const 0))
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 256))
  (func (export "_init")
    ${next === null ? "" : "(global.set $next (call $useNode (i32.const 0) (i32.const 4)))"}
    (global.set $timer (call $useTimer (i32.const 4) (i32.const 5))))
  (func (export "${n.serve("Node.plain")}") (param i32 i32) (result i32)
    (call $set0 (i32.add (local.get 1) (i32.const 1))) (call $set1 (i32.const 77)) (i32.const 0))
  (func (export "${n.serve("Node.wrongly")}") (param i32) (result i32) (call $set0 (call $wait (i32.const 9) (global.get $timer))) (i32.const 0))
  (func (export "${n.serve("Node.text")}") (param i32 i32 i32) (result i32)
    (drop (call $wait (i32.const 5) (global.get $timer)))
    (i32.store8 (local.get 1) (i32.const 33))
    (call $set0 (local.get 1)) (call $set1 (local.get 2)) (i32.const 0))
  (func (export "${n.serve("Node.run")}") (param $self i32) (param $left i32) (param $mode i32) (param $moved i32) (result i32) (local $status i32)
    (global.set $own (call $new_Item))
    (if (i32.eqz (local.get $left))
      (then
        (if (i32.eq (local.get $mode) (i32.const 1)) (then (unreachable)))
        (if (i32.ne (local.get $mode) (i32.const 3)) (then
          (if (call $wait (local.get $left) (global.get $timer)) (then (return (i32.const 1))))
          (call $store (call $get0) (local.get $moved) (i32.const 0))))
        (if (i32.eq (local.get $mode) (i32.const 2)) (then (unreachable)))
        (call $set0 (i32.const 0)) (call $set1 (local.get $moved)) (return (i32.const 0))))
    (local.set $status (call $run (i32.sub (local.get $left) (i32.const 1)) (local.get $mode) (call $new_Item) (global.get $next)))
    ;; what its callee gave back stays here; the one that was moved in goes back
    (call $set0 (if (result i32) (local.get $status) (then (i32.add (i32.const 1000) (local.get $left)))
      (else (i32.add (call $get0) (i32.ge_u (call $get1) (i32.const 1024))))))
    (call $set1 (local.get $moved))
    (i32.const 0)))`;

type Answer = { ok: boolean; value?: { n: number; item: HostObject }; error?: string; fault?: string };
interface Node {
  run(left: number, mode: number, moved: HostObject): Promise<Answer>;
  plain(x: number): { ok: boolean; value?: number };
  wrongly(): { ok: boolean; value?: number };
  text(s: Uint8Array): Promise<{ ok: boolean; value?: Uint8Array }>;
}

let lab: Lab;
let wake: ((value: number) => void)[] = [];
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function chain(length: number): Promise<Node> {
  const domains: Record<string, LabDomain> = {};
  for (let i = length - 1; i >= 0; i--) {
    const last = i === length - 1;
    domains[`n${i}`] = {
      wat: node(last ? null : `n${i + 1}`),
      provides: { node: "Node" },
      uses: { ...(last ? {} : { next: ["Node", `n${i + 1}`] as const }), timer: ["Timer", "host"] },
    };
  }
  wake = [];
  const timer = { wait: () => new Promise((resolve) => wake.push((value) => resolve({ ok: true, value }))) };
  lab = await makeLab({ idl: IDL, domains, services: { Timer: [timer] } });
  return lab.client<Node>("n0.node");
}

const item = (): HostObject => new HostObject(lab.system.heap, lab.system.heap.create("Item"));
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1));

describe("suspended calls", () => {
  test("a chain of 8 is suspended, the host goes on, and all return when the deepest is woken", async () => {
    const n0 = await chain(8);
    const moved = item();
    const running = n0.run(7, 0, moved);
    expect(moved.handle).toBe(0);
    await turn();
    expect(wake.length).toBe(1);
    // Plain calls into suspended domains nest, and do not disturb their result words.
    for (let i = 0; i < 8; i++) expect(lab.client<Node>(`n${i}.node`).plain(i)).toEqual({ ok: true, value: i + 1 });
    wake[0]!(42);
    for (let i = 0; i < 8; i++) lab.client<Node>(`n${i}.node`).plain(i);
    const answer = await running;
    expect(answer.value!.n).toBe(7);
    lab.system.heap.free(answer.value!.item.handle);
    expect(lab.faults).toEqual([]);
    // Own object of each, and what its callee gave back.
    for (let i = 0; i < 8; i++) expect(lab.owned(`n${i}`)).toBe(i === 7 ? 1 : 2);
  });

  test("a callee that ends without suspending answers too", async () => {
    const n0 = await chain(2);
    const answer = await n0.run(1, 3, item());
    expect(answer.ok).toBe(true);
    lab.system.heap.free(answer.value!.item.handle);
  });

  test("a second async call finds the domain busy, and keeps its object", async () => {
    const n0 = await chain(1);
    const running = n0.run(0, 0, item());
    const second = item();
    const handle = second.handle;
    expect(await n0.run(0, 0, second)).toEqual({ ok: false, fault: "busy" });
    lab.system.heap.free(handle);
    wake[0]!(1);
    lab.system.heap.free((await running).value!.item.handle);
  });

  test("a domain that was entered by a plain call cannot be suspended: a fault code, and nobody dies", async () => {
    const n0 = await chain(1);
    expect(n0.wrongly()).toEqual({ ok: true, value: 263 });
    expect(wake.length).toBe(0);
    expect(lab.faults).toEqual([]);
  });

  test("text goes over and back while others call in between", async () => {
    const n0 = await chain(1);
    const running = n0.text(new TextEncoder().encode("abc"));
    await turn();
    n0.plain(1);
    wake[0]!(0);
    expect(new TextDecoder().decode((await running).value)).toBe("!bc");
  });

  test("a trap before and after the suspension is contained", async () => {
    for (const mode of [1, 2]) {
      const n0 = await chain(3);
      const running = n0.run(2, mode, item());
      await turn();
      wake[0]?.(1);
      const answer = await running;
      expect(answer.value!.n).toBe(1002);
      lab.system.heap.free(answer.value!.item.handle);
      expect(lab.faults).toMatchObject([{ domain: "n2", kind: "trap", objectsFreed: 2 }]);
      if (mode === 2) break;
      await lab.close();
    }
  });
});

describe.each([1, 2, 4, 8, 16])("a suspended chain of %i", (length) => {
  test("each member in turn is killed from outside", async () => {
    for (let victim = 0; victim < length; victim++) {
      const n0 = await chain(length);
      const running = n0.run(length - 1, 0, item());
      await turn();
      lab.system.kill(`n${victim}`, "test");
      await turn();
      expect(lab.faults, `victim ${victim}`).toMatchObject([
        { domain: `n${victim}`, kind: "killed", message: "test", objectsFreed: 2 },
      ]);
      expect(lab.info(`n${victim}`).state).toBe("dead");
      const answer = await running;
      if (victim === 0) expect(answer).toEqual({ ok: false, fault: "crashed" });
      else {
        // Its caller was told at once; the sum counts the members above.
        expect(answer.value!.n).toBe(1000 + length - victim + victim - 1);
        lab.system.heap.free(answer.value!.item.handle);
      }
      // Those below are still suspended; they end, and what they give back is freed, not leaked.
      wake[0]!(5);
      await turn();
      await turn();
      for (let i = 0; i < length; i++) {
        const expected = i === victim ? 0 : i >= victim ? (i === length - 1 ? 1 : 2) : i === victim - 1 ? 1 : 2;
        expect(lab.owned(`n${i}`), `victim ${victim}, n${i}`).toBe(expected);
      }
      expect(lab.faults.length).toBe(1);
      lab.audit();
      if (victim < length - 1) await lab.close();
    }
  });
});
