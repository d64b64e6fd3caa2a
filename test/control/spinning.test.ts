/**
 * A system whose domains never leave the processor alone is still seen and steered from outside.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { ControlClient } from "#runtime/control/client.ts";
import { handlers, type PsAnswer, type TopAnswer } from "#runtime/control/handlers.ts";
import { rates } from "#runtime/control/rates.ts";
import { ControlServer } from "#runtime/control/server.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export declare enum Err { Bad }
export interface Work { go(): RpcResult<void, Err>; }
`;

const worker = (n: Names): string => `(module
  (func (export "${n.serve("Work.go")}") (param i32) (result i32) (i32.const 0)))`;

/** Each step calls the worker and counts; there is always more to do. */
const spinner = (n: Names): string => `(module
  (import "${n.module("Work")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Work")}" "go" (func $go (param i32) (result i32)))
  (memory 1) (data (i32.const 0) "work")
  (global $work (mut i32) (i32.const 0))
  (func (export "main") (global.set $work (call $use (i32.const 0) (i32.const 4))))
  (func (export "step") (result i32) (local $i i32)
    (loop $l (drop (call $go (global.get $work)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
    (i32.const 1)))`;

let lab: Lab | undefined;
let server: ControlServer | undefined;
const dir = mkdtempSync(join(tmpdir(), "spinning-"));
afterEach(async () => {
  await server?.close();
  await lab?.close();
  rmSync(dir, { recursive: true, force: true });
});

test("the control socket answers while a driver spins; its figures add up; a kill ends it", async () => {
  lab = await makeLab({
    idl: IDL,
    domains: {
      worker: { wat: worker, provides: { work: "Work" } },
      spinner: { wat: spinner, uses: { work: ["Work", "worker"] } },
    },
  });
  server = await ControlServer.listen(dir, "spin", handlers(lab.system));
  const client = await ControlClient.connect(dir, "spin");
  const before = await client.request<TopAnswer>("top");
  await new Promise((resolve) => setTimeout(resolve, 200));
  const after = await client.request<TopAnswer>("top");
  const { total, domains, edges } = rates(before, after);
  const { callsOut, cpuPercent } = domains.find((d) => d.name === "spinner")!;
  const { callsIn, cpuPercent: workerPercent } = domains.find((d) => d.name === "worker")!;
  expect(callsIn).toBeGreaterThan(0);
  expect(callsOut).toBe(callsIn);
  expect(total.callsPerSecond).toBe(callsIn);
  expect(edges[0]).toMatchObject({ caller: "spinner", callee: "worker", method: "go" });
  expect(cpuPercent + workerPercent).toBeGreaterThan(0);
  expect(total.hostPercent + cpuPercent + workerPercent).toBeGreaterThanOrEqual(total.cpuPercent - 1e-6);
  await client.request("kill", { domain: "spinner" });
  const { domains: left } = await client.request<PsAnswer>("ps");
  expect(left.map((d) => d.state)).toEqual(["running", "dead"]);
  client.close();
});
