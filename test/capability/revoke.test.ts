/**
 * Revocation: what was passed on is taken back at once and from everybody, and nothing else is.
 *
 * Holders pass capabilities to a resource among each other; a number stays its holder's and answers `revoked`. Death,
 * restart and dropping of somebody in the middle take nothing from those behind, and keep nothing from being revoked.
 */
import { afterEach, describe, expect, test } from "vitest";
import type { GraphEdge } from "#kernel/capability/graph.ts";
import { renderMermaid } from "#tools/lib/mermaid.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export interface Res { ping(): RpcResult<u32, Err>; slow(): Promise<RpcResult<u32, Err>>; }
export interface Timer { wait(): Promise<RpcResult<void, Err>>; }
export interface Holder {
  /** Asks for what the manifest grants; answers the number. */
  granted(): RpcResult<u32, Err>;
  minted(): RpcResult<u32, Err>;
  take(res: Res): RpcResult<u32, Err>;
  /** Passes on; answers the number that the other has. */
  give(cap: u32, to: Holder): RpcResult<u32, Err>;
  call(cap: u32): RpcResult<u32, Err>;
  callSlow(cap: u32): Promise<RpcResult<u32, Err>>;
  takeBack(cap: u32): RpcResult<void, Err>;
  giveUp(cap: u32): RpcResult<void, Err>;
}
`;

const res = (n: Names): string => `(module (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Timer")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Timer")}" "wait" (func $wait (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "timer")
  (func (export "${n.serve("Res.slow")}") (param i32) (result i32)
    (drop (call $wait (call $use (i32.const 0) (i32.const 5)))) (call $set0 (i32.const 8)) (i32.const 0))
  (func (export "${n.serve("Res.ping")}") (param i32) (result i32) (call $set0 (i32.const 7)) (i32.const 0)))`;

const holder = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "get0" (func $get0 (result i32)))
  (import "cap" "revoke" (func $revoke (param i32))) (import "cap" "drop" (func $drop (param i32)))
  (import "${n.module("Res")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Res")}" "mint" (func $mint (param i32) (result i32)))
  (import "${n.module("Res")}" "ping" (func $ping (param i32) (result i32)))
  (import "${n.module("Res")}" "slow" (func $slow (param i32) (result i32)))
  (import "${n.module("Holder")}" "take" (func $take (param i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "res")
  (func (export "${n.serve("Res.ping")}") (param i32) (result i32) (call $set0 (i32.const 70)) (i32.const 0))
  (func (export "${n.serve("Res.slow")}") (param i32) (result i32) (call $set0 (i32.const 80)) (i32.const 0))
  (func (export "${n.serve("Holder.granted")}") (param i32) (result i32) (call $set0 (call $use (i32.const 0) (i32.const 3))) (i32.const 0))
  (func (export "${n.serve("Holder.minted")}") (param i32) (result i32) (call $set0 (call $mint (i32.const 5))) (i32.const 0))
  (func (export "${n.serve("Holder.take")}") (param i32 i32) (result i32) (call $set0 (local.get 1)) (i32.const 0))
  (func (export "${n.serve("Holder.give")}") (param i32 i32 i32) (result i32) (local $status i32)
    (local.set $status (call $take (local.get 1) (local.get 2)))
    (call $set0 (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0)))) (i32.const 0))
  (func (export "${n.serve("Holder.call")}") (param i32 i32) (result i32) (local $status i32)
    (local.set $status (call $ping (local.get 1)))
    (call $set0 (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0)))) (i32.const 0))
  (func (export "${n.serve("Holder.callSlow")}") (param i32 i32) (result i32) (local $status i32)
    (local.set $status (call $slow (local.get 1)))
    (call $set0 (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0)))) (i32.const 0))
  (func (export "${n.serve("Holder.takeBack")}") (param i32 i32) (result i32) (call $revoke (local.get 1)) (i32.const 0))
  (func (export "${n.serve("Holder.giveUp")}") (param i32 i32) (result i32) (call $drop (local.get 1)) (i32.const 0)))`;

