/**
 * Restart: a domain lives again, in the same instance where that can be put back, under the eyes of its clients.
 *
 * What a restart must bring back (memory, globals, grants), what it must not (objects, minted capabilities, what the
 * domain was passed), and that it is possible in the middle of a call chain, by whoever holds the right to it.
 */
import { afterEach, describe, expect, test } from "vitest";
import { KernelError } from "#kernel/errors.ts";
import { HostObject } from "#kernel/host/object.ts";
import { DEFAULT_RESTART, type Restart } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
export declare enum DomainState { Loaded, Running, Dying, Dead }
export declare enum LifecycleError { Died, Busy, NoRoom, NotRunning }
export interface Lifecycle {
  state(): RpcResult<{ state: DomainState; generation: u32; faults: u32 }, never>;
  restart(): RpcResult<u32, LifecycleError>;
  kill(): RpcResult<void, LifecycleError>;
}
/** Counts in a global and in memory, keeps an object and a capability. */
export interface Counter {
  bump(): RpcResult<{ global: u32; stored: u32; data: u32 }, Err>;
  keep(item: RRef<Item>): RpcResult<void, Err>;
  hold(peer: Counter): RpcResult<u32, Err>;
  make(): RpcResult<Counter, Err>;
  crash(): RpcResult<void, Err>;
  /** Restarts the domain itself, from inside. */
  suicide(): RpcResult<u32, Err>;
}
/** Stands in front of a counter: calls it, restarts it when that fails, and calls again. */
export interface Shadow {
  bump(): RpcResult<{ code: u32; global: u32; life: u32 }, Err>;
  crashAndBump(): RpcResult<{ code: u32; global: u32; life: u32 }, Err>;
}
`;

const counter = (n: Names, main = "", extra = ""): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32))) (import "rpc" "set2" (func $set2 (param i32)))
  (import "${n.module("Counter")}" "mint" (func $mint (param i32) (result i32)))
  (import "${n.module("Lifecycle")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Lifecycle")}" "restart" (func $restart (param i32) (result i32)))
  (import "${n.module("Lifecycle")}" "state" (func $state (param i32) (result i32)))
  (import "rpc" "get1" (func $get1 (result i32)))
  ${n.newType("Item")}
  (memory 1 4) (data (i32.const 0) "\\2a\\00\\00\\00me") (global $g (mut i32) (i32.const 10)) (global $kept (mut i32) (i32.const 0))
  ${extra}
  (func (export "main") ${main})
  (func (export "${n.serve("Counter.bump")}") (param i32) (result i32)
    (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (i32.store (i32.const 100) (i32.add (i32.load (i32.const 100)) (i32.const 1)))
    (call $set0 (global.get $g)) (call $set1 (i32.load (i32.const 100))) (call $set2 (i32.load (i32.const 0)))
    (i32.store (i32.const 0) (i32.const 7))
    (i32.const 0))
  (func (export "${n.serve("Counter.keep")}") (param i32 i32) (result i32) (global.set $kept (local.get 1)) (drop (call $new_Item)) (i32.const 0))
  (func (export "${n.serve("Counter.hold")}") (param i32 i32) (result i32) (call $set0 (local.get 1)) (i32.const 0))
  (func (export "${n.serve("Counter.make")}") (param i32) (result i32) (call $mint (i32.const 77)))
  (func (export "${n.serve("Counter.crash")}") (param i32) (result i32) (unreachable))
  (func (export "${n.serve("Counter.suicide")}") (param i32) (result i32)
    (call $set0 (call $restart (call $use (i32.const 4) (i32.const 2)))) (i32.const 0)))`;

