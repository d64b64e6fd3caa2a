/**
 * Calls between domains: values, objects, text, capabilities and reentrancy, with hand-written Wasm on both sides.
 */
import { afterEach, describe, expect, test } from "vitest";
import { HostObject } from "#kernel/host/object.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32; b: u64; next: RRef<Item> };
export type Other = { a: u32 };
export declare enum Err { Bad, Worse }
export declare enum Color { Red, Green, Blue }
/** What the server does. */
export interface Server {
  nothing(): RpcResult<void, Err>;
  status(code: i32): RpcResult<void, Err>;
  scalars(a: bool, b: u8, c: i8, d: u16, e: i16, f: Color): RpcResult<u32, Err>;
  wide(x: u64, y: f64, z: f32): RpcResult<{ x: u64; y: f64; z: f32 }, never>;
  move(x: RRef<Item>): RpcResult<RRef<Item>, Err>;
  keep(x: RRef<Item>): RpcResult<void, Err>;
  lend(x: Borrow<Item>): RpcResult<u32, Err>;
  text(s: Str<16>): RpcResult<Str<16>, Err>;
  bytes(s: Slice<64>): RpcResult<u32, Err>;
}
/** What the client can be asked for. */
export interface Client {
  call(what: u32, argument: u32): RpcResult<u32, never>;
}
`;

/** Scalars come back as their sum, so that normalisation shows; `move` adds one to field a. */
const server = (n: Names): string => `(module
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "setd2" (func $setd2 (param f64)))
  (import "rpc" "setf4" (func $setf4 (param f32)))
  (memory 1)
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 1024))
  (func (export "${n.serve("Server.nothing")}") (param i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.status")}") (param i32 i32) (result i32) (local.get 1))
  (func (export "${n.serve("Server.scalars")}") (param i32 i32 i32 i32 i32 i32 i32) (result i32)
    (call $set0 (i32.add (i32.add (i32.add (local.get 1) (local.get 2)) (i32.add (local.get 3) (local.get 4)))
      (i32.add (local.get 5) (local.get 6)))) (i32.const 0))
  (func (export "${n.serve("Server.wide")}") (param i32 i32 i32 f64 f32) (result i32)
    (call $set0 (local.get 1)) (call $set1 (local.get 2)) (call $setd2 (local.get 3)) (call $setf4 (local.get 4)) (i32.const 0))
  (func (export "${n.serve("Server.move")}") (param i32 i32) (result i32)
    (call $store (i32.add (call $load (local.get 1) (i32.const 0)) (i32.const 1)) (local.get 1) (i32.const 0)) (local.get 1))
  (func (export "${n.serve("Server.keep")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.lend")}") (param i32 i32) (result i32)
    (call $set0 (call $load (local.get 1) (i32.const 0))) (i32.const 0))
  (func (export "${n.serve("Server.text")}") (param i32 i32 i32) (result i32)
    (call $set0 (local.get 1)) (call $set1 (local.get 2)) (i32.const 0))
  (func (export "${n.serve("Server.bytes")}") (param i32 i32 i32) (result i32) (local $sum i32)
    (block $end (loop $next (br_if $end (i32.eqz (local.get 2)))
      (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get 1))))
      (local.set 1 (i32.add (local.get 1) (i32.const 1))) (local.set 2 (i32.sub (local.get 2) (i32.const 1))) (br $next)))
    (call $set0 (local.get $sum)) (i32.const 0)))`;

let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

type Answer = { ok: boolean; value?: unknown; error?: string; fault?: string };
type Methods = Record<string, (...args: unknown[]) => Answer>;

async function withServer(): Promise<Methods> {
  lab = await makeLab({ idl: IDL, domains: { server: { wat: server, provides: { s: "Server" } } } });
  return lab.client<Methods>("server.s");
}

describe("values", () => {
  test("a null call answers ok and is counted", async () => {
    const s = await withServer();
    expect(s.nothing!()).toEqual({ ok: true, value: undefined });
    s.nothing!();
    expect(lab.system.kernel.linker.edges().find((e) => e.method === "nothing")!.calls).toBe(2);
  });

  test("an error of the interface arrives by name, with nobody harmed", async () => {
    const s = await withServer();
    expect(s.status!(2)).toEqual({ ok: false, error: "Worse" });
    expect(lab.info("server").state).toBe("running");
  });

  test.each([3, 255, 256, 257, 1023, 1024, -1])(
    "status %i, which the interface does not have, is the server's fault",
    async (code) => {
      const s = await withServer();
      expect(s.status!(code)).toEqual({ ok: false, fault: "crashed" });
      expect(lab.faults[0]).toMatchObject({
        domain: "server",
        kind: "rule",
        message: expect.stringContaining("Server.status"),
      });
      expect(s.nothing!()).toEqual({ ok: false, fault: "dead" });
    },
  );

  test("narrow scalars are cut to their width before the server sees them", async () => {
    const s = await withServer();
    expect(s.scalars!(true, 0x1ff, 0x1ff, 0x1ffff, 0x1ffff, 2).value).toBe((1 + 255 - 1 + 65535 - 1 + 2) >>> 0);
  });

  test("u64, f64 and f32 arrive whole", async () => {
    const s = await withServer();
    const x = 0xfedcba9876543210n;
    expect(s.wide!(x, Math.PI, 0.5)).toEqual({ ok: true, value: { x, y: Math.PI, z: 0.5 } });
  });
});

describe("objects", () => {
  const item = (): number => lab.system.heap.create("Item");
  const Handle = (handle: number): unknown => new HostObject(lab.system.heap, handle);

  test("a moved object comes back under a new handle with what the server wrote; the old handle is dead", async () => {
    const s = await withServer();
    const handle = item();
    lab.system.heap.storeU32(handle, 0, 41);
    const answer = s.move!(Handle(handle)) as { value: HostObject };
    expect(lab.system.heap.loadU32(answer.value.handle, 0)).toBe(42);
    expect(() => lab.system.heap.loadU32(handle, 0)).toThrow("not the host's");
    lab.system.heap.free(answer.value.handle);
  });

  test("what a server keeps is its own", async () => {
    const s = await withServer();
    s.keep!(Handle(item()));
    expect(lab.owned("server")).toBe(1);
    lab.system.kill("server");
    expect(lab.system.kernel.heap.statistics().objects).toBe(0);
  });

  test("a lent object is read by the server and is the caller's again, handle and all", async () => {
    const s = await withServer();
    const handle = item();
    lab.system.heap.storeU32(handle, 0, 7);
    expect(s.lend!(Handle(handle))).toEqual({ ok: true, value: 7 });
    expect(lab.system.heap.loadU32(handle, 0)).toBe(7);
    lab.system.heap.free(handle);
  });

  test("a moved, freed, forged or wrongly typed object is refused before anything happens, and the caller is told", async () => {
    const s = await withServer();
    const handle = item();
    const moved = (s.move!(Handle(handle)) as { value: HostObject }).value;
    const other = lab.system.heap.create("Other");
    for (const bad of [handle, 0, 1023, -1, 0x7fffffff, other, moved.handle + 1024, moved.handle ^ 1])
      expect(() => s.move!(Handle(bad)), `handle ${bad}`).toThrow("argument x of Server.move");
    expect(() => s.lend!(Handle(other))).toThrow("not a Item");
    expect(lab.info("server").state).toBe("running");
    expect(lab.owned("server")).toBe(0);
    lab.system.heap.free(other);
    lab.system.heap.free(moved.handle);
  });

  test("a dead server takes nothing", async () => {
    const s = await withServer();
    lab.system.kill("server");
    const handle = item();
    expect(s.move!(Handle(handle))).toEqual({ ok: false, fault: "dead" });
    lab.system.heap.free(handle);
  });
});

describe("text and bytes", () => {
  test("text goes over and back", async () => {
    const s = await withServer();
    expect(s.text!("grüße")).toEqual({ ok: true, value: "grüße" });
    expect(s.text!("")).toEqual({ ok: true, value: "" });
    expect(s.bytes!(new Uint8Array([1, 2, 250]))).toEqual({ ok: true, value: 253 });
  });

  test("text beyond its bound is refused by the host's own client", async () => {
    const s = await withServer();
    expect(() => s.text!("x".repeat(17))).toThrow("17 bytes, at most 16");
  });
});
