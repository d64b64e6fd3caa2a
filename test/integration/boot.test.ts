/**
 * The default system as a user of the console sees it: what boots, what answers, and what a crash leaves behind.
 */
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { Console } from "#runtime/control/console.ts";
import type { ShellClient } from "#runtime/control/console.ts";
import { consoleService, systemService } from "#runtime/control/services.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import type { SystemBuild } from "#tools/build/index.ts";
import { BUILD } from "#tools/lib/paths.ts";
import manifest from "../../systems/default.ts";
import { testDevice } from "../support/devices.ts";

let build: SystemBuild;
let system: System;
let said: string[];
beforeAll(async () => {
  build = await buildSystem(manifest);
});
beforeEach(async () => {
  said = [];
  system = new System(build.system, {
    images: build.images,
    devices: testDevice,
    cacheDir: join(BUILD, "cache", "lowered"),
  });
  system.serve("System", systemService(system));
  system.serve(
    "Console",
    consoleService((line) => said.push(line)),
  );
  await system.start();
});
afterEach(() => system.stop());

function shell(line: string): string {
  const answer = system.client<ShellClient>("shell.shell").execute(line);
  if (!answer.ok) throw new Error(JSON.stringify(answer));
  return answer.value;
}
const states = () => Object.fromEntries(system.domains().map((d) => [d.name, d.state]));

test("boot: every domain runs, and init and the client have said so", () => {
  expect(said).toEqual([
    "init: 10 domains: init, pci, nvme, scratchMedium, scratch, disk, kv, client, crasher, shell",
    "client: the store works: 2 keys",
  ]);
  expect(new Set(Object.values(states()))).toEqual(new Set(["running"]));
  expect(system.kernel.heap.check?.() ?? []).toEqual([]);
});

test("a second build compiles nothing", async () => {
  const compiled: string[] = [];
  await buildSystem(manifest, { onCompile: (dir) => compiled.push(dir) });
  expect(compiled).toEqual([]);
});

describe("the shell", () => {
  test("lists domains", () => {
    const lines = shell("ps").trimEnd().split("\n");
    expect(lines[0]).toMatch(/^NAME +STATE +GEN +FAULTS +HEAP +OBJECTS +LAST FAULT/);
    expect(lines.slice(1).map((line) => line.split(" ")[0])).toEqual(Object.keys(states()));
  });
  test("stores, finds, lists and deletes", () => {
    expect(shell("kv get greeting")).toBe("hello from the client\n");
    expect(shell("kv put  color   deep  blue ")).toBe("ok\n");
    expect(shell("kv get color")).toBe("deep  blue\n");
    expect(shell("kv ls").split("\n").slice(0, -2).toSorted()).toEqual(["client/0", "color", "greeting"]);
    expect(shell("kv del color")).toBe("ok\n");
    expect(shell("kv get color")).toBe("kv: not found\n");
    expect(shell("kv stat")).toMatch(/^2 keys, \d+ B live, /);
  });
  test("reads and writes blocks", () => {
    expect(shell("disk write 3 samara")).toBe("ok\n");
    expect(shell("disk read 3")).toContain("73 61 6d 61 72 61 00");
    expect(shell("disk read 64")).toBe("disk: there is no such block\n");
    expect(shell("disk stat")).toContain("64 of 4 KiB");
  });
  test.each([
    ["", ""],
    ["   ", ""],
    ["nonsense", "nonsense: no such command; write help\n"],
    ["kv", "usage: kv get KEY"],
    ["kv get", "usage: kv get KEY"],
    ["disk read", "usage: disk read"],
    ["disk read -1", "usage: disk read"],
    ["disk read 99999999999999999999", "usage: disk read"],
    ["kill", "usage: kill NAME"],
    ["kill nobody", "kill: there is no running domain"],
    [`kv get ${"k".repeat(200)}`, "kv: the call met a fault: too large"],
    ["help", "kv put KEY VALUE"],
    ["stat", "exchange heap"],
    ["crash", "crash abort"],
  ])("answers %j", (line, expected) => expect(shell(line)).toContain(expected));
});

describe("a crash is contained", () => {
  test.each([
    ["abort", "abort", "crashed as asked"],
    ["trap", "trap", "divide by zero"],
    ["memory", "trap", ""],
    ["allocate", "trap", ""],
    ["stack", "stack", ""],
    ["loop", "slice", ""],
    ["stale", "trap", "unreachable"],
    ["free", "rule", "heap.free"],
    ["bounds", "trap", "unreachable"],
  ])("crash %s", (way, kind, message) => {
    expect(shell(`crash ${way}`)).toBe("crasher crashed; the system goes on (see ps)\n");
    expect(states()).toEqual({
      ...Object.fromEntries(Object.keys(states()).map((n) => [n, "running"])),
      crasher: "dead",
    });
    expect(system.faults).toHaveLength(1);
    const fault = system.faults[0]!;
    expect(fault).toMatchObject({ domain: "crasher", kind, chain: ["host", "shell", "crasher"] });
    expect(fault.message).toContain(message);
    // What was inlined, either way, is named by the function that it was inlined into; the line is the domain's.
    const files = fault.frames.map((f) => f.source?.file);
    if (kind !== "slice") expect(files).toContain("domains/crasher/index.ts");
    if (way === "trap") expect(fault.frames[0]!.source).toMatchObject({ file: "domains/crasher/index.ts" });
    expect(system.domains().find((d) => d.name === "crasher")).toMatchObject({ objects: 0, bytes: 0 });
    expect(shell("crash trap")).toBe("crasher is dead: `restart crasher` begins its next life\n");
    expect(shell("kv get greeting")).toBe("hello from the client\n");
  });

  test("whoever calls the dead gets a fault, and the living go on", () => {
    expect(shell("kill kv")).toBe("killed kv\n");
    expect(shell("kv ls")).toBe("kv: the call met a fault: dead\n");
    expect(shell("kill nvme")).toBe("killed nvme\n");
    expect(shell("ps")).toMatch(/kv +dead/);
    expect(shell("disk stat")).toContain("blocks");
  });
});

test("the console reads lines, shows answers and faults, and ends on exit", async () => {
  const input = new PassThrough();
  const output = new PassThrough();
  const console_ = new Console({
    input,
    output,
    prompt: "> ",
    program: () => system.client<ShellClient>("shell.shell"),
  });
  let text = "";
  output.on("data", (chunk: Buffer) => (text += chunk.toString()));
  input.end(`kv get greeting\n${"x".repeat(300)}\nkill shell\nps\nexit\n`);
  await console_.run();
  expect(text).toContain("hello from the client\n");
  expect(text).toContain("at most 256 bytes");
  expect(text).toContain("the shell is dead");
});
