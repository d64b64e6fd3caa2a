/** Domains that make, pass and keep capabilities, and call each other without end; shared by the tests of tables. */
import type { Names } from "../support/lab.ts";
import type { Answer } from "./spin.ts";

export const MINT_IDL = `
export declare enum Err { Failed }
export interface Thing { a(): RpcResult<void, Err>; b(): RpcResult<void, Err>; c(): RpcResult<void, Err>; }
export interface Maker {
  /** Makes so many capabilities, and keeps them. */
  make(count: u32): RpcResult<void, Err>;
  /** Makes and passes on so many; what the first call answered that failed, or 0. */
  pass(count: u32): RpcResult<u32, Err>;
  take(thing: Thing): RpcResult<void, Err>;
  /** Calls the next one's, until that fails; what that answered, from the deepest. */
  descend(): RpcResult<u32, Err>;
}
`;

/** Methods of \`Thing\`: what one capability needs of a table. */
export const THING_METHODS = 3;

export const maker = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "get0" (func $get0 (result i32)))
  (import "cap" "drop" (func $drop (param i32)))
  (import "${n.module("Thing")}" "mint" (func $mint (param i32) (result i32)))
  (import "${n.module("Maker")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Maker")}" "take" (func $take (param i32 i32) (result i32)))
  (import "${n.module("Maker")}" "descend" (func $descend (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "next") (global $next (mut i32) (i32.const 0)) (global $self (mut i32) (i32.const 0))
  (func (export "main") (global.set $next (call $use (i32.const 0) (i32.const 4))))
  (func $new (result i32)
    (global.set $self (i32.add (global.get $self) (i32.const 1))) (call $mint (global.get $self)))
  (func (export "${n.serve("Thing.a")}") (param i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Thing.b")}") (param i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Thing.c")}") (param i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Maker.make")}") (param i32 i32) (result i32)
    (loop $l (drop (call $new)) (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (i32.const 0))
  (func (export "${n.serve("Maker.pass")}") (param i32 i32) (result i32) (local $thing i32) (local $status i32)
    (loop $l
      (local.set $thing (call $new))
      (local.set $status (call $take (local.get $thing) (global.get $next)))
      (call $drop (local.get $thing))
      (br_if $l (i32.and (i32.eqz (local.get $status))
        (i32.ne (local.tee 1 (i32.sub (local.get 1) (i32.const 1))) (i32.const 0)))))
    (call $set0 (local.get $status)) (i32.const 0))
  (func (export "${n.serve("Maker.take")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Maker.descend")}") (param i32) (result i32) (local $status i32)
    (local.set $status (call $descend (global.get $next)))
    (call $set0 (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0))))
    (i32.const 0)))`;

export interface Maker {
  make(count: number): Answer;
  pass(count: number): Answer;
  descend(): Answer;
}

export const makerDomain = (next: string) => ({
  wat: maker,
  provides: { maker: "Maker" },
  uses: { next: ["Maker", next] as const },
  // Each capability is some compiled functions.
  limits: { sliceMs: 60_000 },
});
