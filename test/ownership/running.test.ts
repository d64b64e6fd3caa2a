/**
 * What the ownership check foresees, seen: programs that it rejects, built in spite of it and run.
 *
 * The ledger is the authority: it ends the domain at the first use of what is not its own. What leaks is the domain's
 * own still, and is counted. Each program has what it needs on the path that goes wrong (`toss` answers true).
 */
import { cpSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, type SystemBuild } from "#tools/build/index.ts";
import { ROOT } from "#tools/lib/paths.ts";
import type { ShellClient } from "../../build/gen/host/shell.ts";

const SCRATCH = `build/scratch/mistakes-${process.pid}`;
const MANIFEST = defineSystem({
  name: "mistakes",
  heap: { bytes: 16 << 20, objects: 256 },
  domains: {
    medium: { domain: "medium", limits: { heapObjects: 8 } },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    mistakes: { domain: "mistakes", uses: { disk: "ramdisk.disk", medium: "medium.blocks" } },
  },
});

let build: SystemBuild;
let system: System;
let run: (name: string) => unknown;
let warnings = "";

beforeAll(async () => {
  mkdirSync(join(ROOT, SCRATCH), { recursive: true });
  cpSync(join(ROOT, "test/domains/_mistakes"), join(ROOT, SCRATCH, "mistakes"), { recursive: true });
  build = await buildSystem(MANIFEST, { roots: ["domains", SCRATCH], onOwnership: (text) => (warnings += text) });
}, 60_000);
afterAll(() => rmSync(join(ROOT, SCRATCH), { recursive: true, force: true }));
beforeEach(async () => {
  system = await System.boot(build.system, { images: build.images });
  const client = system.client<ShellClient>("mistakes.program");
  run = (name) => client.execute(name);
});
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});

const objects = (): number => system.domains().find((d) => d.name === "mistakes")!.objects;

test("the build said it all, and went on", () => {
  expect(warnings.match(/: warning: /g)!.length).toBeGreaterThan(60);
});

describe("what is used after it was given away ends the domain, and nobody else", () => {
  test.each([
    ["useAfterCall", "trap"],
    ["useAfterFree", "trap"],
    ["useAfterPush", "trap"],
    ["useAfterPutIntoPlace", "trap"],
    ["useAfterPutIntoTable", "rule"],
    ["useAfterHelper", "trap"],
    ["lendAfterFree", "rule"],
    ["copyFromFreed", "trap"],
    ["freeTwice", "rule"],
    ["moveTwice", "trap"],
    ["moveThenFree", "rule"],
    ["freeAfterCall", "rule"],
    ["moveTwiceToCalls", "rule"],
    ["sameTwice", "rule"],
    ["useAfterAnswer", "trap"],
    ["freedOnOneBranch", "trap"],
    ["movedInLoop", "rule"],
    ["usedInLoop", "trap"],
    ["freedInDo", "rule"],
    ["freeNull", "rule"],
    ["freesWhatIsLent", "rule"],
    ["storesLoan", "rule"],
    ["keepsLoanOfPlace", "trap"],
    ["loanOfOtherEnds", "trap"],
    ["copies", "rule"],
  ])("%s: %s", (name, kind) => {
    expect(run(name)).toEqual({ ok: false, fault: "crashed" });
    expect(system.faults.map((fault) => [fault.domain, fault.kind])).toEqual([["mistakes", kind]]);
    expect(objects()).toBe(0);
  });
});

describe("what leaks is owned for as long as the domain lives", () => {
  test.each([
    ["neverFreed", 1],
    ["earlyReturn", 1],
    ["answerNotFreed", 1],
    ["answerReplaced", 1],
    ["assignedOver", 1],
    ["dropped", 1],
    ["poppedAndDropped", 1],
    ["pushIgnored", 8],
    ["lostInLoop", 3],
    ["lostByContinue", 1],
    ["madeAndLost", 1],
  ])("%s: %i objects each time", (name, lost) => {
    const before = objects();
    for (let times = 1; times <= 3; times++) {
      expect(run(name)).toEqual({ ok: true, value: "done\n" });
      expect(objects()).toBe(before + times * lost);
    }
    expect(system.faults).toEqual([]);
  });

  test("lostWhenDead: only where the call is refused", () => {
    const before = objects();
    run("lostWhenDead");
    expect(objects()).toBe(before);
    system.kill("ramdisk");
    run("lostWhenDead");
    expect(objects()).toBe(before + 1);
  });
});
