/**
 * Events that nobody is left to set: found in a domain that nobody can call, and only there.
 */
import { afterEach, expect, test } from "vitest";
import { RpcFault } from "#kernel/interface/model.ts";
import { DEFAULT_LIMITS } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export interface Log { note(what: u32): RpcResult<void, Err>; }
export interface Door { open(): RpcResult<void, Err>; }
`;

/** Two threads: the first sleeps so many ms, or for ever at 0, before it waits; the second waits at once. */
const waiters =
  (sleep: number, extra = "") =>
  (n: Names): string =>
    `(module
  (import "thread" "spawn" (func $spawn (param i32 i32 i32) (result i32)))
  (import "thread" "event_new" (func $event (result i32)))
  (import "thread" "event_wait" (func $wait (param i32 f64) (result i32)))
  (import "thread" "sleep" (func $sleep (param f64) (result i32)))
  (import "${n.module("Log")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Log")}" "note" (func $note (param i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "log") (global $e (mut i32) (i32.const 0))
  ${extra.replaceAll("$SERVE", n.serve("Door.open"))}
  (func (export "samara_thread") (param i32 i32) (result i32)
    (if (local.get 0) (then (drop (call $sleep (f64.const ${sleep})))))
    (drop (call $note (call $wait (global.get $e) (f64.const -1)) (call $use (i32.const 0) (i32.const 3))))
    (i32.const 0))
  (func (export "main")
    (global.set $e (call $event))
    (drop (call $spawn (i32.const 1) (i32.const 0) (i32.const 1)))
    (drop (call $spawn (i32.const 0) (i32.const 0) (i32.const 1)))))`;

let lab: Lab;
let notes: number[] = [];
let rings: string[] = [];
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function run(wat: (n: Names) => string, provides: Record<string, string> = {}): Promise<void> {
  notes = [];
  rings = [];
  const log = { note: (what: number) => (notes.push(what), { ok: true }) };
  lab = await makeLab({
    idl: IDL,
    domains: { quiet: { wat, provides, uses: { log: ["Log", "host"] }, limits: { ...DEFAULT_LIMITS, threads: 2 } } },
    services: { Log: [log] },
    onDeadlock: (ring) => rings.push(ring),
  });
  for (let i = 0; i < 20 && notes.length === 0; i++) await new Promise((resolve) => setTimeout(resolve, 5));
}

test("the last that could set one is told, and the host too", async () => {
  await run(waiters(10));
  expect(notes).toEqual([RpcFault.deadlock]);
  expect(rings).toEqual(["quiet/thread 2 waits for an event that nobody is left to set"]);
});

test.each([
  ["while another thread sleeps", waiters(100_000), {}],
  [
    "where a call from outside could set it",
    waiters(10, `(func (export "$SERVE") (param i32) (result i32) (i32.const 0))`),
    { door: "Door" },
  ],
  ["where its step could", waiters(10, `(func (export "step") (result i32) (i32.const -1))`), {}],
])("it is none %s", async (_, wat, provides) => {
  await run(wat, provides);
  expect([notes, rings]).toEqual([[], []]);
});
