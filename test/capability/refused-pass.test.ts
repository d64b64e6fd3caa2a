/**
 * Capabilities in calls that are refused: nothing of them stays with the other side, who never learns of them.
 *
 * Otherwise a caller fills the table of a service with capabilities that it cannot know and so cannot give up.
 */
import { afterEach, expect, test } from "vitest";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export interface Peer { ping(): RpcResult<u32, Err>; }
export interface Service {
  both(a: Peer, b: Peer): RpcResult<void, Err>;
  named(a: Peer, name: Slice<64>): RpcResult<void, Err>;
  later(a: Peer, name: Slice<64>): Promise<RpcResult<void, Err>>;
  two(how: u32): RpcResult<{ a: Peer; b: Peer }, Err>;
  textToo(how: u32): RpcResult<{ a: Peer; text: Slice<8> }, Err>;
}
export interface Client { attack(what: u32, b: u32): RpcResult<u32, Err>; }
`;
const PING = (n: Names): string => `(func (export "${n.serve("Peer.ping")}") (param i32) (result i32) (i32.const 0))`;

/** Its region for text has 16 bytes. */
const service = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "set2" (func $set2 (param i32)))
  (import "${n.module("Peer")}" "mint" (func $mint (param i32) (result i32)))
  (memory 1) ${PING(n)}
  (func (export "samara_args") (result i32) (i32.const 1024)) (func (export "samara_args_size") (result i32) (i32.const 16))
  (func (export "${n.serve("Service.both")}") (param i32 i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Service.named")}") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Service.later")}") (param i32 i32 i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Service.two")}") (param i32 i32) (result i32)
    (call $set0 (call $mint (i32.const 5)))
    (call $set1 (if (result i32) (local.get 1) (then (local.get 1)) (else (call $mint (i32.const 6))))) (i32.const 0))
  (func (export "${n.serve("Service.textToo")}") (param i32 i32) (result i32)
    (call $set0 (call $mint (i32.const 5))) (call $set1 (local.get 1)) (call $set2 (i32.const 8)) (i32.const 0)))`;

const client = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Peer")}" "mint" (func $mint (param i32) (result i32)))
  (import "${n.module("Service")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Service")}" "both" (func $both (param i32 i32 i32) (result i32)))
  (import "${n.module("Service")}" "named" (func $named (param i32 i32 i32 i32) (result i32)))
  (import "${n.module("Service")}" "two" (func $two (param i32 i32) (result i32)))
  (import "${n.module("Service")}" "textToo" (func $textToo (param i32 i32 i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "service") ${PING(n)}
  (func $s (result i32) (call $use (i32.const 0) (i32.const 7)))
  (func (export "${n.serve("Client.attack")}") (param i32 i32 i32) (result i32)
    (if (i32.eqz (local.get 1)) (then (call $set0 (call $both (call $mint (i32.const 1)) (local.get 2) (call $s)))))
    (if (i32.eq (local.get 1) (i32.const 1))
      (then (call $set0 (call $named (call $mint (i32.const 1)) (i32.const 64) (local.get 2) (call $s)))))
    (if (i32.eq (local.get 1) (i32.const 2)) (then (call $set0 (call $two (local.get 2) (call $s)))))
    (if (i32.eq (local.get 1) (i32.const 3))
      (then (call $set0 (call $textToo (local.get 2) (i32.const 64) (i32.const 8) (call $s)))))
    (i32.const 0)))`;

type Answer = { ok: boolean; value?: number; fault?: string };
let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

/** What a domain holds of the other's peers. */
const strange = (name: string): number =>
  lab.system.kernel.graph().filter((e) => e.holder === name && e.by === "passed").length;

const TOO_LARGE = 258;
test.each([
  ["two of which the second is none of the caller's", 0, 4711, { ok: false, fault: "crashed" }, "service"],
  ["one and text that the callee has no room for", 1, 17, { ok: true, value: TOO_LARGE }, "service"],
  ["two results of which the second is none of the callee's", 2, 4711, { ok: true, value: 257 }, "client"],
  ["a result and bytes outside the callee's memory", 3, -8, { ok: true, value: 257 }, "client"],
])("%s: nothing stays", async (_, what, b, answer, victim) => {
  lab = await makeLab({
    idl: IDL,
    domains: {
      service: { wat: service, provides: { service: "Service" } },
      client: { wat: client, provides: { client: "Client" }, uses: { service: ["Service", "service"] } },
    },
  });
  const attacker = lab.client<{ attack(what: number, b: number): Answer }>("client.client");
  expect(attacker.attack(what, b)).toEqual(answer);
  expect(strange(victim)).toBe(0);
});
