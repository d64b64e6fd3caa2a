/**
 * Live replacement: a new version takes the place of a running domain while its clients go on.
 *
 * State, objects and capabilities carry over when both versions say so and are gone when not; whatever is wrong with the
 * new version, the clients have a running domain afterwards.
 */
import { afterEach, describe, expect, test } from "vitest";
import { AdmissionError } from "#kernel/wasm/errors.ts";
import { KernelError } from "#kernel/errors.ts";
import { HostObject } from "#kernel/host/object.ts";
import { assemble, compileIdl, makeLab, namesOf, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
export interface Peer { ping(): RpcResult<u32, Err>; }
/** Answers with its version and how often it was called; keeps an object and a peer. */
export interface Thing {
  call(): RpcResult<{ version: u32; calls: u32 }, Err>;
  keep(item: RRef<Item>, peer: Peer): RpcResult<void, Err>;
  apply(): RpcResult<{ kept: u32; answer: u32 }, Err>;
}
export interface Timer { wait(): Promise<RpcResult<void, Err>>; }
export interface Slow { slow(): Promise<RpcResult<u32, Err>>; }
`;
const names = namesOf(compileIdl(IDL));

interface Version {
  readonly state?: boolean;
  readonly main?: string;
  readonly restored?: string;
  readonly save?: string;
  readonly methods?: (n: Names) => string;
}
/** Memory: word 0 calls, word 1 the kept object, word 2 the peer; these twelve bytes are the state. */
const thing =
  (version: number, v: Version = {}) =>
  (n: Names): string =>
    `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32))) (import "rpc" "get0" (func $get0 (result i32)))
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "${n.module("Peer")}" "ping" (func $ping (param i32) (result i32)))
  (import "${n.module("Timer")}" "use" (func $useTimer (param i32 i32) (result i32)))
  (import "${n.module("Timer")}" "wait" (func $wait (param i32) (result i32)))
  ${n.newType("Item")}
  (memory 1) (data (i32.const 256) "timer")
  ${
    v.state === true
      ? `
  (func (export "samara_save") (result i32) ${v.save ?? "(i32.const 8)"})
  (func (export "samara_save_size") (result i32) (i32.const 12))
  (func (export "samara_restore") (param i32) (result i32) (i32.const 8))
  (func (export "samara_restored") ${v.restored ?? ""})`
      : ""
  }
  (func (export "main") ${v.main ?? ""})
  (func (export "${n.serve("Thing.call")}") (param i32) (result i32)
    (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1)))
    (call $set0 (i32.const ${version})) (call $set1 (i32.load (i32.const 8))) (i32.const 0))
  (func (export "${n.serve("Thing.keep")}") (param i32 i32 i32) (result i32)
    (i32.store (i32.const 12) (local.get 1)) (i32.store (i32.const 16) (local.get 2)) (i32.const 0))
  (func (export "${n.serve("Slow.slow")}") (param i32) (result i32)
    (if (call $wait (call $useTimer (i32.const 256) (i32.const 5))) (then (return (i32.const 1))))
    (call $set0 (i32.const ${version})) (i32.const 0))
  (func (export "${n.serve("Thing.apply")}") (param i32) (result i32)
    (drop (call $ping (i32.load (i32.const 16))))
    (call $set1 (call $get0)) (call $set0 (call $load (i32.load (i32.const 12)) (i32.const 0))) (i32.const 0)))`;

const peer = (n: Names): string => `(module (import "rpc" "set0" (func $set0 (param i32)))
  (func (export "${n.serve("Peer.ping")}") (param i32) (result i32) (call $set0 (i32.const 55)) (i32.const 0)))`;

type Answer<T> = { ok: boolean; value: T; fault?: string; error?: string };
interface Thing {
  call(): Answer<{ version: number; calls: number }>;
  keep(item: HostObject, peer: unknown): Answer<void>;
  apply(): Answer<{ kept: number; answer: number }>;
}

let lab: Lab;
let wake: (() => void)[] = [];
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function boot(v: Version = {}): Promise<Thing> {
  wake = [];
  lab = await makeLab({
    idl: IDL,
    domains: {
      peer: { wat: peer, provides: { peer: "Peer" } },
      thing: {
        wat: thing(1, v),
        provides: { thing: "Thing", slow: "Slow" },
        uses: { timer: ["Timer", "host"], peer: ["Peer", "peer"] },
      },
    },
    services: { Timer: [{ wait: () => new Promise((resolve) => wake.push(() => resolve({ ok: true }))) }] },
  });
  return lab.client<Thing>("thing.thing");
}
const replace = async (v: number | string, how: Version = {}): Promise<boolean> =>
  lab.system.replace("thing", { bytes: await assemble(typeof v === "string" ? v : thing(v, how)(names)) });
const item = (a: number): HostObject => {
  const object = new HostObject(lab.system.heap, lab.system.heap.create("Item"));
  lab.system.heap.storeU32(object.handle, 0, a);
  return object;
};

describe("a new version", () => {
  test("without state: the client goes on with it, from its first state, and what the old one owned is freed", async () => {
    const client = await boot();
    client.call();
    client.keep(item(7), lab.client("peer.peer"));
    expect(lab.owned("thing")).toBe(1);
    expect(await replace(2)).toBe(false);
    expect(client.call().value).toEqual({ version: 2, calls: 1 });
    expect(lab.owned("thing")).toBe(0);
    expect(lab.info("thing")).toMatchObject({ state: "running", incarnation: 2, faults: 0 });
    expect(lab.faults).toEqual([]);
  });

  test("with state: counts, objects and capabilities carry over under their handles and numbers", async () => {
    const client = await boot({ state: true });
    client.call();
    client.call();
    client.keep(item(7), lab.client("peer.peer"));
    for (let version = 2; version < 6; version++) {
      expect(await replace(version, { state: true })).toBe(true);
      expect(client.call().value).toEqual({ version, calls: version + 1 });
      expect(client.apply().value).toEqual({ kept: 7, answer: 55 });
    }
    expect(lab.owned("thing")).toBe(1);
  });

  test("takes the place of a dead one", async () => {
    const client = await boot();
    lab.system.kill("thing");
    expect(client.call().fault).toBe("dead");
    await replace(2);
    expect(client.call().value).toEqual({ version: 2, calls: 1 });
  });

  test("waits for a suspended call, which ends in the old one", async () => {
    const client = await boot();
    const slow = lab.client<{ slow(): Promise<Answer<number>> }>("thing.slow");
    const first = slow.slow();
    const replaced = replace(2);
    expect(client.call().value.version).toBe(1);
    setTimeout(() => wake[0]!(), 5);
    expect((await first).value).toBe(1);
    await replaced;
    const second = slow.slow();
    wake[1]!();
    expect((await second).value).toBe(2);
    expect(lab.faults).toEqual([]);
  });

  test("does not wait for ever: a call that stays suspended ends with a fault", async () => {
    const client = await boot();
    const slow = lab.client<{ slow(): Promise<Answer<number>> }>("thing.slow");
    const running = slow.slow();
    await replace(2);
    expect((await running).fault).toBe("crashed");
    expect(client.call().value).toEqual({ version: 2, calls: 1 });
    expect(lab.faults[0]!.message).toBe("replaced while a call was suspended in it");
  });
});

describe("a new version that is no good leaves the old one in place", () => {
  test("no module", async () => {
    const client = await boot();
    await expect(lab.system.replace("thing", { bytes: Uint8Array.of(1, 2, 3) })).rejects.toThrow(AdmissionError);
    expect(client.call().value).toEqual({ version: 1, calls: 1 });
  });

  test("another version of its interface", async () => {
    const client = await boot();
    const other = namesOf(compileIdl(IDL.replace("version: u32", "version: u64")));
    const bytes = await assemble(thing(2)(other).replace(/"Thing\$\w+\$use"/, '"x"'));
    const refused = lab.system.replace("thing", { bytes });
    await expect(refused).rejects.toThrow(/thing provides Thing, but was built against another version of Thing/);
    expect(client.call().value).toEqual({ version: 1, calls: 1 });
  });

  test("segments that do not fit", async () => {
    const client = await boot();
    const text = thing(2)(names).replace('(i32.const 256) "timer"', '(i32.const 65534) "timer"');
    await expect(replace(text)).rejects.toThrow(/^thing: /);
    expect(client.call().value).toEqual({ version: 1, calls: 1 });
  });

  test.each([
    ["main", { main: "unreachable" }],
    ["taking state over", { state: true, restored: "unreachable" }],
  ])("a death in %s: the old version runs again, from its first state", async (_, how) => {
    const client = await boot({ state: true });
    client.call();
    client.keep(item(7), lab.client("peer.peer"));
    const refused = replace(2, how);
    await expect(refused).rejects.toThrow(/the former version runs again, from its first state/);
    await expect(refused).rejects.toThrow(KernelError);
    expect(client.call().value).toEqual({ version: 1, calls: 1 });
    expect(lab.faults.map((f) => f.kind)).toEqual(["trap"]);
  });

  test.each([
    ["lies about where its state is", "(i32.const 65530)"],
    ["dies while it saves", "unreachable"],
  ])("an old version that %s is replaced without its state", async (_, save) => {
    const client = await boot({ state: true, save });
    client.call();
    expect(await replace(2, { state: true })).toBe(false);
    expect(client.call().value).toEqual({ version: 2, calls: 1 });
    expect(lab.faults.map((f) => f.domain)).toEqual(["thing"]);
  });
});
