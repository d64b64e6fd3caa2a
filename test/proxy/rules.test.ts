/**
 * Rules of calls that a single crossing does not show: argument regions, results of another type, callers that are
 * killed while they wait, names granted for one interface, capabilities to an instance that is gone.
 */
import { afterEach, describe, expect, test } from "vitest";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export type Other = { a: u32 };
export declare enum Err { Bad }
/** Answers, rightly or wrongly. */
export interface Server {
  one(a: Slice<16>): RpcResult<u32, Err>;
  two(a: Slice<16>, b: Slice<16>): RpcResult<u32, Err>;
  wrongType(): RpcResult<RRef<Item>, Err>;
  given(h: u32): RpcResult<RRef<Item>, Err>;
  other(x: Borrow<Other>): RpcResult<void, Err>;
  who(): RpcResult<u32, Err>;
}
/** Does what a test asks for. */
export interface Client {
  wait(): RpcResult<u32, Err>;
  otherName(): RpcResult<u32, Err>;
  pass(): RpcResult<u32, Err>;
}
/** Gets a capability and calls it. */
export interface Taker {
  take(s: Server): RpcResult<u32, Err>;
}
/** The host's. */
export interface Act {
  act(): RpcResult<void, Err>;
  note(): RpcResult<void, Err>;
}
`;

/** Its argument region has 24 bytes: room for one slice of 16, not for two. Its data follow. */
const server =
  (who: number) =>
  (n: Names): string =>
    `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  ${n.newType("Other")}
  (memory 1)
  (data (i32.const 1048) "behind")
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 24))
  (func (export "${n.serve("Server.one")}") (param i32 i32 i32) (result i32)
    (call $set0 (local.get 2)) (i32.const 0))
  (func (export "${n.serve("Server.two")}") (param i32 i32 i32 i32 i32) (result i32)
    (call $set0 (i32.add (local.get 2) (i32.load8_u (i32.const 1048)))) (i32.const 0))
  (func (export "${n.serve("Server.wrongType")}") (param i32) (result i32) (call $new_Other))
  (func (export "${n.serve("Server.given")}") (param i32 i32) (result i32) (local.get 1))
  (func (export "${n.serve("Server.other")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.who")}") (param i32) (result i32) (call $set0 (i32.const ${who})) (i32.const 0)))`;

