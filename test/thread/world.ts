/**
 * A domain for tests of threads, in WebAssembly text: every thread call can be made from outside, and the threads that
 * it spawns do what their entry number says and note what happened.
 */
import { makeLab, type Lab, type LabDomain, type LabOptions, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
/** Each method makes the thread call of its name; all values are plain numbers. */
export interface Control {
  spawn(entry: u32, argument: i32, priority: i32): RpcResult<u32, Err>;
  exitCode(id: u32): RpcResult<i32, Err>;
  cancel(id: u32): RpcResult<u32, Err>;
  self(): RpcResult<u32, Err>;
  priority(id: u32, priority: i32): RpcResult<u32, Err>;
  eventNew(): RpcResult<u32, Err>;
  eventFree(id: u32): RpcResult<u32, Err>;
  eventSet(id: u32): RpcResult<u32, Err>;
  eventClear(id: u32): RpcResult<u32, Err>;
  eventNotify(id: u32, count: u32): RpcResult<u32, Err>;
  notify(): RpcResult<u32, Err>;
  stepAnswers(value: i32): RpcResult<u32, Err>;
  /** A wait in a plain call. */
  joinPlain(id: u32): RpcResult<u32, Err>;
  /** What a thread would do, as an async call. */
  run(entry: u32, argument: i32): Promise<RpcResult<i32, Err>>;
  /** Waits for an event and answers its text, each letter one further on. */
  text(event: u32, a: Slice<64>, b: Slice<64>): Promise<RpcResult<{ a: Slice<64>; b: Slice<64> }, Err>>;
  /** Answers what it was told from the one buffer that it has for answers, without waiting. */
  echo(a: Slice<64>): Promise<RpcResult<Slice<64>, Err>>;
}
/** The host's: notes of what happens, and a call that ends when the test says so. */
export interface Notes {
  note(what: i32): RpcResult<u32, Err>;
  wait(what: i32): Promise<RpcResult<u32, Err>>;
}
`;

/** What a thread does; its argument is in brackets. */
export const Entry = {
  /** Notes [n] and ends with n + 100. */
  note: 0,
  /** Sleeps [ms], then notes it. */
  sleep: 1,
  /** Notes [n], yields, three times. */
  yields: 2,
  /** Waits for event [id] for ever, and notes the status. */
  wait: 3,
  /** Joins thread [id], and notes 1000 + the status. */
  join: 4,
  trap: 5,
  loop: 6,
  /** Calls the host, which waits; notes the status, or what it answered. */
  host: 7,
  /** Waits for event [id] for a millisecond. */
  waitShortly: 8,
  joinShortly: 9,
  /** Calls `run` of the next domain: entry [n & 15], argument [n >> 4]; notes the status or the result. */
  call: 10,
  /** Joins itself. */
  joinSelf: 11,
  /** Notes [n] and yields, for ever. */
  yieldForEver: 12,
  /** Waits for event [id], and then waits for it again. */
  waitTwice: 13,
  /** Yields and calls the host, which waits; for ever. */
  yieldAndCall: 14,
  /** Calls `text` of the next domain for its event [n & 255] with one letter [n >> 8], and notes the answer. */
  callText: 15,
  /** Calls the host, which waits, and then waits for event [id]; notes both statuses. */
  hostThenWait: 16,
} as const;

const PLAIN: readonly (readonly [method: string, call: string, params: number])[] = [
  ["spawn", "spawn", 3],
  ["exitCode", "exit_code", 1],
  ["cancel", "cancel", 1],
  ["self", "self", 0],
  ["priority", "set_priority", 2],
  ["eventNew", "event_new", 0],
  ["eventNotify", "event_notify", 2],
  ["joinPlain", "joinForEver", 1],
];
const SILENT: readonly (readonly [string, string, number])[] = [
  ["eventFree", "event_free", 1],
  ["eventSet", "event_set", 1],
  ["eventClear", "event_clear", 1],
  ["notify", "notify", 0],
  ["stepAnswers", "setStep", 1],
];
const parameters = (count: number): string => Array.from({ length: count + 1 }, () => "(param i32)").join(" ");
const passed = (count: number): string => Array.from({ length: count }, (_, i) => `(local.get ${i + 1})`).join(" ");

/** `next`: whether the domain calls another one; `step`: whether it polls. */
export const program =
  (next: boolean, step: boolean) =>
  (n: Names): string =>
    `(module
  (import "thread" "spawn" (func $spawn (param i32 i32 i32) (result i32)))
  (import "thread" "join" (func $join (param i32 f64) (result i32)))
  (import "thread" "exit_code" (func $exit_code (param i32) (result i32)))
  (import "thread" "sleep" (func $sleep (param f64) (result i32)))
  (import "thread" "yield" (func $yield (result i32)))
  (import "thread" "cancel" (func $cancel (param i32) (result i32)))
  (import "thread" "self" (func $self (result i32)))
  (import "thread" "set_priority" (func $set_priority (param i32 i32) (result i32)))
  (import "thread" "event_new" (func $event_new (result i32)))
  (import "thread" "event_free" (func $event_free (param i32)))
  (import "thread" "event_set" (func $event_set (param i32)))
  (import "thread" "event_clear" (func $event_clear (param i32)))
  (import "thread" "event_notify" (func $event_notify (param i32 i32) (result i32)))
  (import "thread" "event_wait" (func $event_wait (param i32 f64) (result i32)))
  (import "thread" "notify" (func $notify))
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
  (import "rpc" "set2" (func $set2 (param i32))) (import "rpc" "set3" (func $set3 (param i32)))
  (import "rpc" "get0" (func $get0 (result i32)))
  (import "${n.module("Notes")}" "use" (func $useNotes (param i32 i32) (result i32)))
  (import "${n.module("Notes")}" "note" (func $note_ (param i32 i32) (result i32)))
  (import "${n.module("Notes")}" "wait" (func $wait_ (param i32 i32) (result i32)))
  (import "${n.module("Control")}" "use" (func $useNext (param i32 i32) (result i32)))
  (import "rpc" "get2" (func $get2 (result i32)))
  (import "${n.module("Control")}" "text"
    (func $text_ (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "${n.module("Control")}" "run" (func $run_ (param i32 i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "notesnext")
  (global $notes (mut i32) (i32.const 0)) (global $next (mut i32) (i32.const 0))
  (global $step (mut i32) (i32.const -1))
  (func (export "samara_args") (result i32) (i32.const 1024))
  (func (export "samara_args_size") (result i32) (i32.const 512))
  (func (export "_init")
    ${next ? "(global.set $next (call $useNext (i32.const 5) (i32.const 4)))" : ""}
    (global.set $notes (call $useNotes (i32.const 0) (i32.const 5))))
  (func $note (param i32) (drop (call $note_ (local.get 0) (global.get $notes))))
  (func $joinForEver (param i32) (result i32) (call $join (local.get 0) (f64.const -1)))
  (func $setStep (param i32) (global.set $step (local.get 0)))
  (func $noted (param i32) (result i32) (call $note (local.get 0)) (local.get 0))
  (func $act (export "samara_thread") (param $entry i32) (param $n i32) (result i32) (local $status i32)
    (block $d16 (block $d15 (block $d14 (block $d13 (block $d12 (block $d11 (block $d10 (block $d9 (block $d8 (block $d7 (block $d6 (block $d5 (block $d4
      (block $d3 (block $d2 (block $d1 (block $d0
      (br_table $d0 $d1 $d2 $d3 $d4 $d5 $d6 $d7 $d8 $d9 $d10 $d11 $d12 $d13 $d14 $d15 $d16 (local.get $entry)))
      (call $note (local.get $n)) (return (i32.add (local.get $n) (i32.const 100))))
      (drop (call $sleep (f64.convert_i32_s (local.get $n)))) (return (call $noted (local.get $n))))
      (call $note (local.get $n)) (drop (call $yield)) (call $note (local.get $n)) (drop (call $yield))
      (return (call $noted (local.get $n))))
      (return (call $noted (call $event_wait (local.get $n) (f64.const -1)))))
      (return (call $noted (i32.add (i32.const 1000) (call $join (local.get $n) (f64.const -1))))))
      (unreachable))
      (loop $l (br $l)) (unreachable))
      (local.set $status (call $wait_ (local.get $n) (global.get $notes)))
      (return (call $noted (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0))))))
      (return (call $noted (call $event_wait (local.get $n) (f64.const 1)))))
      (return (call $noted (i32.add (i32.const 1000) (call $join (local.get $n) (f64.const 1))))))
      (local.set $status (call $run_ (i32.and (local.get $n) (i32.const 15)) (i32.shr_u (local.get $n) (i32.const 4)) (global.get $next)))
      (return (call $noted (if (result i32) (local.get $status) (then (local.get $status)) (else (call $get0))))))
      (return (call $noted (i32.add (i32.const 1000) (call $join (call $self) (f64.const -1))))))
      (loop $again (call $note (local.get $n)) (drop (call $yield)) (br $again)) (unreachable))
    (call $note (call $event_wait (local.get $n) (f64.const -1)))
      (return (call $noted (call $event_wait (local.get $n) (f64.const -1)))))
      (loop $again (drop (call $yield)) (drop (call $wait_ (local.get $n) (global.get $notes))) (br $again)) (unreachable))
      (i32.store8 (i32.const 600) (i32.shr_u (local.get $n) (i32.const 8)))
      (local.set $status (call $text_ (i32.and (local.get $n) (i32.const 255)) (i32.const 600) (i32.const 1)
        (i32.const 600) (i32.const 1) (i32.const 640) (i32.const 64) (i32.const 720) (i32.const 64) (global.get $next)))
      (return (call $noted (if (result i32) (local.get $status) (then (local.get $status))
        (else (i32.add (i32.load8_u (call $get0)) (i32.shl (i32.load8_u (call $get2)) (i32.const 8))))))))
    (call $note (call $wait_ (local.get $n) (global.get $notes)))
    (call $noted (call $event_wait (local.get $n) (f64.const -1))))
  ${PLAIN.map(
    ([method, call, count]) =>
      `(func (export "${n.serve(`Control.${method}`)}") ${parameters(count)} (result i32)
        (call $set0 (call $${call} ${passed(count)})) (i32.const 0))`,
  ).join("\n  ")}
  ${SILENT.map(
    ([method, call, count]) =>
      `(func (export "${n.serve(`Control.${method}`)}") ${parameters(count)} (result i32)
        (call $${call} ${passed(count)}) (i32.const 0))`,
  ).join("\n  ")}
  (func (export "${n.serve("Control.run")}") (param i32 i32 i32) (result i32)
    (call $set0 (call $act (local.get 1) (local.get 2))) (i32.const 0))
  (func (export "${n.serve("Control.echo")}") (param i32 i32 i32) (result i32)
    (memory.copy (i32.const 2048) (local.get 1) (local.get 2))
    (call $set0 (i32.const 2048)) (call $set1 (local.get 2)) (i32.const 0))
  (func $further (param $at i32) (param $length i32)
    (block $done (loop $l
      (br_if $done (i32.eqz (local.get $length)))
      (i32.store8 (local.get $at) (i32.add (i32.load8_u (local.get $at)) (i32.const 1)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (local.set $length (i32.sub (local.get $length) (i32.const 1)))
      (br $l))))
  (func (export "${n.serve("Control.text")}") (param i32 i32 i32 i32 i32 i32) (result i32)
    (drop (call $event_wait (local.get 1) (f64.const -1)))
    (call $further (local.get 2) (local.get 3)) (call $further (local.get 4) (local.get 5))
    (call $set0 (local.get 2)) (call $set1 (local.get 3)) (call $set2 (local.get 4)) (call $set3 (local.get 5))
    (i32.const 0))
  ${
    step
      ? `(func (export "step") (result i32)
    (call $note (i32.const 7000))
    (if (i32.eq (global.get $step) (i32.const 97)) (then (call $note (call $sleep (f64.const 1))) (return (i32.const -1))))
    (if (i32.eq (global.get $step) (i32.const 98)) (then (unreachable)))
    (if (i32.eq (global.get $step) (i32.const 99)) (then (loop $l (br $l))))
    (global.get $step))`
      : ""
  })`;

type Value<T> = { ok: boolean; value?: T; fault?: string };
export interface Control {
  spawn(entry: number, argument?: number, priority?: number): number;
  run(entry: number, argument?: number): Promise<Value<number>>;
  echo(text: string): Promise<Value<Uint8Array>>;
  text(event: number, a: string, b: string): Promise<Value<{ a: Uint8Array; b: Uint8Array }>>;
  /** Any method whose arguments and result are numbers: the value, or the name of the fault. */
  call(method: string, ...values: number[]): number | string;
  /** Gives the host's capability back: it has room for about 60 of them. */
  release(): void;
}

export interface World {
  readonly lab: Lab;
  /** In the order of their making. */
  readonly notes: number[];
  /** Calls of the host's `wait` that have not ended: argument and how to end it. */
  readonly waiting: { readonly what: number; readonly end: (value: number) => void }[];
  readonly rings: string[];
  control(name: string): Control;
}

export interface WorldOptions extends Pick<LabOptions, "budgets"> {
  /** name → the domain that it calls. */
  readonly domains: Readonly<Record<string, string | null>>;
  readonly threads?: number;
  readonly step?: readonly string[];
  readonly limits?: LabDomain["limits"];
}

export async function makeWorld({ domains, threads = 8, step = [], limits, budgets }: WorldOptions): Promise<World> {
  const notes: number[] = [];
  const rings: string[] = [];
  const waiting: World["waiting"] = [];
  const service = {
    note: (what: number) => {
      notes.push(what);
      return { ok: true, value: 0 };
    },
    wait: (what: number) =>
      new Promise((resolve) => waiting.push({ what, end: (value) => resolve({ ok: true, value }) })),
  };
  const made: Record<string, LabDomain> = {};
  for (const [name, next] of Object.entries(domains))
    made[name] = {
      wat: program(next !== null, step.includes(name)),
      provides: { control: "Control" },
      uses: { notes: ["Notes", "host"], ...(next === null ? {} : { next: ["Control", next] as const }) },
      limits: { threads, ...limits },
    };
  const lab = await makeLab({
    idl: IDL,
    domains: made,
    services: { Notes: [service] },
    onDeadlock: (ring) => rings.push(ring),
    ...(budgets === undefined ? {} : { budgets }),
  });
  return { lab, notes, waiting, rings, control: (name) => control(lab, name) };
}

function control(lab: Lab, name: string): Control {
  type Client = Record<string, (...values: unknown[]) => Value<number>> & { capability: number };
  const client = lab.client<Client>(`${name}.control`);
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const call = (method: string, ...values: number[]): number | string => {
    const answer = client[method]!(...values);
    return answer.ok ? answer.value! : answer.fault!;
  };
  return {
    call,
    release() {
      const { hostDomain, linker } = lab.system.kernel;
      linker.drop(hostDomain, hostDomain.capabilities!.get(client.capability)!);
    },
    spawn: (entry, argument = 0, priority = 1) => call("spawn", entry, argument, priority) as number,
    run: (entry, argument = 0) => client.run!(entry, argument) as unknown as Promise<Value<number>>,
    echo: (text) => client.echo!(bytes(text)) as unknown as Promise<Value<Uint8Array>>,
    text: (event, a, b) =>
      client.text!(event, bytes(a), bytes(b)) as unknown as Promise<Value<{ a: Uint8Array; b: Uint8Array }>>,
  };
}

/** Far above what anything here takes: a test that waits for what never comes shall fail, and not hang. */
const PATIENCE_MS = 20_000;

/** Lets the system run until `condition` holds. */
export async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + PATIENCE_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`it never came to ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** So many turns of the host's loop: enough for whatever is ready to have run. */
export async function turns(count = 20): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
