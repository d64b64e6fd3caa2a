/**
 * Misuse of calls, from inside Wasm: whoever breaks a rule dies and is named, the other side goes on.
 *
 * The client is a raw caller: the host tells it which import to call with which numbers.
 */
import { afterEach, describe, expect, test } from "vitest";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export type Other = { a: u32 };
export declare enum Err { Bad }
export declare enum Color { Red, Green }
/** The victim. */
export interface Server {
  move(x: RRef<Item>): RpcResult<RRef<Item>, Err>;
  two(x: RRef<Item>, y: RRef<Item>): RpcResult<void, Err>;
  lend(how: u32, x: Borrow<Item>): RpcResult<u32, Err>;
  color(c: Color): RpcResult<void, Err>;
  text(s: Slice<16>): RpcResult<Slice<16>, Err>;
  result(how: u32): RpcResult<RRef<Item>, Err>;
  pair(how: u32): RpcResult<{ x: RRef<Item>; y: RRef<Item> }, Err>;
  again(client: Client): RpcResult<u32, Err>;
  give(): RpcResult<Server, Err>;
}
/** The attacker. */
export interface Client {
  attack(what: u32, a: i32, b: i32): RpcResult<u32, Err>;
  nested(lent: i32): RpcResult<u32, Err>;
  other(x: Borrow<Other>): RpcResult<void, Err>;
}
`;

const server = (n: Names): string => `(module
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (import "heap" "free" (func $free (param i32)))
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  ${n.newType("Item")}
  (import "${n.module("Server")}" "mint" (func $mint (param i32) (result i32)))
  (import "${n.module("Server")}" "move" (func $move (param i32 i32) (result i32)))
  (import "${n.module("Client")}" "nested" (func $nested (param i32 i32) (result i32)))
  (memory 1)
  (global $kept (mut i32) (i32.const 0))
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 64))
  (func (export "${n.serve("Server.move")}") (param i32 i32) (result i32) (local.get 1))
  (func (export "${n.serve("Server.two")}") (param i32 i32 i32) (result i32) (call $free (local.get 1)) (call $free (local.get 2)) (i32.const 0))
  ;; 0 read, 1 free, 2 return it as moved (a lie), 3 keep the handle, 4 use the kept handle, 5 trap
  (func (export "${n.serve("Server.lend")}") (param i32 i32 i32) (result i32)
    (if (i32.eq (local.get 1) (i32.const 1)) (then (call $free (local.get 2))))
    (if (i32.eq (local.get 1) (i32.const 3)) (then (global.set $kept (local.get 2))))
    (if (i32.eq (local.get 1) (i32.const 4)) (then (drop (call $load (global.get $kept) (i32.const 0)))))
    (if (i32.eq (local.get 1) (i32.const 5)) (then (unreachable)))
    (if (i32.eq (local.get 1) (i32.const 6)) (then (drop (call $move (local.get 2) (call $mint (i32.const 0))))))
    (call $set0 (call $load (local.get 2) (i32.const 0))) (i32.const 0))
  (func (export "${n.serve("Server.color")}") (param i32 i32) (result i32) (i32.const 0))
  ;; first byte: 0 echo, 1 outside memory, 2 too long, 3 huge length
  (func (export "${n.serve("Server.text")}") (param i32 i32 i32) (result i32)
    (call $set0 (select (i32.const -8) (local.get 1) (i32.eq (i32.load8_u (local.get 1)) (i32.const 1))))
    (call $set1 (local.get 2))
    (if (i32.eq (i32.load8_u (local.get 1)) (i32.const 2)) (then (call $set1 (i32.const 17))))
    (if (i32.eq (i32.load8_u (local.get 1)) (i32.const 3)) (then (call $set1 (i32.const -1))))
    (i32.const 0))
  ;; the handle that it returns is whatever it was told
  (func (export "${n.serve("Server.result")}") (param i32 i32) (result i32) (local.get 1))
  ;; 0 good, 1 the same twice, 2 the second forged
  (func (export "${n.serve("Server.pair")}") (param i32 i32) (result i32) (local $x i32)
    (local.set $x (call $new_Item))
    (call $set0 (local.get $x))
    (call $set1 (if (result i32) (i32.eqz (local.get 1)) (then (call $new_Item))
      (else (select (local.get $x) (i32.const 99999) (i32.eq (local.get 1) (i32.const 1))))))
    (i32.const 0))
  (func (export "${n.serve("Server.again")}") (param i32 i32) (result i32)
    (if (call $nested (i32.const 0) (local.get 1)) (then (return (i32.const 1))))
    (call $set0 (i32.add (i32.const 100) (call $get0))) (i32.const 0))
  (func (export "${n.serve("Server.give")}") (param i32) (result i32) (call $mint (i32.const 0))))`;

const client = (n: Names): string => `(module
  (import "heap" "free" (func $free (param i32)))
  (import "heap" "resize" (func $resize (param i32 i32) (result i32)))
  (import "heap" "load_i32" (func $load (param i32 i32) (result i32)))
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "rpc" "get1" (func $get1 (result i32)))
  (import "cap" "drop" (func $drop (param i32)))
  ${n.newType("Item")} ${n.newType("Other")}
  (import "${n.module("Server")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "move" (func $move (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "two" (func $two (param i32 i32 i32) (result i32)))
  (import "${n.module("Server")}" "lend" (func $lend (param i32 i32 i32) (result i32)))
  (import "${n.module("Server")}" "color" (func $color (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "text" (func $text (param i32 i32 i32 i32 i32) (result i32)))
  (import "${n.module("Server")}" "result" (func $result (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "pair" (func $pair (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "again" (func $again (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "give" (func $give (param i32) (result i32)))
  (import "${n.module("Client")}" "mint" (func $mintClient (param i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "server") (data (i32.const 8) "nobody") (data (i32.const 128) "\\00\\01\\02\\03abcdefgh")
  (global $s (mut i32) (i32.const 0)) (global $item (mut i32) (i32.const 0))
  (func (export "_init") (global.set $s (call $use (i32.const 0) (i32.const 6))) (global.set $item (call $new_Item)))
  (func (export "${n.serve("Client.other")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Client.nested")}") (param i32 i32) (result i32) (call $set0 (i32.const 11)) (i32.const 0))
  (func $try (param $what i32) (param $a i32) (param $b i32) (result i32) (local $h i32)
    (block $b0 (block $b1 (block $b2 (block $b3 (block $b4 (block $b5 (block $b6 (block $b7 (block $b8 (block $b9 (block $b10 (block $b11 (block $b12
      (br_table $b0 $b1 $b2 $b3 $b4 $b5 $b6 $b7 $b8 $b9 $b10 $b11 $b12 (local.get $what))
    ) ;; 12: forged capability number
      (return (call $color (i32.const 0) (local.get $a)))
    ) ;; 11: use a name that is not granted
      (return (call $use (i32.const 8) (i32.const 6)))
    ) ;; 10: drop what it does not hold, or use after drop
      (call $drop (select (global.get $s) (local.get $a) (i32.eqz (local.get $a))))
      (return (call $color (i32.const 0) (global.get $s)))
    ) ;; 9: a capability comes back and works
      (local.set $h (call $give (global.get $s)))
      (return (i32.add (i32.mul (i32.const 1000) (call $color (i32.const 0) (local.get $h))) (i32.ge_u (local.get $h) (i32.const 1024))))
    ) ;; 8: reentrancy
      (if (call $again (if (result i32) (local.get $a) (then (local.get $a)) (else (call $mintClient (i32.const 0)))) (global.get $s)) (then (return (i32.const -1))))
      (return (call $get0))
    ) ;; 7: two results
      (local.set $h (call $pair (local.get $a) (global.get $s)))
      (if (local.get $h) (then (return (local.get $h))))
      (call $free (call $get0)) (call $free (call $get1)) (return (i32.const 0))
    ) ;; 6: the server returns a given handle
      (return (call $result (local.get $a) (global.get $s)))
    ) ;; 5: text at a, b bytes, into an out buffer at 512
      (local.set $h (call $text (local.get $a) (local.get $b) (i32.const 512) (i32.const 16) (global.get $s)))
      (return (select (local.get $h) (call $get1) (local.get $h)))
    ) ;; 4: text with an out buffer at a of b bytes
      (return (call $text (i32.const 128) (i32.const 4) (local.get $a) (local.get $b) (global.get $s)))
    ) ;; 3: color
      (return (call $color (local.get $a) (global.get $s)))
    ) ;; 2: lend the item
      (return (call $lend (local.get $a) (global.get $item) (global.get $s)))
    ) ;; 1: the same object twice
      (return (call $two (global.get $item) (select (global.get $item) (call $new_Item) (local.get $a)) (global.get $s)))
    ) ;; 0: move whatever number; 0 means its own item, 1 one of another type
    (local.set $h (if (result i32) (i32.eqz (local.get $a)) (then (global.get $item))
      (else (if (result i32) (i32.eq (local.get $a) (i32.const 1)) (then (call $new_Other)) (else (local.get $a))))))
    (local.set $h (call $move (local.get $h) (global.get $s)))
    (if (local.get $b) (then (drop (call $load (global.get $item) (i32.const 0)))))
    (if (i32.ge_u (local.get $h) (i32.const 1024)) (then (global.set $item (local.get $h)) (return (i32.const 7))))
    (local.get $h))
  (func (export "${n.serve("Client.attack")}") (param i32 i32 i32 i32) (result i32)
    (call $set0 (call $try (local.get 1) (local.get 2) (local.get 3))) (i32.const 0)))`;

type Answer = { ok: boolean; value?: number; fault?: string };
let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function attack(what: number, a = 0, b = 0): Promise<Answer> {
  lab = await makeLab({
    idl: IDL,
    domains: {
      server: { wat: server, provides: { s: "Server" }, uses: {} },
      client: { wat: client, provides: { c: "Client" }, uses: { server: ["Server", "server"] } },
    },
  });
  return again(what, a, b);
}
function again(what: number, a = 0, b = 0): Answer {
  return lab.client<{ attack(what: number, a: number, b: number): Answer }>("client.c").attack(what, a, b);
}

function culprit(name: "client" | "server", message: string | RegExp): void {
  expect(lab.faults).toMatchObject([{ domain: name, message: expect.stringMatching(message) }]);
  expect(lab.info(name === "client" ? "server" : "client").state).toBe("running");
}

describe("a caller that breaks a rule dies", () => {
  const cases: [string, number[], RegExp][] = [
    ["moves an object of another type", [0, 1], /not a Item/],
    ["moves a forged handle", [0, 54321], /argument x of Server.move: not an object of the caller's/],
    ["moves the null handle's neighbour", [0, 1000], /not an object/],
    ["moves a handle beyond the ledger", [0, -1], /not an object/],
    ["uses an object after it moved and came back", [0, 0, 1], /unreachable/],
    ["moves the same object twice in one call", [1, 1], /the same object twice/],
    ["passes no member of an enum", [3, 2], /no member of Color/],
    ["passes a negative enum", [3, -1], /no member of Color/],
    ["passes text outside its memory", [5, 65530, 16], /out of bounds/],
    ["passes text at the end of the address space", [5, -1, 16], /out of bounds/],
    ["takes a result outside its memory", [4, 65530, 16], /unreachable/],
    ["takes a result across the end of the address space", [4, -8, 16], /unreachable/],
    ["uses a name that it was not granted", [11], /uses Server "nobody", which its manifest entry does not grant/],
    ["drops a capability that it does not hold", [10, 4711], /cap.drop: 4711/],
    ["calls a capability that it dropped", [10, 0], /null|table|signature/],
    ["calls a forged capability inside its table", [12, 1500], /null|table|signature/],
    ["calls a forged capability beyond its table", [12, 99999], /table/],
    ["calls the tick as if it were a capability", [12, 1020], /signature|null|table/],
    ["passes a capability that it does not hold", [8, 4711], /argument client of Server.again/],
    ["passes a capability of another interface", [8, 1024], /argument client of Server.again/],
  ];
  test.each(cases)("%s", async (_, [what, a, b], message) => {
    expect(await attack(what!, a, b)).toEqual({ ok: false, fault: "crashed" });
    culprit("client", message);
    expect(lab.owned("server")).toBe(0);
  });

  test("text beyond its bound is a fault code, and nobody dies", async () => {
    expect(await attack(5, 128, 17)).toEqual({ ok: true, value: 258 });
    expect(again(5, 128, -1)).toEqual({ ok: true, value: 258 });
    expect(again(5, 128, 12)).toEqual({ ok: true, value: 12 });
    expect(lab.faults).toEqual([]);
  });

  test("a result longer than the caller's buffer is a fault code", async () => {
    expect(await attack(4, 512, 3)).toEqual({ ok: true, value: 258 });
    expect(lab.faults).toEqual([]);
  });
});

describe("a callee that breaks a rule dies, its caller is told", () => {
  const cases: [string, number[], RegExp][] = [
    ["frees what was lent", [2, 1], /heap.free/],
    ["traps while it borrows", [2, 5], /unreachable/],
    ["moves on what was lent", [2, 6], /argument x of Server.move: borrowed/],
    ["returns a forged handle", [6, 54321], /result of Server.result: not a Item of its own/],
    ["returns handle 0", [6, 0], /status/],
    ["returns a status beyond its enum", [6, 2], /status/],
    ["returns a kernel fault code", [6, 256], /status/],
    ["returns the same object twice", [7, 1], /the same object twice/],
    ["returns one good and one forged object", [7, 2], /not a Item of its own/],
    ["returns text outside its memory", [5, 129, 8], /bytes outside its memory/],
    ["returns more text than its interface allows", [5, 130, 8], /more than 16 bytes/],
    ["returns text of a huge length", [5, 131, 8], /more than 16 bytes/],
  ];
  test.each(cases)("%s", async (_, [what, a, b], message) => {
    expect(await attack(what!, a, b)).toEqual({ ok: true, value: 257 });
    culprit("server", message);
    expect(lab.owned("client")).toBe(1);
    expect(lab.system.kernel.heap.statistics().objects).toBe(1);
  });

  test("a handle kept from a loan is worthless afterwards", async () => {
    expect(await attack(2, 3)).toEqual({ ok: true, value: 0 });
    expect(again(0)).toEqual({ ok: true, value: 7 });
    expect(again(2, 4)).toEqual({ ok: true, value: 257 });
    culprit("server", /unreachable/);
  });
});

describe("what is allowed works", () => {
  test("A → B → A", async () => {
    expect(await attack(8)).toEqual({ ok: true, value: 111 });
    expect(lab.faults).toEqual([]);
  });

  test("a capability is returned and can be called", async () => {
    expect(await attack(9)).toEqual({ ok: true, value: 1 });
  });

  test("two objects, two results", async () => {
    expect(await attack(1, 0)).toEqual({ ok: true, value: 0 });
    expect(again(7, 0)).toEqual({ ok: true, value: 0 });
    expect(lab.system.kernel.heap.statistics().objects).toBe(0);
  });
});
