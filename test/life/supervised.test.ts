/**
 * The supervisor at work in a running system: who is restarted when, and what clients and the boot see of it.
 */
import { afterEach, expect, test } from "vitest";
import { KernelError } from "#kernel/errors.ts";
import { DEFAULT_RESTART, type Restart } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Failed }
export interface Worker {
  work(crash: bool): RpcResult<{ low: u32; high: u32 }, Err>;
}
export interface Log { note(): RpcResult<{ first: u32; second: u32 }, Err>; }
`;

/** Calls the host in its first code, as a driver that looks for its device does. */
const worker = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
  (import "${n.module("Log")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Log")}" "note" (func $note (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "log")
  (func (export "main") (if (call $note (call $use (i32.const 0) (i32.const 3))) (then unreachable)))
  (func (export "${n.serve("Worker.work")}") (param i32 i32) (result i32)
    (if (local.get 1) (then unreachable))
    (call $set0 (i32.const 1)) (call $set1 (i32.const 2)) (i32.const 0)))`;
/** Answers what it has, after its callee has died under it. */
const front = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "rpc" "set1" (func $set1 (param i32)))
  (import "${n.module("Worker")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Worker")}" "work" (func $work (param i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "back")
  (func (export "${n.serve("Worker.work")}") (param i32 i32) (result i32)
    (drop (call $work (local.get 1) (call $use (i32.const 0) (i32.const 4))))
    (call $set0 (i32.const 3)) (call $set1 (i32.const 4)) (i32.const 0)))`;

interface Worker {
  work(crash: boolean): { ok: boolean; value?: { low: number; high: number }; fault?: string };
}
let lab: Lab;
let notes = 0;
let noteFails = 0;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

async function boot(restart: Partial<Restart>): Promise<Worker> {
  notes = 0;
  const log = {
    note: () => (++notes <= noteFails ? { ok: false, error: "Failed" } : { ok: true, value: { first: 8, second: 9 } }),
  };
  lab = await makeLab({
    idl: IDL,
    domains: {
      back: {
        wat: worker,
        provides: { worker: "Worker" },
        uses: { log: ["Log", "host"] },
        restart: { ...DEFAULT_RESTART, ...restart },
      },
      front: { wat: front, provides: { worker: "Worker" }, uses: { back: ["Worker", "back"] } },
    },
    services: { Log: [log] },
  });
  return lab.client<Worker>("back.worker");
}
const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

test("the first restart is immediate: the call after the one that crashed is answered", async () => {
  noteFails = 0;
  const back = await boot({ policy: "on-fault" });
  expect(back.work(true)).toEqual({ ok: false, fault: "crashed" });
  expect(back.work(false).value).toEqual({ low: 1, high: 2 });
  expect(notes).toBe(2);
});

test("a restart inside a call does not disturb the results of that call", async () => {
  noteFails = 0;
  await boot({ policy: "on-fault" });
  const client = lab.client<Worker>("front.worker");
  expect(client.work(true).value).toEqual({ low: 3, high: 4 });
  expect(notes).toBe(2);
  expect(client.work(false).value).toEqual({ low: 3, high: 4 });
});

test("the next ones wait; what is killed from outside stays dead", async () => {
  noteFails = 0;
  const back = await boot({ policy: "on-fault", backoffMs: 5 });
  back.work(true);
  back.work(true);
  expect(back.work(false).fault).toBe("dead");
  expect(lab.info("back")).toMatchObject({ state: "dead", restarting: true });
  await later(30);
  expect(back.work(false).ok).toBe(true);
  lab.system.kill("back");
  await later(30);
  expect(back.work(false).fault).toBe("dead");
  expect(lab.info("back").restarting).toBe(false);
});

test("one that dies in its first code is tried again, ever later, until its restarts are used up", async () => {
  noteFails = 3;
  const back = await boot({ policy: "on-fault", backoffMs: 1, limit: 3 });
  await later(60);
  expect(back.work(false).ok).toBe(true);
  expect(notes).toBe(4);
  expect(lab.info("back").faults).toBe(3);
  expect(back.work(true).fault).toBe("crashed");
  await later(60);
  expect(back.work(false).fault).toBe("dead");
});

test("without a policy a death in the first code ends the boot", async () => {
  noteFails = 1;
  await expect(boot({ policy: "never" })).rejects.toThrow(new KernelError("start", "back died in main: unreachable"));
  noteFails = 0;
  await boot({ policy: "never" });
});

test("a system stops its domains in the reverse of their start order", async () => {
  noteFails = 0;
  await boot({ policy: "always" });
  const { kernel } = lab.system;
  const order: string[] = [];
  const kill = kernel.kill.bind(kernel);
  kernel.kill = (domain, why) => {
    order.push(domain.name);
    return kill(domain, why);
  };
  const started = lab.system.domains().map((d) => d.name);
  await lab.system.stop();
  expect(order).toEqual(started.toReversed());
  expect(lab.system.domains().every((d) => d.state === "dead")).toBe(true);
});

test("a system that stops restarts nobody", async () => {
  noteFails = 0;
  const back = await boot({ policy: "always", backoffMs: 5 });
  back.work(true);
  back.work(true);
  await lab.system.stop();
  const before = notes;
  await later(30);
  expect(notes).toBe(before);
});
