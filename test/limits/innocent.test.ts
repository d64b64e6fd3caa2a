/**
 * Who must not die of another's slice: the short callee of a runaway caller, and whoever waits for somebody slow.
 *
 * The phase of the watchdog's tick decides what the kernel gets to see, so each is tried many times at random phases.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeLab, type Lab, type Names } from "../support/lab.ts";
import { expectOverrun, type Answer } from "./spin.ts";

const SLICE_MS = 10;
const TRIALS = 1000;
/** Where the watchdog is starved, samples rarely meet the caller itself: its entry may then end before its slice. */
const RUNAWAY = expect.stringMatching(/^(slice|entry)$/);
/** Iterations that take longer than ten slices on any machine. */
const SLOW = 300_000_000;

const IDL = `
export type Big = { bytes: Bytes<500000> };
export declare enum Err { Failed }
export interface Work {
  /** Computes; n iterations. */
  compute(n: u32): RpcResult<void, Err>;
  /** Creates and frees an object, which takes the kernel long, without a loop or a call of its own. */
  create(): RpcResult<void, Err>;
  /** Calls the next one's \`compute(n)\` for ever, or \`count\` times, after \`own\` iterations of its own. */
  calls(count: u32, own: u32, n: u32): RpcResult<u32, Err>;
  /** The same with \`create\`, after creating and freeing an object of its own when \`mine\`. */
  creates(count: u32, own: u32, mine: u32): RpcResult<u32, Err>;
  /** The same with the host's service. */
  serves(count: u32, own: u32): RpcResult<u32, Err>;
  /** Has the next one call \`compute\` of this one, for ever. */
  callback(n: u32): RpcResult<u32, Err>;
  waits(): Promise<RpcResult<u32, Err>>;
  look(big: Borrow<Big>): RpcResult<void, Err>;
}
export interface Service {
  slow(): RpcResult<u32, Err>;
  wait(): Promise<RpcResult<u32, Err>>;
}
`;

const worker = (n: Names): string => {
  const method = (name: string, args: number, results = true): string =>
    `(import "${n.module("Work")}" "${name}" (func $${name} ${"(param i32) ".repeat(args + 1)}
      ${results ? "(result i32)" : ""}))`;
  const serve = (name: string, params: readonly string[], body: string): string =>
    `(func (export "${n.serve(`Work.${name}`)}") (param $self i32) ${params.map((p) => `(param $${p} i32)`).join(" ")}
      (result i32) (local $status i32) ${body} (i32.const 0))`;
  const repeatedly = (body: string): string => `
    (loop $again
      (call $spin (local.get $own))
      (local.set $status ${body})
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br_if $again (i32.and (i32.eqz (local.get $status)) (i32.ne (local.get $count) (i32.const 0)))))
    (call $set0 (local.get $status))`;
  return `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "heap" "free" (func $free (param i32)))
  ${n.newType("Big")}
  (import "${n.module("Work")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Service")}" "use" (func $useService (param i32 i32) (result i32)))
  ${method("compute", 1)} ${method("create", 0)} ${method("calls", 3)}
  (import "${n.module("Service")}" "slow" (func $slow (param i32) (result i32)))
  (import "${n.module("Service")}" "wait" (func $wait (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "nextservice")
  (global $next (mut i32) (i32.const 0)) (global $service (mut i32) (i32.const 0))
  (func (export "main")
    (global.set $next (call $use (i32.const 0) (i32.const 4)))
    (global.set $service (call $useService (i32.const 4) (i32.const 7))))
  (func $spin (param i32)
    (loop $l (br_if $l (i32.gt_s (local.tee 0 (i32.sub (local.get 0) (i32.const 1))) (i32.const 0)))))
  ${serve("compute", ["n"], "(call $spin (local.get $n))")}
  ${serve("create", [], "(call $free (call $new_Big))")}
  ${serve("calls", ["count", "own", "n"], repeatedly("(call $compute (local.get $n) (global.get $next))"))}
  ${serve(
    "creates",
    ["count", "own", "mine"],
    repeatedly(`(block (result i32)
      (if (local.get $mine) (then (call $free (call $new_Big))))
      (call $create (global.get $next)))`),
  )}
  ${serve("serves", ["count", "own"], repeatedly("(call $slow (global.get $service))"))}
  ${serve(
    "callback",
    ["n"],
    "(call $set0 (call $calls (i32.const 0) (i32.const 100) (local.get $n) (global.get $next)))",
  )}
  ${serve("look", ["big"], "")}
  ${serve("waits", [], "(call $set0 (call $wait (global.get $service)))")})`;
};

interface Work {
  compute(n: number): Answer;
  calls(count: number, own: number, n: number): Answer;
  creates(count: number, own: number, mine: number): Answer;
  serves(count: number, own: number): Answer;
  callback(n: number): Answer;
  waits(): Promise<Answer>;
}