const shadow = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32))) (import "rpc" "set2" (func $set2 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "${n.module("Counter")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Counter")}" "bump" (func $bump (param i32) (result i32)))
  (import "${n.module("Counter")}" "crash" (func $crash (param i32) (result i32)))
  (import "${n.module("Lifecycle")}" "use" (func $useLife (param i32 i32) (result i32)))
  (import "${n.module("Lifecycle")}" "restart" (func $restart (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "backlife")
  (func $go (result i32)
    (local $status i32) (local $life i32)
    (local.set $status (call $bump (call $use (i32.const 0) (i32.const 4))))
    (if (local.get $status) (then
      (if (call $restart (call $useLife (i32.const 4) (i32.const 4))) (then (return (i32.const 1))))
      (local.set $life (call $get0))
      (local.set $status (call $bump (call $use (i32.const 0) (i32.const 4))))))
    (call $set1 (call $get0)) (call $set0 (local.get $status)) (call $set2 (local.get $life)) (i32.const 0))
  (func (export "${n.serve("Shadow.bump")}") (param i32) (result i32) (call $go))
  (func (export "${n.serve("Shadow.crashAndBump")}") (param i32) (result i32)
    (drop (call $crash (call $use (i32.const 0) (i32.const 4)))) (call $go)))`;

type Answer<T> = { ok: boolean; value: T; fault?: string; error?: string };
interface Counter {
  capability: number;
  bump(): Answer<{ global: number; stored: number; data: number }>;
  keep(item: HostObject): Answer<void>;
  hold(peer: Counter): Answer<number>;
  make(): Answer<Counter>;
  crash(): Answer<void>;
  suicide(): Answer<number>;
}
interface Shadow {
  bump(): Answer<{ code: number; global: number; life: number }>;
  crashAndBump(): Answer<{ code: number; global: number; life: number }>;
}

const FRESH = { global: 11, stored: 1, data: 42 };
let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

interface Options {
  readonly restart?: Partial<Restart>;
  readonly main?: string;
  readonly extra?: string;
}
async function boot({ restart, main, extra }: Options = {}): Promise<Counter> {
  lab = await makeLab({
    idl: IDL,
    domains: {
      back: {
        wat: (n) => counter(n, main, extra),
        provides: { counter: "Counter" },
        uses: { me: ["Lifecycle", "supervisor", 0] },
        ...(restart === undefined ? {} : { restart: { ...DEFAULT_RESTART, ...restart } }),
      },
      front: {
        wat: shadow,
        provides: { shadow: "Shadow" },
        uses: { back: ["Counter", "back"], life: ["Lifecycle", "supervisor", 0] },
      },
    },
  });
  return lab.client<Counter>("back.counter");
}
/** Tables that a module changes cannot be put back: such a domain gets a new instance. */
const CHANGES_TABLES = "(table 1 funcref) (func $t (table.set (i32.const 0) (ref.null func)))";
const DIES_IN_SECOND_LIFE = `
  (drop (call $state (call $use (i32.const 4) (i32.const 2))))
  (if (i32.eq (call $get1) (i32.const 2)) (then unreachable))`;
const item = (): HostObject => new HostObject(lab.system.heap, lab.system.heap.create("Item"));

describe.each([
  ["in the same instance", {}],
  ["in a new instance", { extra: CHANGES_TABLES }],
])("a restart %s", (_, options) => {
  test("brings memory, data and globals back, and the client that knew it goes on", async () => {
    const back = await boot(options);
    expect(back.bump().value).toEqual(FRESH);
    expect(back.bump().value).toEqual({ global: 12, stored: 2, data: 7 });
    expect(lab.system.restart("back")).toBe(true);
    expect(back.bump().value).toEqual(FRESH);
    expect(lab.info("back")).toMatchObject({ incarnation: 2, state: "running", faults: 1 });
  });

  test("after a crash: dead until then, and what it owned is freed", async () => {
    const back = await boot(options);
    expect(back.keep(item()).ok).toBe(true);
    expect(lab.info("back").objects + lab.owned("back")).toBeGreaterThan(0);
    expect(back.crash().fault).toBe("crashed");
    expect(back.bump().fault).toBe("dead");
    expect(lab.owned("back")).toBe(0);
    expect(lab.system.restart("back")).toBe(true);
    expect(back.bump().value).toEqual(FRESH);
    expect(lab.info("back").objects).toBe(0);
  });

  test("capabilities to minted objects stay dead, those to provided ones live again", async () => {
    const back = await boot(options);
    const minted = back.make().value;
    expect(minted.bump().value).toEqual(FRESH);
    lab.system.restart("back");
    expect(minted.bump().fault).toBe("dead");
    expect(back.bump().value).toEqual(FRESH);
    const again = back.make().value;
    expect(again.bump().ok).toBe(true);
    expect(minted.bump().fault).toBe("dead");
  });

  test("what it was passed is gone, what the manifest grants is there", async () => {
    const back = await boot(options);
    const held = back.hold(back).value;
    expect(lab.system.kernel.domain("back").capabilities!.get(held)).not.toBeNull();
    lab.system.restart("back");
    expect(lab.system.kernel.domain("back").capabilities!.get(held)).toBeNull();
    expect(back.suicide().ok).toBe(false);
  });

  test("in the middle of a call chain: the client of a shadow sees no fault", async () => {
    await boot(options);
    const front = lab.client<Shadow>("front.shadow");
    expect(front.bump().value).toEqual({ code: 0, global: 11, life: 0 });
    expect(front.crashAndBump().value).toEqual({ code: 0, global: 11, life: 2 });
    expect(front.bump().value).toEqual({ code: 0, global: 12, life: 0 });
    expect(lab.faults.map((f) => [f.domain, f.kind, f.incarnation])).toEqual([["back", "trap", 1]]);
    expect(lab.faults[0]!.chain).toEqual(["host", "front", "back"]);
  });

  test("of oneself: the call ends with a fault, the next finds a new life", async () => {
    const back = await boot(options);
    expect(back.suicide().fault).toBe("crashed");
    expect(back.bump().value).toEqual(FRESH);
    expect(lab.info("back").incarnation).toBe(2);
  });

  test("a death in the first code of the new life is an error, and another restart may be tried", async () => {
    const back = await boot({ ...options, main: DIES_IN_SECOND_LIFE });
    expect(() => lab.system.restart("back")).toThrowError(new KernelError("start", "back died in main: unreachable"));
    expect(back.bump().fault).toBe("dead");
    expect(lab.system.restart("back")).toBe(true);
    expect(back.bump().value).toEqual(FRESH);
    expect(lab.info("back")).toMatchObject({ incarnation: 3, faults: 2 });
  });
});
