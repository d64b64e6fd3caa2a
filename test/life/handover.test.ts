/**
 * State hand-over as AssemblyScript domains do it (`os/state`), from one built version to the next.
 *
 * Each test builds the keeper (test/domains/keeper) in versions that differ in some lines, and replaces one by the
 * other while a client goes on calling.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildDomain, buildInterfaces, buildSystem } from "#tools/build/index.ts";
import { ROOT } from "#tools/lib/paths.ts";
import type { ShellClient } from "../../build/gen/host/shell.ts";

const SCRATCH = `build/scratch/handover-${process.pid}`;
const MANIFEST = defineSystem({
  name: "handover",
  heap: { bytes: 16 << 20, objects: 256 },
  domains: {
    medium: { domain: "medium", limits: { heapObjects: 8 } },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    keeper: { domain: "keeper", uses: { disk: "ramdisk.disk" } },
  },
});

let system: System;
let say: (line: string) => string;

beforeEach(async () => {
  const build = await buildSystem(MANIFEST, { roots: ["domains", "test/domains"] });
  system = await System.boot(build.system, { images: build.images });
  const client = system.client<ShellClient>("keeper.program");
  say = (line) => {
    const answer = client.execute(line);
    return answer.ok ? answer.value : JSON.stringify(answer);
  };
});
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});
afterAll(() => rmSync(join(ROOT, SCRATCH), { recursive: true, force: true }));

/** Builds the keeper with some of its text replaced, and puts it in the place of the running one. */
async function replace(...edits: [old: string, now: string][]): Promise<boolean> {
  const dir = `${SCRATCH}/keeper`;
  mkdirSync(join(ROOT, SCRATCH), { recursive: true });
  cpSync(join(ROOT, "test/domains/keeper"), join(ROOT, dir), { recursive: true });
  const file = join(ROOT, dir, "index.ts");
  let text = readFileSync(file, "utf8");
  for (const [old, now] of edits) {
    expect(text).toContain(old);
    text = text.replace(old, now);
  }
  writeFileSync(file, text);
  const build = await buildDomain(dir, await buildInterfaces(), undefined, "quick");
  return system.replace("keeper", { bytes: build.bytes });
}
const version = (n: number): [string, string] => ["VERSION: u32 = 1", `VERSION: u32 = ${n}`];
const objects = () => system.domains().find((d) => d.name === "keeper")!.objects;

describe("hand-over", () => {
  test("numbers, text, the object and the capability carry over, twice", async () => {
    say("one");
    expect(await replace(version(2))).toBe(true);
    expect(say("two")).toBe("version 2: calls 2, sum 8589934592, ratio 1.0, tag 41, before: one");
    expect(await replace(version(3))).toBe(true);
    expect(say("three")).toBe("version 3: calls 3, sum 12884901888, ratio 1.5, tag 41, before: two");
    expect(objects()).toBe(1);
    expect(system.faults).toEqual([]);
  });

  test("text that is longer than the first buffer", async () => {
    const long = "é".repeat(120);
    say(long);
    say("x".repeat(256));
    expect(await replace(version(2))).toBe(true);
    expect(say("")).toContain(`before: ${"x".repeat(256)}`);
  });

  test("a version that reads more than was written dies, and the old one runs again from its first state", async () => {
    say("one");
    const greedy = replace(version(2), [
      "this.request.put(input.object<BlockRequest>());",
      "this.request.put(input.object<BlockRequest>());\n    input.u32();",
    ]);
    await expect(greedy).rejects.toThrow(
      /keeper died in samara_restored: the state of the former version ends here .*; the former version runs again/,
    );
    expect(say("two")).toBe("version 1: calls 1, sum 4294967296, ratio 0.5, tag 41, before: nothing");
    expect(objects()).toBe(1);
    expect(system.faults.map((f) => f.domain)).toEqual(["keeper"]);
  });

  test("a version may make something else of what it reads, and leave the rest", async () => {
    say("one");
    const less = replace(
      version(2),
      ["this.calls = input.u32();", "this.calls = input.u32() + 10;"],
      ["this.request.put(input.object<BlockRequest>());", "this.request.put(BlockRequest.create());"],
    );
    expect(await less).toBe(true);
    expect(say("two")).toContain("version 2: calls 12, sum 8589934592, ratio 1.0, tag 0,");
    // Nobody knows the former object any more; it is freed with its owner.
    expect(objects()).toBe(2);
    system.restart("keeper");
    expect(objects()).toBe(1);
  });

  test("a version that takes nothing over begins anew, and what the old one owned is freed", async () => {
    say("one");
    const exports = 'export { samara_restore, samara_restored, samara_save, samara_save_size } from "os/state";';
    expect(await replace(version(2), [exports, ""])).toBe(false);
    expect(say("two")).toBe("version 2: calls 1, sum 4294967296, ratio 0.5, tag 42, before: nothing");
    expect(objects()).toBe(1);
  });

  test("an object that is none ends the version that believes in it, and nobody else", async () => {
    say("one");
    // It forgets the capability, so the capability's number is read as a handle.
    expect(await replace(version(2), ["input.capability<BlockDevice>();", 'BlockDevice.use("disk");'])).toBe(true);
    expect(say("two")).toBe('{"ok":false,"fault":"crashed"}');
    expect(system.faults).toHaveLength(1);
    expect(system.domains().find((d) => d.name === "ramdisk")!.state).toBe("running");
  });
});
