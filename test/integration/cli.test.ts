/**
 * The commands as they are typed: each test runs the CLI in a process of its own.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import type { ShellClient } from "#runtime/control/console.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { newDomain } from "#tools/commands/new.ts";
import { ROOT } from "#tools/lib/paths.ts";

interface Outcome {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the CLI. `onOutput` sees everything printed so far and may write to the child or signal it. */
function samara(args: string[], onOutput?: (out: string, child: ReturnType<typeof spawn>) => void): Promise<Outcome> {
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/samara.ts", ...args], {
    cwd: ROOT,
    env: { ...process.env, NO_COLOR: "1" },
  });
  let [out, err] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    onOutput?.(out, child);
  });
  child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code, signal) => resolve({ code, signal, out, err })));
}

describe("mistakes get one message and exit code 2", () => {
  test.each([
    [["bnch"], 'samara: unknown command "bnch" (did you mean "bench"?); `npm run samara -- help` lists them\n'],
    [["help", "rnu"], 'samara: unknown command "rnu" (did you mean "run"?)'],
    [["build", "--all"], "samara: build: unknown option --all"],
    [["proxy", "client", "kv", "--sytem", "x"], 'samara: proxy: unknown option --sytem (did you mean "--system"?)'],
    [["proxy", "client"], "samara: proxy: an argument is missing; write: proxy CALLER CALLEE [METHOD]"],
    [["proxy", "client", "kv", "get", "more"], 'samara: proxy: unexpected argument "more"'],
    [["proxy", "client", "shell"], "samara: proxy: client uses nothing of shell; it uses kv, host"],
    [["proxy", "clint", "kv"], 'samara: proxy: default has no domain "clint" (did you mean "client"?)'],
    [["idl", "KeyValu"], 'samara: idl: there is no interface "KeyValu" (did you mean "KeyValue"?)'],
    [["new", "domain", "Bad_Name"], 'samara: new: "Bad_Name" is no name'],
    [["new", "domain", "kv"], "samara: new: there is already a domains/kv"],
    [["new", "domain", "threads"], "samara: new: there is already a test/domains/threads"],
    [["run", "default", "--record", "nvme0"], "samara: run: --record takes DEVICE=FILE"],
    [
      ["run", "default", "--replay", "nvme=x"],
      'run: --replay: the system has no device "nvme" (did you mean "nvme0"?)',
    ],
    [["new", "service", "x"], 'samara: new: "service" cannot be made'],
  ])("%j", async (args, message) => {
    const { code, out, err } = await samara(args);
    expect(err).toContain(message);
    expect(err.trimEnd().split("\n")).toHaveLength(1);
    expect({ code, out }).toEqual({ code: 2, out: "" });
  });
  test("a system that does not exist", async () => {
    const { code, err } = await samara(["run", "defualt"]);
    expect({ code, err }).toEqual({
      code: 1,
      err: 'samara: there is no systems/defualt.ts (did you mean "default"?)\n',
    });
  });
});

test("help lists the commands; help COMMAND and --help explain one", async () => {
  const { code, out } = await samara(["help"]);
  expect(code).toBe(0);
  for (const name of [
    "run [SYSTEM]",
    "bench NAME",
    "idl",
    "proxy CALLER CALLEE",
    "new domain NAME",
    "build",
    "check",
  ]) {
    expect(out).toContain(`  ${name}`);
  }
  expect(out).not.toContain("\u001b");
  const [help, flag] = await Promise.all([samara(["help", "run"]), samara(["run", "--help"])]);
  expect(help.out).toBe(flag.out);
  expect(help.out).toContain("Ctrl-C");
});

test("proxy prints readable code, idl a page", async () => {
  const [proxy, idl] = await Promise.all([samara(["proxy", "client", "kv", "delete"]), samara(["idl", "KeyValue"])]);
  expect(proxy.out).toContain("sourceURL=samara://proxy/client/kv.0/KeyValue.delete");
  expect(proxy.code).toBe(0);
  expect(idl.out).toContain("# ");
  expect(idl.out).toContain("put");
});

describe("run", () => {
  test("boots, answers lines from stdin, and ends with the input", async () => {
    const { code, out, err } = await samara(["run"], (text, child) => {
      if (text.includes("write help\n")) child.stdin?.end("kv get greeting\ncrash trap\nkv get greeting\n");
    });
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out.match(/hello from the client/g)).toHaveLength(2);
    expect(out).toMatch(/crasher died: trap: divide by zero at domains\/crasher\/index\.ts:\d+:\d+/);
  });
  test.each(["SIGINT", "SIGTERM"] as const)("%s ends it cleanly", async (signal) => {
    let sent = false;
    const { code, signal: by } = await samara(["run"], (text, child) => {
      if (!sent && text.includes("write help")) sent = child.kill(signal);
    });
    expect({ code, by }).toEqual({ code: 0, by: null });
  });
});

describe("new domain", () => {
  const root = `build/scratch/new-${process.pid}`;
  afterAll(() => rmSync(join(ROOT, root), { recursive: true, force: true }));

  test("makes a domain that builds and answers", async () => {
    mkdirSync(join(ROOT, root), { recursive: true });
    const dir = await newDomain("greeter", root);
    expect(existsSync(join(ROOT, dir, "README.md"))).toBe(true);
    const manifest = defineSystem({
      name: "new",
      heap: { bytes: 1024 * 1024, objects: 256 },
      domains: { greeter: { domain: "greeter" } },
    });
    const build = await buildSystem(manifest, { roots: [root] });
    const system = await System.boot(build.system, { images: build.images });
    try {
      const client = system.client<ShellClient>("greeter.program");
      expect(client.execute("world")).toEqual({ ok: true, value: "greeter: hello, world\n" });
    } finally {
      await system.stop();
    }
  });
});