const [DEAD, REVOKED] = [256, 259];
type Answer<T> = { ok: boolean; value: T; fault?: string };
interface Holder {
  granted(): Answer<number>;
  minted(): Answer<number>;
  take(res: unknown): Answer<number>;
  give(number: number, to: Holder): Answer<number>;
  call(number: number): Answer<number>;
  callSlow(number: number): Promise<Answer<number>>;
  takeBack(number: number): Answer<void>;
  giveUp(number: number): Answer<void>;
}
const NAMES = ["a", "b", "c", "d"] as const;
type Name = (typeof NAMES)[number];
let lab: Lab;
let wake: () => void;
let holders: Record<Name, Holder>;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function boot(): Promise<void> {
  lab = await makeLab({
    idl: IDL,
    domains: {
      res: { wat: res, provides: { res: "Res" }, uses: { timer: ["Timer", "host"] } },
      ...Object.fromEntries(
        NAMES.map((name) => [
          name,
          { wat: holder, provides: { holder: "Holder", own: "Res" }, uses: { res: ["Res", "res"] as const } },
        ]),
      ),
    },
    services: { Timer: [{ wait: () => new Promise((resolve) => (wake = () => resolve({ ok: true }))) }] },
  });
  holders = Object.fromEntries(NAMES.map((n) => [n, lab.client<Holder>(`${n}.holder`)])) as Record<Name, Holder>;
}
const call = (name: Name, number: number): number => holders[name].call(number).value;
const give = (from: Name, number: number, to: Name): number => holders[from].give(number, holders[to]).value;

describe("what was passed on", () => {
  test("is taken back from everybody behind, not from the one who takes it back", async () => {
    await boot();
    const a = holders.a.granted().value;
    const b = give("a", a, "b");
    const c = give("b", b, "c");
    const d = give("c", c, "d");
    expect([call("a", a), call("b", b), call("c", c), call("d", d)]).toEqual([7, 7, 7, 7]);
    holders.b.takeBack(b);
    expect([call("a", a), call("b", b), call("c", c), call("d", d)]).toEqual([7, 7, REVOKED, REVOKED]);
    holders.a.takeBack(a);
    expect([call("a", a), call("b", b)]).toEqual([7, REVOKED]);
  });

  test("stays revoked, cannot be passed on, and its number is the holder's until it gives it up", async () => {
    await boot();
    const a = holders.a.minted().value;
    const b = give("a", a, "b");
    holders.a.takeBack(a);
    expect(give("b", b, "c")).toBe(REVOKED);
    expect(call("b", b)).toBe(REVOKED);
    const again = give("a", a, "b");
    expect(again).not.toBe(b);
    expect([call("b", again), call("b", b)]).toEqual([70, REVOKED]);
    expect(holders.b.giveUp(b).ok).toBe(true);
    expect(call("b", again)).toBe(70);
    expect(holders.b.call(b).fault).toBe("crashed");
  });

  test("stays where it came by another way too", async () => {
    await boot();
    const a = holders.a.granted().value;
    const own = holders.c.granted().value;
    const c = give("a", a, "c");
    expect(c).toBe(own);
    const viaB = give("b", holders.b.granted().value, "d");
    expect(give("a", a, "d")).toBe(viaB);
    holders.a.takeBack(a);
    expect([call("c", c), call("d", viaB)]).toEqual([7, 7]);
    holders.b.takeBack(holders.b.granted().value);
    expect([call("c", c), call("d", viaB)]).toEqual([7, REVOKED]);
  });

  test("in a circle is no ground of its own", async () => {
    await boot();
    const a = holders.a.minted().value;
    const b = give("a", a, "b");
    const c = give("b", b, "c");
    expect(give("c", c, "b")).toBe(b);
    expect(give("c", c, "a")).toBe(a);
    holders.a.takeBack(a);
    expect([call("a", a), call("b", b), call("c", c)]).toEqual([70, REVOKED, REVOKED]);
  });
});

describe("somebody in the middle", () => {
  test.each([
    ["gives it up", (b: number) => void holders.b.giveUp(b)],
    ["dies", () => lab.system.kill("b")],
    ["is restarted", () => void lab.system.restart("b")],
  ])("%s: those behind keep it, and it can still be taken back from them", async (_, end) => {
    await boot();
    const a = holders.a.minted().value;
    const b = give("a", a, "b");
    const c = give("b", b, "c");
    end(b);
    expect(call("c", c)).toBe(70);
    holders.a.takeBack(a);
    expect(call("c", c)).toBe(REVOKED);
  });

  test("the minter dies: everybody's is dead, and stays so", async () => {
    await boot();
    const a = holders.a.minted().value;
    const b = give("a", a, "b");
    const c = give("b", b, "c");
    lab.system.kill("a");
    expect([call("b", b), call("c", c)]).toEqual([DEAD, DEAD]);
    lab.system.restart("a");
    expect([call("b", b), call("c", c), give("b", b, "d")]).toEqual([DEAD, DEAD, DEAD]);
  });
});

