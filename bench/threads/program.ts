/**
 * The domain of the threads benchmark, in WebAssembly text, and a system that runs it.
 */
import { makeLab, type Lab, type Names } from "../../test/support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export interface Bench {
  /** Makes so many of what is measured, in a thread of its own. */
  spawn(count: u32): Promise<RpcResult<u32, Err>>;
  switch(count: u32): Promise<RpcResult<u32, Err>>;
  wake(count: u32): Promise<RpcResult<u32, Err>>;
  /** Leaves so many suspended threads behind; returns how many there are. */
  idle(count: u32): RpcResult<u32, Err>;
  /** How many of them are suspended. */
  held(): RpcResult<u32, Err>;
  /** What step answers from now on. */
  poll(answer: i32): RpcResult<u32, Err>;
}
`;

export interface BenchClient {
  spawn(count: number): Promise<unknown>;
  switch(count: number): Promise<unknown>;
  wake(count: number): Promise<unknown>;
  idle(count: number): { value: number };
  held(): { value: number };
  poll(answer: number): unknown;
}

/** Entries of threads: 0 ends at once, 1 yields [n] times, 2 sets event a and waits for b, [n] times; 3 waits. */
const text = (n: Names): string => `(module
  (import "thread" "spawn" (func $spawn (param i32 i32 i32) (result i32)))
  (import "thread" "join" (func $join (param i32 f64) (result i32)))
  (import "thread" "yield" (func $yield (result i32)))
  (import "thread" "event_new" (func $event (result i32)))
  (import "thread" "event_notify" (func $wake (param i32 i32) (result i32)))
  (import "thread" "event_wait" (func $wait (param i32 f64) (result i32)))
  (import "thread" "notify" (func $notify))
  (import "rpc" "set0" (func $set0 (param i32)))
  (global $a (mut i32) (i32.const 0)) (global $b (mut i32) (i32.const 0)) (global $answer (mut i32) (i32.const -1))
  (global $held (mut i32) (i32.const 0))
  (func (export "_init") (global.set $a (call $event)) (global.set $b (call $event)))
  (func $yields (param $n i32)
    (loop $l (drop (call $yield)) (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
  (func $ping (param $n i32) (param $mine i32) (param $other i32)
    (loop $l
      (drop (call $wake (local.get $other) (i32.const 1)))
      (drop (call $wait (local.get $mine) (f64.const -1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (drop (call $wake (local.get $other) (i32.const 1))))
  (func (export "samara_thread") (param $entry i32) (param $n i32) (result i32)
    (block $wait_ (block $wake_ (block $yield_ (block $end (br_table $end $yield_ $wake_ $wait_ (local.get $entry)))
      (return (i32.const 0)))
      (call $yields (local.get $n)) (return (i32.const 0)))
      (call $ping (local.get $n) (global.get $b) (global.get $a)) (return (i32.const 0)))
    (global.set $held (i32.add (global.get $held) (i32.const 1)))
    (call $wait (local.get $n) (f64.const -1)))
  (func (export "${n.serve("Bench.held")}") (param i32) (result i32) (call $set0 (global.get $held)) (i32.const 0))
  (func (export "${n.serve("Bench.spawn")}") (param i32 i32) (result i32)
    (loop $l
      (drop (call $join (call $spawn (i32.const 0) (i32.const 0) (i32.const 1)) (f64.const -1)))
      (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (call $set0 (i32.const 0)) (i32.const 0))
  (func (export "${n.serve("Bench.switch")}") (param i32 i32) (result i32) (local $other i32)
    (local.set $other (call $spawn (i32.const 1) (local.get 1) (i32.const 1)))
    (call $yields (local.get 1))
    (drop (call $join (local.get $other) (f64.const -1)))
    (call $set0 (i32.const 0)) (i32.const 0))
  (func (export "${n.serve("Bench.wake")}") (param i32 i32) (result i32) (local $other i32)
    (local.set $other (call $spawn (i32.const 2) (local.get 1) (i32.const 1)))
    (call $ping (local.get 1) (global.get $a) (global.get $b))
    (drop (call $join (local.get $other) (f64.const -1)))
    (call $set0 (i32.const 0)) (i32.const 0))
  (func (export "${n.serve("Bench.idle")}") (param i32 i32) (result i32) (local $made i32) (local $event i32)
    (local.set $event (call $event))
    (block $full (loop $l
      (br_if $full (i32.ge_u (local.get $made) (local.get 1)))
      (br_if $full (i32.eqz (call $spawn (i32.const 3) (local.get $event) (i32.const 1))))
      (local.set $made (i32.add (local.get $made) (i32.const 1)))
      (br $l)))
    (call $set0 (local.get $made)) (i32.const 0))
  (func (export "${n.serve("Bench.poll")}") (param i32 i32) (result i32)
    (global.set $answer (local.get 1)) (call $notify) (call $set0 (i32.const 0)) (i32.const 0))
  (func (export "step") (result i32) (global.get $answer)))`;

export async function benchLab(): Promise<{ lab: Lab; client: BenchClient }> {
  const limits = { threads: 16_384, memoryPages: 1, sliceMs: 10_000 };
  const lab = await makeLab({ idl: IDL, domains: { bench: { wat: text, provides: { bench: "Bench" }, limits } } });
  return { lab, client: lab.client<BenchClient>("bench.bench") };
}
