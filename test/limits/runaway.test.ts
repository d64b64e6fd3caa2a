/**
 * Runaway code is stopped from outside, in a running system with its watchdog thread, and only the culprit dies.
 *
 * The time that counts is CPU time of the domain's own, as its fault report states it; nothing here looks at a clock.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { KernelError } from "#kernel/errors.ts";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";
import { expectOverrun, SPIN, SPIN_IDL, spinner, type Answer, type Spin } from "./spin.ts";

const SLICE_MS = 40;
const GIB_PAGES = 16_384;
const limits = { sliceMs: SLICE_MS };
const LIFECYCLE = `
export declare enum DomainState { Loaded, Running, Dying, Dead }
export declare enum LifecycleError { Died, Busy, NoRoom, NotRunning }
export interface Lifecycle {
  state(): RpcResult<{ state: DomainState; generation: u32; faults: u32 }, never>;
  restart(): RpcResult<u32, LifecycleError>;
  kill(): RpcResult<void, LifecycleError>;
}
/** Stands in front of a Spin: restarts it when a call fails, and calls again. */
export interface Shadow {
  run(mode: u32): RpcResult<{ first: u32; restart: u32; second: u32 }, Err>;
}
`;

let lab: Lab;
/** What the first code of each place is told to do. */
let firstCode: number[] = [0, 0];
let wake: (() => void) | null = null;
beforeEach(() => {
  firstCode = [0, 0];
  wake = null;
});
afterEach(async () => {
  lab.audit();
  await lab.close();
});

const act = {
  mode: (place: number) => ({ ok: true, value: firstCode[place] }),
  wait: () => new Promise((resolve) => (wake = () => resolve({ ok: true, value: 0 }))),
};

async function boot(domains: Record<string, LabDomain>, idl = SPIN_IDL): Promise<void> {
  lab = await makeLab({ idl, domains, services: { Act: [act] } });
}

async function bootOne(pages: readonly [number, number] = [1, 4]): Promise<Spin> {
  const one = { wat: spinner(false, pages), provides: { spin: "Spin" }, uses: { act: ["Act", "host"] as const } };
  await boot({ one: { ...one, limits: { ...limits, memoryPages: pages[1] } } });
  return lab.client<Spin>("one.spin");
}

describe("stopped within twice its slice, from the host", () => {
  const pages: Readonly<Record<string, readonly [number, number]>> = {
    "memory.fill of 1 GiB": [GIB_PAGES, GIB_PAGES],
    "memory.copy of 1 GiB": [GIB_PAGES, GIB_PAGES],
    "memory growth": [1, GIB_PAGES],
  };
  const ways = Object.entries(SPIN).filter(([, mode]) => mode !== SPIN.none);
  test.each(ways)("%s", async (name, mode) => {
    const one = await bootOne(pages[name]);
    const before = process.threadCpuUsage();
    expect(one.run(0, 0, mode)).toEqual({ ok: false, fault: "crashed" });
    const { user, system } = process.threadCpuUsage(before);
    expectOverrun(lab.faults[0], "one", SLICE_MS);
    // The report is honest: what it leaves out is less than another slice, compiling and the report itself included.
    expect((user + system) / 1000 - lab.faults[0]!.ranMs!).toBeLessThan(SLICE_MS);
    expect(lab.faults).toHaveLength(1);
    // It says where the loop is.
    expect(lab.faults[0]!.frames.length).toBeGreaterThan(0);
    expect(one.run(0, 0, SPIN.none)).toEqual({ ok: false, fault: "dead" });
    // To zero a GiB would take seconds.
    if (pages[name] !== undefined) return;
    lab.system.restart("one");
    expect(one.run(0, 1, SPIN.none)).toEqual({ ok: true, value: 0 });
  });
});

test("a loop in each position of a chain of 16 calls: it alone dies, and its caller goes on", async () => {
  const LENGTH = 16;
  const domains: Record<string, LabDomain> = {};
  for (let i = LENGTH - 1; i >= 0; i--) {
    const last = i === LENGTH - 1;
    domains[`n${i}`] = {
      wat: spinner(!last),
      provides: { spin: "Spin" },
      uses: { ...(last ? {} : { next: ["Spin", `n${i + 1}`] as const }), act: ["Act", "host"] },
      limits,
    };
  }
  await boot(domains);
  const n0 = lab.client<Spin>("n0.spin");
  const names = Array.from({ length: LENGTH }, (_, i) => `n${i}`);
  for (let at = 0; at < LENGTH; at++) {
    const answer = n0.run(LENGTH - 1, at, SPIN["an empty loop"]);
    // 1000 + RpcFault.crashed
    expect(answer, `n${at}`).toEqual(at === 0 ? { ok: false, fault: "crashed" } : { ok: true, value: 1257 });
    expect(lab.faults).toHaveLength(at + 1);
    expectOverrun(lab.faults[at], `n${at}`, SLICE_MS);
    expect(lab.faults[at]!.chain).toEqual(["host", ...names.slice(0, at + 1)]);
    lab.system.restart(`n${at}`);
    lab.audit();
  }
  expect(lab.system.domains().filter((d) => d.state !== "running")).toEqual([]);
  expect(n0.run(LENGTH - 1, LENGTH, SPIN.none)).toEqual({ ok: true, value: 0 });
});

describe("wherever its code runs", () => {
  test.each(["_init", "main"])("in %s, at a restart", async (place) => {
    const one = await bootOne();
    firstCode[place === "_init" ? 0 : 1] = SPIN["an empty loop"];
    lab.system.kill("one", "test");
    expect(() => lab.system.restart("one")).toThrow(KernelError);
    lab.system.kernel.settle();
    expectOverrun(lab.faults[1], "one", SLICE_MS);
    expect(lab.faults[1]!.message).toMatch(/^ran .* ms of its own, slice 40 ms$/);
    firstCode = [0, 0];
    lab.system.restart("one");
    expect(one.run(0, 1, SPIN.none)).toEqual({ ok: true, value: 0 });
  });

  test("in an async method, before and after it was suspended", async () => {
    const one = await bootOne();
    const running = one.later(SPIN["an empty loop"]);
    await vi.waitUntil(() => wake !== null);
    wake!();
    expect(await running).toEqual({ ok: false, fault: "crashed" });
    expectOverrun(lab.faults[0], "one", SLICE_MS);
    lab.system.restart("one");
    expect(one.run(0, 1, SPIN.none)).toEqual({ ok: true, value: 0 });
  });

  test("in a domain that its shadow has restarted, in the middle of a call", async () => {
    const shadow = (n: Names): string => `(module
      (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
      (import "rpc" "set2" (func $set2 (param i32)))
      (import "${n.module("Spin")}" "use" (func $use (param i32 i32) (result i32)))
      (import "${n.module("Spin")}" "run" (func $run (param i32 i32 i32 i32) (result i32)))
      (import "${n.module("Lifecycle")}" "use" (func $useLife (param i32 i32) (result i32)))
      (import "${n.module("Lifecycle")}" "restart" (func $restart (param i32) (result i32)))
      (memory 1) (data (i32.const 0) "backlife")
      (func $call (param i32) (result i32)
        (call $run (i32.const 0) (i32.const 0) (local.get 0) (call $use (i32.const 0) (i32.const 4))))
      (func (export "${n.serve("Shadow.run")}") (param i32 i32) (result i32)
        (local $first i32) (local $restart i32) (local $second i32)
        (local.set $first (call $call (local.get 1)))
        (local.set $restart (call $restart (call $useLife (i32.const 4) (i32.const 4))))
        (local.set $second (call $call (local.get 1)))
        (call $set0 (local.get $first)) (call $set1 (local.get $restart)) (call $set2 (local.get $second))
        (i32.const 0)))`;
    await boot(
      {
        back: { wat: spinner(false), provides: { spin: "Spin" }, uses: { act: ["Act", "host"] }, limits },
        front: {
          wat: shadow,
          provides: { shadow: "Shadow" },
          uses: { back: ["Spin", "back"], life: ["Lifecycle", "supervisor", 0] },
          limits,
        },
      },
      SPIN_IDL + LIFECYCLE,
    );
    const front = lab.client<{ run(mode: number): Answer }>("front.shadow");
    const crashed = 257;
    expect(front.run(SPIN["an empty loop"])).toEqual({
      ok: true,
      value: { first: crashed, restart: 0, second: crashed },
    });
    expect(lab.faults.map(({ domain, incarnation, kind }) => [domain, incarnation, kind])).toEqual([
      ["back", 1, "slice"],
      ["back", 2, "slice"],
    ]);
    for (const report of lab.faults) expectOverrun(report, "back", SLICE_MS);
    expect(lab.info("front").state).toBe("running");
  });
});