const client = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Act")}" "use" (func $useAct (param i32 i32) (result i32)))
  (import "${n.module("Act")}" "act" (func $act (param i32) (result i32)))
  (import "${n.module("Act")}" "note" (func $note (param i32) (result i32)))
  (import "${n.module("Server")}" "use" (func $useServer (param i32 i32) (result i32)))
  (import "${n.module("Taker")}" "use" (func $useTaker (param i32 i32) (result i32)))
  (import "${n.module("Taker")}" "take" (func $take (param i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "actservertaker")
  (global $act (mut i32) (i32.const 0))
  (global $server (mut i32) (i32.const 0))
  (global $taker (mut i32) (i32.const 0))
  (func (export "_init")
    (global.set $act (call $useAct (i32.const 0) (i32.const 3)))
    (global.set $server (call $useServer (i32.const 3) (i32.const 6)))
    (global.set $taker (call $useTaker (i32.const 9) (i32.const 5))))
  (func (export "${n.serve("Client.wait")}") (param i32) (result i32)
    (drop (call $act (global.get $act))) (drop (call $note (global.get $act))) (i32.const 0))
  (func (export "${n.serve("Client.otherName")}") (param i32) (result i32)
    (call $set0 (call $useServer (i32.const 9) (i32.const 5))) (i32.const 0))
  (func (export "${n.serve("Client.pass")}") (param i32) (result i32)
    (call $set0 (call $take (global.get $server) (global.get $taker))) (i32.const 0)))`;

const taker = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Server")}" "who" (func $who (param i32) (result i32)))
  (func (export "${n.serve("Taker.take")}") (param i32 i32) (result i32)
    (if (call $who (local.get 1)) (then (return (i32.const 1)))) (call $set0 (i32.const 0)) (i32.const 0)))`;

type Answer = { ok: boolean; value?: unknown; fault?: string };
type Methods = Record<string, (...args: unknown[]) => Answer>;
let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function boot(
  act: () => void = () => {},
  note: () => void = () => {},
): Promise<{ client: Methods; server: Methods }> {
  const service = { act: () => (act(), { ok: true }), note: () => (note(), { ok: true }) };
  lab = await makeLab({
    idl: IDL,
    domains: {
      server: { wat: server(1), provides: { s: "Server" } },
      second: { wat: server(2), provides: { s: "Server" } },
      taker: { wat: taker, provides: { t: "Taker" } },
      client: {
        wat: client,
        provides: { c: "Client" },
        uses: { act: ["Act", "host"], server: ["Server", "server"], taker: ["Taker", "taker"] },
      },
    },
    services: { Act: [service] },
  });
  return { client: lab.client<Methods>("client.c"), server: lab.client<Methods>("server.s") };
}

describe("the callee's argument region", () => {
  test("is free again after each call", async () => {
    const { server: s } = await boot();
    for (let i = 0; i < 10; i++) expect(s.one!(new Uint8Array(16))).toEqual({ ok: true, value: 16 });
  });

  test("is free again after a callee that answered with a fault", async () => {
    const { server: s } = await boot();
    for (let i = 0; i < 10; i++) expect(s.two!(new Uint8Array(16), new Uint8Array(16)).fault).toBe("tooLarge");
    expect(s.one!(new Uint8Array(16))).toEqual({ ok: true, value: 16 });
  });

  test("is not left: what does not fit is a fault code, and the bytes behind stay", async () => {
    const { server: s } = await boot();
    expect(s.two!(new Uint8Array(16), new Uint8Array(16))).toEqual({ ok: false, fault: "tooLarge" });
    expect(s.two!(new Uint8Array(8), new Uint8Array(16))).toEqual({ ok: true, value: 8 + "b".charCodeAt(0) });
    expect(lab.faults).toEqual([]);
  });
});

test("an object of another type as a result is the callee's fault", async () => {
  const { server: s } = await boot();
  expect(s.wrongType!()).toEqual({ ok: false, fault: "crashed" });
  expect(lab.faults).toMatchObject([
    { domain: "server", kind: "rule", message: expect.stringContaining("not a Item") },
  ]);
});

test("its caller's own object as a result is the callee's fault, and stays the caller's", async () => {
  const { server: s } = await boot();
  const handle = lab.system.heap.create("Item");
  expect(s.given!(handle)).toEqual({ ok: false, fault: "crashed" });
  expect(lab.faults).toMatchObject([
    { domain: "server", kind: "rule", message: expect.stringContaining("not a Item") },
  ]);
  lab.system.heap.free(handle);
});

test("a caller that is killed while it waits runs no more, and is buried when its frame has left", async () => {
  let notes = 0;
  const during: string[] = [];
  const act = (): void => {
    lab.system.kill("client", "test");
    during.push(lab.info("client").state, ...lab.faults.map((f) => f.domain));
  };
  const { client: c } = await boot(act, () => notes++);
  expect(c.wait!()).toEqual({ ok: false, fault: "crashed" });
  expect(during).toEqual(["dying"]);
  expect(notes).toBe(0);
  expect(lab.info("client").state).toBe("dead");
  expect(lab.faults).toMatchObject([{ domain: "client", kind: "killed", message: "test" }]);
});

test("a name is granted for its own interface only", async () => {
  const { client: c } = await boot();
  expect(c.otherName!()).toEqual({ ok: false, fault: "crashed" });
  expect(lab.faults).toMatchObject([{ domain: "client", message: expect.stringContaining('uses Server "taker"') }]);
});

describe("a capability to an instance that is gone", () => {
  test("passes while the instance lives", async () => {
    const { client: c } = await boot();
    expect(c.pass!()).toEqual({ ok: true, value: 0 });
  });

  test("answers dead to one that it was first passed to after the instance died, and nobody else dies", async () => {
    const { client: c } = await boot();
    lab.system.kill("server");
    // The taker's own call failed, which it answers with its error.
    expect(c.pass!()).toEqual({ ok: true, value: 1 });
    expect(lab.client("server.s").who!()).toEqual({ ok: false, fault: "dead" });
    expect(lab.faults.map((f) => f.domain)).toEqual(["server"]);
  });

  test("is dead when it is passed on, also when its domain's id belongs to another one by now", async () => {
    const { client: c } = await boot();
    const former = lab.info("server").id;
    lab.system.kill("server");
    await lab.load("server");
    lab.system.kill("second");
    await lab.load("second");
    expect(lab.info("second").id).toBe(former);
    expect(c.pass!()).toEqual({ ok: true, value: 256 });
    expect(lab.faults.map((f) => f.domain)).toEqual(["server", "second"]);
  });
});