describe("a grant of the manifest", () => {
  test("is taken back from its holder and all behind, for all its lives", async () => {
    await boot();
    const a = holders.a.granted().value;
    const b = give("a", a, "c");
    const { kernel } = lab.system;
    kernel.revoke(kernel.domain("a"), "res");
    expect([call("a", a), call("c", b)]).toEqual([REVOKED, REVOKED]);
    expect(call("a", holders.a.granted().value)).toBe(REVOKED);
    lab.system.restart("a");
    expect(call("a", holders.a.granted().value)).toBe(REVOKED);
    expect(call("b", holders.b.granted().value)).toBe(7);
    expect(lab.faults.map((f) => f.domain)).toEqual(["a"]);
  });

  test("before it was asked for", async () => {
    await boot();
    const { kernel } = lab.system;
    kernel.revoke(kernel.domain("a"), "res");
    expect(call("a", holders.a.granted().value)).toBe(REVOKED);
    expect(() => kernel.revoke(kernel.domain("a"), "disk")).toThrow("a uses res, and no disk");
  });
});

test("a call that is under way, suspended too, finishes", async () => {
  await boot();
  const a = holders.a.granted().value;
  const b = give("a", a, "c");
  lab.system.kernel.revoke(lab.system.kernel.domain("c"), "res");
  expect(call("c", b)).toBe(7);
  const running = holders.c.callSlow(b);
  await new Promise((resolve) => setTimeout(resolve, 1));
  holders.a.takeBack(a);
  expect(call("c", b)).toBe(REVOKED);
  wake();
  expect((await running).value).toBe(8);
});

test("the graph lists what is held and how it was come by, and what is granted and not asked for", async () => {
  await boot();
  const a = holders.a.granted().value;
  call("a", a);
  call("a", a);
  const minted = holders.c.minted().value;
  give("c", minted, "b");
  const own = (edges: GraphEdge[]): string[] =>
    edges
      .filter((e) => e.holder !== "host" && e.interface === "Res")
      .map((e) => `${e.holder} ${e.provider} ${e.object} ${e.by} ${e.state} ${e.calls}`);
  const before = own(lab.system.kernel.graph());
  expect(before.toSorted()).toEqual([
    "a res res manifest alive 2",
    "b c #5 passed alive 0",
    "b res res manifest alive 0",
    "c c #5 minted alive 0",
    "c res res manifest alive 0",
    "d res res manifest alive 0",
  ]);
  holders.c.takeBack(minted);
  lab.system.kernel.revoke(lab.system.kernel.domain("a"), "res");
  lab.system.kill("res");
  expect(own(lab.system.kernel.graph()).toSorted()).toEqual([
    "a res res manifest revoked 2",
    "b c #5 passed revoked 0",
    "b res res manifest dead 0",
    "c c #5 minted alive 0",
    "c res res manifest dead 0",
    "d res res manifest dead 0",
  ]);
});

test("Mermaid shows names as text, whatever they hold", () => {
  const edge = {
    holder: 'a"]',
    provider: "b-->c",
    interface: "I",
    object: "o|x",
    by: "passed",
    state: "dead",
    calls: 3,
  };
  expect(renderMermaid([edge as GraphEdge])).toBe(
    'graph LR\n  d0["a#34;#93;"]\n  d1["b--#62;c"]\n  d0 -.->|"o#124;x: I (passed), 3×"| d1\n',
  );
});

test("the host's own client notices, and a number that was never one ends who revokes it", async () => {
  await boot();
  const own = lab.client<{ capability: number; ping(): Answer<number> }>("a.own");
  holders.b.take(own);
  const { linker, hostDomain } = lab.system.kernel;
  linker.revokeGrant(hostDomain.capabilities!.get(own.capability)!);
  expect(own.ping().fault).toBe("revoked");
  expect(holders.a.takeBack(4711).fault).toBe("crashed");
  expect(lab.faults.map((f) => f.message)).toEqual(["cap.revoke: 4711 is no capability of its own"]);
});

test("a grant that was taken back does not come back with the next life, by whatever way the domain has the object", async () => {
  await boot();
  const { kernel } = lab.system;
  kernel.revoke(kernel.domain("b"), "res");
  const b = give("a", holders.a.granted().value, "b");
  expect(call("b", b)).toBe(7);
  lab.system.restart("b");
  expect(kernel.domain("b").capabilities!.get(b)).toBeNull();
  expect(call("b", holders.b.granted().value)).toBe(REVOKED);
});
