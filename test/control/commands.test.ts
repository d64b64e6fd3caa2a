/**
 * The commands as they are typed, against a running system in a process of its own.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { InspectAnswer, PsAnswer } from "#runtime/control/handlers.ts";
import type { Rates } from "#runtime/control/rates.ts";
import type { GraphEdge, TraceEntry } from "#runtime/node/system.ts";
import { ROOT } from "#tools/lib/paths.ts";
import manifest from "../../systems/default.ts";
import { IN_MEMORY } from "../support/devices.ts";

const NAME = `commands-${process.pid}`;
const PROMPT = "samara> ";

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function launch(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/samara.ts", ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
  });
}

function samara(args: readonly string[], onOutput?: (out: string, child: ChildProcess) => void): Promise<Outcome> {
  const child = launch(args);
  let [out, err] = ["", ""];
  child.stdout!.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    onOutput?.(out, child);
  });
  child.stderr!.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out, err })));
}

const on = (...args: string[]): Promise<Outcome> => samara([...args, "--system", NAME]);
const json = async <T>(...args: string[]): Promise<T> => {
  const { code, out, err } = await on(...args, "--json");
  expect({ code, err }).toEqual({ code: 0, err: "" });
  return JSON.parse(out) as T;
};

let system: ChildProcess;
let ended: Promise<number | null>;
let shown = "";

beforeAll(async () => {
  system = launch(["run", "default", "--name", NAME, ...IN_MEMORY]);
  ended = new Promise((resolve) => system.on("exit", resolve));
  await new Promise<void>((resolve, reject) => {
    system.stdout!.on("data", (chunk: Buffer) => {
      shown += chunk.toString();
      if (shown.endsWith(PROMPT)) resolve();
    });
    system.on("exit", () => reject(new Error(`the system ended: ${shown}`)));
  });
}, 60_000);
afterAll(() => void system.kill("SIGKILL"));

test("ps lists the domains, as text and as data", async () => {
  const [text, data] = await Promise.all([on("ps"), json<PsAnswer>("ps")]);
  expect(text.out.split("\n")[0]).toMatch(/^NAME +STATE +GEN +FAULTS +UP +CPU +HEAP +OBJECTS +MEMORY +LAST FAULT$/);
  expect(data.domains.map((d) => d.name).toSorted()).toEqual(Object.keys(manifest.domains).toSorted());
  for (const d of data.domains) {
    expect(d).toMatchObject({ state: "running", incarnation: 1, lastFault: null });
    expect(text.out).toMatch(new RegExp(`^${d.name} +running +1 +0 `, "m"));
  }
});

test("top adds up, and is one JSON object a report", async () => {
  const one = await json<Rates>("top", "--once", "--interval", "50");
  const sum = (values: number[]): number => values.reduce((a, b) => a + b, 0);
  expect(one.system).toBe(NAME);
  expect(sum(one.edges.map((e) => e.callsPerSecond))).toBeCloseTo(one.total.callsPerSecond, 6);
  expect(sum(one.domains.map((d) => d.callsIn))).toBeLessThanOrEqual(one.total.callsPerSecond + 1e-6);
  expect(one.total.hostPercent + sum(one.domains.map((d) => d.cpuPercent))).toBeGreaterThanOrEqual(
    one.total.cpuPercent - 1e-6,
  );
  expect(one.edges.find((e) => e.caller === "client" && e.method === "put")).toMatchObject({ callee: "kv" });
  const live = await samara(["top", "--interval", "20", "--json", "--system", NAME], (out, child) => {
    if (out.split("\n").length > 3) child.kill("SIGINT");
  });
  expect({ code: live.code, err: live.err }).toEqual({ code: 0, err: "" });
  const reports = live.out.trimEnd().split("\n");
  expect(reports.length).toBeGreaterThanOrEqual(3);
  for (const report of reports) expect((JSON.parse(report) as Rates).pid).toBe(system.pid);
  const text = await on("top", "--once", "--interval", "50");
  expect(text.out).toMatch(/^DOMAIN +STATE +GEN +CPU % /m);
  expect(text.out).not.toContain("\u001b");
});

test("graph is a chart, and as data says who may call whom", async () => {
  const [chart, { edges }] = await Promise.all([on("graph"), json<{ edges: GraphEdge[] }>("graph")]);
  expect(chart.out).toMatch(/^graph LR\n/);
  expect(edges).toContainEqual(
    expect.objectContaining({ holder: "client", provider: "kv", interface: "KeyValue", by: "manifest" }),
  );
});

test("trace shows the last calls in order, and follows", async () => {
  const { out, code } = await on("trace", "kv", "--json");
  expect(code).toBe(0);
  const entries = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as TraceEntry);
  expect(entries.some((e) => e.kind === "call" && e.domain === "client" && e.detail === "KeyValue.put")).toBe(true);
  const numbers = entries.map((e) => e.sequence);
  expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
  let asked = false;
  const followed = await samara(["trace", "kv", "--follow", "--system", NAME], (text, child) => {
    if (!asked) asked = system.stdin!.write("kv get greeting\n");
    if (text.includes("shell → kv KeyValue.get")) child.kill("SIGINT");
  });
  expect({ code: followed.code, err: followed.err }).toEqual({ code: 0, err: "" });
});

test("crash, inspect, restart, kill: a death, its post-mortem, and the next life", async () => {
  expect((await on("crash", "scratchMedium")).out).toBe("crashed scratchMedium; it is dead now\n");
  expect(await on("crash", "scratchMedium")).toMatchObject({ code: 1, err: "samara: scratchMedium is dead\n" });
  const post = await json<InspectAnswer>("inspect", "scratchMedium");
  expect(post.domain).toMatchObject({ name: "scratchMedium", state: "dead", incarnation: 1, faults: 1, objects: 0 });
  expect(post.fault).toMatchObject({ kind: "trap", message: "crashed on command", incarnation: 1 });
  expect(post.fault!.owned).toEqual({ BlockRequest: 64 });
  expect(post.fault!.trace.at(-1)).toMatchObject({ kind: "fault", domain: "scratchMedium" });
  expect((await on("inspect", "scratchMedium")).out).toMatch(
    /last death, .*end of life 1:\n {2}scratchMedium died: trap: crashed/,
  );
  expect(await json("restart", "scratchMedium")).toEqual({ domain: "scratchMedium", restarted: true, incarnation: 2 });
  expect((await on("restart", "scratchMedium")).out).toBe("restarted scratchMedium: life 3\n");
  const { domains } = await json<PsAnswer>("ps");
  const medium = domains.find((d) => d.name === "scratchMedium")!;
  expect(medium).toMatchObject({ state: "running", incarnation: 3, faults: 2 });
  expect(medium.lastFault).toContain("killed: restarted on command");
  expect(await json("kill", "scratchMedium")).toMatchObject({ state: "dead" });
});

test("a crash of the domain's own has its source line and call chain in the post-mortem", async () => {
  system.stdin!.write("crash trap\n");
  await expect.poll(() => shown, { timeout: 20_000 }).toContain("crasher died");
  const { fault } = await json<InspectAnswer>("inspect", "crasher");
  expect(fault!.frames.some((f) => f.source?.file === "domains/crasher/index.ts")).toBe(true);
  expect(fault!.chain).toEqual(["host", "shell", "crasher"]);
});

test("devices, each access to one by name, and faults", async () => {
  const { running } = await json<{ running: { name: string; system: string; driver: string; backend: string }[] }>(
    "devices",
  );
  expect(running).toMatchObject([{ name: "nvme0", system: NAME, driver: "nvme", backend: "model:nvme" }]);
  // The disk rests: somebody has to use it.
  const use = setInterval(() => system.stdin!.write("kv put traced yes\n"), 200);
  const traced = await on("trace", "nvme0", "--mmio", "--limit", "2").finally(() => clearInterval(use));
  expect({ code: traced.code, err: traced.err }).toEqual({ code: 0, err: "" });
  expect(traced.out).toMatch(/^( +\d+ +\d+\.\d{6}s {2}\S.*\n){2}$/);
  const fault = "error:after=1000000000";
  expect(await json("fault", "nvme0", fault)).toEqual({ device: "nvme0", fault });
});

describe("mistakes", () => {
  test.each([
    [["fault", "nvme0", "hung"], /^samara: nvme0: unknown fault "hung"; there are error, /, 1],
    [["fault", "nvme", "hang"], /^samara: there is no device "nvme" \(did you mean "nvme0"\?\)\n$/, 1],
    [["trace", "nvme", "--mmio"], /^samara: there is no device "nvme" /, 1],
    [["trace", "nvme0", "--mmio", "--follow"], /^samara: trace: --follow does not go with --mmio\n$/, 2],
    [["trace", "a", "--mmio", "--diff"], /^samara: trace: --mmio and --diff do not go together\n$/, 2],
    [["trace", "a", "--diff"], /^samara: trace: write: trace --diff A B\n$/, 2],
    [["trace", "/no/such", "--show"], /^samara: \/no\/such cannot be read: ENOENT\n$/, 1],
    [["kill", "kvv"], /^samara: no domain is named "kvv"; there are init, .*scratch, .*\n$/, 1],
    [["inspect"], /^samara: inspect: an argument is missing; write: inspect DOMAIN\n$/, 2],
    [["trace", "kv", "--limit", "x"], /^samara: trace: --limit takes a whole number/, 2],
    [["top", "--interval", "1"], /^samara: top: --interval takes a whole number/, 2],
  ])("%j", async (args, message, code) => {
    const outcome = await on(...args);
    expect(outcome.err).toMatch(message);
    expect({ code: outcome.code, out: outcome.out }).toEqual({ code, out: "" });
  });

  test("a second system of the same name is refused; a system that does not run is none", async () => {
    const second = await samara(["run", "default", "--name", NAME, ...IN_MEMORY]);
    expect(second.code).toBe(1);
    expect(second.err).toBe(`samara: a system named ${NAME} is running already; give this one another name\n`);
    const none = await samara(["ps", "--system", "nobody"]);
    expect(none.code).toBe(1);
    expect(none.err).toMatch(/^samara: no system named nobody is running; there is .*\n$/);
  });
});

test("a system that ended is gone for commands, one that was killed too, and its name is free", async () => {
  system.kill("SIGKILL");
  await ended;
  expect((await on("ps")).code).toBe(1);
  const again = await samara(["run", "default", "--name", NAME, ...IN_MEMORY], (out, child) => {
    if (out.endsWith(PROMPT)) child.stdin!.end("exit\n");
  });
  expect({ code: again.code, err: again.err }).toEqual({ code: 0, err: "" });
});