let lab: Lab;
let served = 0;
let wake: (() => void) | null = null;
const service = {
  slow() {
    served++;
    burn(2 * SLICE_MS);
    return { ok: true, value: 0 };
  },
  wait: () => new Promise((resolve) => (wake = () => resolve({ ok: true, value: 0 }))),
};

/** Computes in the host program. */
function burn(ms: number): void {
  const before = process.threadCpuUsage();
  for (;;) {
    const { user, system } = process.threadCpuUsage(before);
    if (user + system >= ms * 1000) return;
  }
}

beforeEach(async () => {
  served = 0;
  wake = null;
  const limits = { sliceMs: SLICE_MS };
  const domain = (next: string, sliceMs = SLICE_MS) => ({
    wat: worker,
    provides: { work: "Work" },
    uses: { next: ["Work", next] as const, service: ["Service", "host"] as const },
    limits: { ...limits, sliceMs },
  });
  lab = await makeLab({
    idl: IDL,
    domains: {
      caller: domain("callee"),
      callee: domain("caller"),
      front: domain("slow"),
      slow: domain("front", 60_000),
    },
    services: { Service: [service] },
  });
});
afterEach(async () => {
  lab.audit();
  await lab.close();
});

const states = (): string[] => lab.system.domains().map((d) => d.state);

describe(`an innocent callee of a runaway caller never dies: ${TRIALS} trials`, () => {
  const ways: [string, (caller: Work, random: number) => Answer][] = [
    ["short calls, and nothing else", (caller, r) => caller.calls(0, 0, 200 * r)],
    ["short calls, and some work", (caller, r) => caller.calls(0, 3000 * (1 - r), 3000 * r)],
    ["calls that take half a millisecond", (caller, r) => caller.calls(0, 400_000 * r, 300_000)],
    ["straight code that takes the kernel long", (caller, r) => caller.creates(0, 3000 * r, 1)],
  ];
  test.each(ways)("%s", { timeout: 600_000 }, (_, run) => {
    const caller = lab.client<Work>("caller.work");
    for (let trial = 0; trial < TRIALS / ways.length; trial++) {
      burn(Math.random());
      expect(run(caller, Math.random())).toEqual({ ok: false, fault: "crashed" });
      expect(lab.faults.at(-1)).toMatchObject({ domain: "caller", kind: RUNAWAY });
      expect(
        lab.system
          .domains()
          .filter((d) => d.faults > 0)
          .map((d) => d.name),
      ).toEqual(["caller"]);
      lab.system.restart("caller");
    }
    expect(lab.info("caller").faults).toBe(TRIALS / ways.length);
  });

  test("nor one that waits for the runaway, and is called back by it", () => {
    const callee = lab.client<Work>("callee.work");
    for (let trial = 0; trial < 20; trial++) {
      expect(callee.callback(200 * Math.random())).toEqual({ ok: true, value: 257 });
      expect(lab.faults.at(-1)).toMatchObject({ domain: "caller", kind: RUNAWAY });
      lab.system.restart("caller");
    }
    expect(lab.info("callee").faults).toBe(0);
  });
});

describe("who waits for another is not the culprit", () => {
  test("one call that takes many slices, within its own", () => {
    const before = process.threadCpuUsage().user;
    expect(lab.client<Work>("front.work").calls(1, 0, SLOW)).toEqual({ ok: true, value: 0 });
    expect((process.threadCpuUsage().user - before) / 1000).toBeGreaterThan(5 * SLICE_MS);
    expect(lab.faults).toEqual([]);
  });

  test("many calls that take a part of a slice each", () => {
    expect(lab.client<Work>("front.work").calls(500, 10, SLOW / 500)).toEqual({ ok: true, value: 0 });
    expect(lab.faults).toEqual([]);
  });

  test("many calls of straight code in which the kernel computes", () => {
    expect(lab.client<Work>("front.work").creates(4000, 0, 0)).toEqual({ ok: true, value: 0 });
    expect(lab.faults).toEqual([]);
  });

  test("a service of the host program that computes", () => {
    expect(lab.client<Work>("front.work").serves(20, 10)).toEqual({ ok: true, value: 0 });
    expect(served).toBe(20);
    expect(lab.faults).toEqual([]);
  });

  test("a suspended call, while another computes", async () => {
    const waiting = lab.client<Work>("front.work").waits();
    expect(lab.client<Work>("slow.work").compute(SLOW)).toMatchObject({ ok: true });
    burn(5 * SLICE_MS);
    expect(wake).not.toBeNull();
    wake!();
    expect(await waiting).toEqual({ ok: true, value: 0 });
    expect(lab.faults).toEqual([]);
    expect(states()).toEqual(["running", "running", "running", "running"]);
  });
});

test("calls to a service are no place to hide: who computes between them dies of its own time", () => {
  expect(lab.client<Work>("front.work").serves(0, SLOW / 50)).toEqual({ ok: false, fault: "crashed" });
  expectOverrun(lab.faults[0], "front", SLICE_MS);
  expect(served).toBeGreaterThan(0);
});
