/**
 * What the trace shows of a running system, what a report keeps of a dead domain, and whose CPU time it was.
 */
import { afterEach, describe, expect, test } from "vitest";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export type Box = { item: RRef<Item> };
export declare enum Err { Bad }
export interface Server {
  one(): RpcResult<void, Err>;
  two(item: RRef<Item>): RpcResult<void, Err>;
  make(): RpcResult<void, Err>;
  fill(box: RRef<Box>): RpcResult<void, Err>;
  crash(): RpcResult<void, Err>;
  spin(): RpcResult<void, Err>;
}
export interface Client {
  once(): RpcResult<u32, never>;
  forge(): RpcResult<u32, never>;
  crash(): RpcResult<u32, never>;
  spin(): RpcResult<u32, never>;
}
`;

const server = (n: Names): string => `(module
  ${n.newType("Item")} ${n.newType("Box")}
  (memory 1)
  (func (export "${n.serve("Server.one")}") (param i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.two")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.make")}") (param i32) (result i32)
    (drop (call $new_Item)) (drop (call $new_Item)) (drop (call $new_Box)) (i32.const 0))
  (func (export "${n.serve("Server.fill")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Server.crash")}") (param i32) (result i32) (unreachable))
  (func (export "${n.serve("Server.spin")}") (param i32) (result i32) (local $i i32)
    (loop $l (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 100000000))))
    (i32.const 0)))`;

const client = (n: Names): string => {
  const imported = (name: string, params = "") =>
    `(import "${n.module("Server")}" "${name}" (func $${name} (param ${params} i32) (result i32)))`;
  const serve = (name: string, body: string) =>
    `(func (export "${n.serve(`Client.${name}`)}") (param i32) (result i32)
       (call $set0 ${body}) (i32.const 0))`;
  const cap = "(call $use (i32.const 0) (i32.const 6))";
  return `(module
    (import "${n.module("Server")}" "use" (func $use (param i32 i32) (result i32)))
    ${imported("one")} ${imported("two", "i32")} ${imported("crash")} ${imported("spin")}
    (import "rpc" "set0" (func $set0 (param i32)))
    (memory 1) (data (i32.const 0) "server")
    ${serve("once", `(call $one ${cap})`)}
    ${serve("forge", `(call $two (i32.const 77777) ${cap})`)}
    ${serve("crash", `(call $crash ${cap})`)}
    ${serve("spin", `(call $spin ${cap})`)})`;
};

let lab: Lab | undefined;
afterEach(() => lab?.close());

const DOMAINS: Readonly<Record<string, LabDomain>> = {
  server: { wat: server, provides: { server: "Server" } },
  client: { wat: client, provides: { client: "Client" }, uses: { server: ["Server", "server"] } },
};

async function boot(): Promise<Lab> {
  return (lab = await makeLab({ idl: IDL, domains: DOMAINS }));
}

const brief = (name: string, limit?: number): string[] =>
  lab!.system.trace(name, limit).map((e) => `${e.kind} ${e.domain} ${e.peer ?? "-"} ${e.detail}`);

describe("the trace", () => {
  test("shows a boot, grants and calls in their order, each call once, on both sides", async () => {
    const { system } = await boot();
    const calls = lab!.client("client.client");
    calls.once!();
    calls.once!();
    expect(brief("client")).toEqual([
      "load client - life 1",
      "init client - life 1",
      "start client - life 1",
      "call host client Client.once",
      "grant client server Server",
      "call client server Server.one",
      "call host client Client.once",
      "call client server Server.one",
    ]);
    const [seen, same] = [system.trace("client"), system.trace("server")];
    const numbers = (entries: typeof seen) => entries.filter((e) => e.detail === "Server.one").map((e) => e.sequence);
    expect(numbers(same)).toEqual(numbers(seen));
    expect(seen.every((e) => e.ms !== null && e.ms >= 0)).toBe(true);
    const last = seen.at(-2)!.sequence;
    expect(system.trace("client", 100, last).map((e) => e.sequence)).toEqual([seen.at(-1)!.sequence]);
  });

  test("a failed check leaves no call in it, and the fault of whoever failed", async () => {
    await boot();
    lab!.client("client.client").forge!();
    expect(brief("server").some((line) => line.includes("Server.two"))).toBe(false);
    expect(brief("client").slice(-2)).toEqual(["grant client server Server", "fault client - rule"]);
  });

  test("goes on in the next life", async () => {
    const { system } = await boot();
    lab!.client("server.server").one!();
    system.kill("server");
    system.restart("server");
    lab!.client("server.server").one!();
    expect(brief("server").slice(3)).toEqual([
      "call host server Server.one",
      "fault server - killed",
      "restart server - life 2",
      "init server - life 2",
      "start server - life 2",
      "call host server Server.one",
    ]);
  });
});

test("a report keeps what the dead domain owned, by type, and what it did last, whatever comes later", async () => {
  const { system } = await boot();
  const direct = lab!.client("server.server");
  direct.make!();
  lab!.client("client.client").crash!();
  const report = system.faults.at(-1)!;
  expect(report).toMatchObject({ domain: "server", owned: { Item: 2, Box: 1 }, objectsFreed: 3 });
  expect(report.trace.at(-2)).toMatchObject({ kind: "call", domain: "client", peer: "server", detail: "Server.crash" });
  expect(report.trace.at(-1)).toMatchObject({ kind: "fault", detail: "trap", ms: report.ms });
  const before = structuredClone(report.trace);
  system.restart("server");
  for (let i = 0; i < 20; i++) direct.one!();
  expect(report.trace).toEqual(before);
  lab!.audit();
});

test("CPU time is that of the domain that ran, not of its caller, and the sum is the thread's", async () => {
  const { system } = await boot();
  for (let i = 0; i < 3; i++) lab!.client("client.client").spin!();
  const [serverInfo, clientInfo] = [lab!.info("server"), lab!.info("client")];
  expect(serverInfo.cpuMs).toBeGreaterThan(0);
  expect(clientInfo.cpuMs).toBeLessThan(serverInfo.cpuMs);
  const { cpuMs, hostMs } = system.statistics();
  expect(hostMs + serverInfo.cpuMs + clientInfo.cpuMs).toBeCloseTo(cpuMs, 5);
});
