/**
 * A domain that runs away in many ways, as part of a chain of equal ones; shared by the tests of limits.
 *
 * `run(left, at, mode)` calls the next member until `left` is 0, and then, on the way back, the member `at` spins.
 */
import type { FaultReport } from "#kernel/domain/fault.ts";
import { expect } from "vitest";
import type { Names } from "../support/lab.ts";

export const SPIN_IDL = `
export declare enum Err { Failed }
/** A member of the chain. \`result\`: what came back, or 1000 + the fault code that the next one's call gave. */
export interface Spin {
  run(left: u32, at: u32, mode: u32): RpcResult<u32, Err>;
  /** Waits first, and then does the same alone. */
  later(mode: u32): Promise<RpcResult<u32, Err>>;
}
/** The host's: what to do in first code, where, and something to wait for. */
export interface Act {
  mode(place: u32): RpcResult<u32, Err>;
  wait(): Promise<RpcResult<u32, Err>>;
}
`;

/** Ways to run away. Each ends only by the slice. */
export const SPIN = {
  none: 0,
  "an empty loop": 1,
  "recursion steered by memory": 2,
  "memory.fill of 1 GiB": 3,
  "memory.copy of 1 GiB": 4,
  "memory growth": 5,
  "a br_table storm": 6,
  "tail calls": 7,
  "recursion without end through a table": 8,
} as const;

export type Answer = { ok: boolean; value?: number; fault?: string };
export interface Spin {
  run(left: number, at: number, mode: number): Answer;
  later(mode: number): Promise<Answer>;
}

/** @param next whether it has one to call; @param memory initial and largest memory, in pages */
export const spinner =
  (next: boolean, memory: readonly [number, number] = [1, 4]) =>
  (n: Names): string =>
    `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "get0" (func $get0 (result i32)))
  (import "${n.module("Spin")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Spin")}" "run" (func $run (param i32 i32 i32 i32) (result i32)))
  (import "${n.module("Act")}" "use" (func $useAct (param i32 i32) (result i32)))
  (import "${n.module("Act")}" "mode" (func $mode (param i32 i32) (result i32)))
  (import "${n.module("Act")}" "wait" (func $wait (param i32) (result i32)))
  (memory ${memory.join(" ")}) (data (i32.const 0) "nextact")
  (table 1 funcref) (elem (i32.const 0) $tree)
  (type $t (func (param i32)))
  (global $next (mut i32) (i32.const 0)) (global $act (mut i32) (i32.const 0)) (global $n (mut i32) (i32.const 0))
  ;; The first code of both kinds asks what to do: mode i32 of place 0 and 1.
  (func (export "_init")
    (global.set $act (call $useAct (i32.const 4) (i32.const 3)))
    ${next ? "(global.set $next (call $use (i32.const 0) (i32.const 4)))" : ""}
    (drop (call $mode (i32.const 0) (global.get $act))) (call $spin (call $get0)))
  (func (export "main") (drop (call $mode (i32.const 1) (global.get $act))) (call $spin (call $get0)))
  ;; 2^40 calls, 40 deep; how deep it is stands in memory
  (func $tree (param i32)
    (if (i32.lt_u (i32.load (i32.const 64)) (i32.const 40)) (then
      (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
      (call_indirect (type $t) (local.get 0) (i32.const 0)) (call_indirect (type $t) (local.get 0) (i32.const 0))
      (i32.store (i32.const 64) (i32.sub (i32.load (i32.const 64)) (i32.const 1))))))
  (func $memory
    (if (i32.lt_u (i32.load (i32.const 64)) (i32.const 40)) (then
      (i32.store (i32.const 64) (i32.add (i32.load (i32.const 64)) (i32.const 1)))
      (call $memory) (call $memory)
      (i32.store (i32.const 64) (i32.sub (i32.load (i32.const 64)) (i32.const 1))))))
  (func $tail (param i32) (return_call $tail (i32.add (local.get 0) (i32.const 1))))
  (func $storm
    (loop $again
      (block $d (block $c (block $b (block $a
        (global.set $n (i32.add (i32.mul (global.get $n) (i32.const 1103515245)) (i32.const 12345)))
        (br_table $a $b $c $again $d $b $again $a (i32.shr_u (global.get $n) (i32.const 29)))))))
      (br $again)))
  (func $spin (param $mode i32)
    (if (i32.eq (local.get $mode) (i32.const 1)) (then (loop $l (br $l))))
    (if (i32.eq (local.get $mode) (i32.const 2)) (then (call $memory)))
    (if (i32.eq (local.get $mode) (i32.const 3)) (then
      (loop $l (memory.fill (i32.const 0) (i32.const 7) (i32.const 0x40000000)) (br $l))))
    (if (i32.eq (local.get $mode) (i32.const 4)) (then
      (loop $l (memory.copy (i32.const 65536) (i32.const 0) (i32.const 0x3fff0000)) (br $l))))
    (if (i32.eq (local.get $mode) (i32.const 5)) (then (loop $l (drop (memory.grow (i32.const 1))) (br $l))))
    (if (i32.eq (local.get $mode) (i32.const 6)) (then (call $storm)))
    (if (i32.eq (local.get $mode) (i32.const 7)) (then (call $tail (i32.const 0))))
    (if (i32.eq (local.get $mode) (i32.const 8)) (then (call $tree (i32.const 0)))))
  (func (export "${n.serve("Spin.later")}") (param i32 i32) (result i32)
    (drop (call $wait (global.get $act))) (call $spin (local.get 1)) (call $set0 (i32.const 7)) (i32.const 0))
  (func (export "${n.serve("Spin.run")}")
    (param $self i32) (param $left i32) (param $at i32) (param $mode i32) (result i32)
    (local $status i32) (local $value i32)
    (if (local.get $left) (then
      (local.set $status (call $run (i32.sub (local.get $left) (i32.const 1)) (i32.sub (local.get $at) (i32.const 1))
        (local.get $mode) (global.get $next)))
      (local.set $value (if (result i32) (local.get $status)
        (then (i32.add (i32.const 1000) (local.get $status))) (else (call $get0))))))
    (if (i32.eqz (local.get $at)) (then (call $spin (local.get $mode))))
    (call $set0 (local.get $value)) (i32.const 0)))`;

/** The report of one that ran away: dead after more than its slice, and less than twice as much, of its own. */
export function expectOverrun(report: FaultReport | undefined, domain: string, sliceMs: number): void {
  expect(report).toMatchObject({ domain, kind: "slice" });
  expect(report!.ranMs).toBeGreaterThan(sliceMs);
  expect(report!.ranMs).toBeLessThanOrEqual(2 * sliceMs);
}
