/**
 * The guest library of threads, used by a domain in AssemblyScript.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { until } from "./world.ts";

const manifest = defineSystem({
  name: "threads",
  heap: { bytes: 1 << 20, objects: 1024 },
  domains: { threads: { domain: "threads" } },
});

let system: System;
const rings: string[] = [];
let said = 0;
beforeAll(async () => {
  const build = await buildSystem(manifest, { roots: ["domains", "test/domains"] });
  system = await System.boot(build.system, { images: build.images, onDeadlock: (ring) => rings.push(ring) });
}, 120_000);
afterAll(() => system.stop());

function tell(line: string): string {
  const answer = system.client<{ execute(line: string): { value: string } }>("threads.program").execute(line);
  return answer.value;
}
const threads = (): number => system.domains()[0]!.threads;

/** What the threads noted that a command has started. */
async function run(command: string, left = 0): Promise<string[]> {
  tell(command);
  await until(() => threads() === left);
  const log = tell("log");
  const lines = log.slice(said).trim().split("\n");
  said = log.length;
  return lines;
}

test("producers and a consumer on condition variables: nothing is lost, nothing overflows", async () => {
  const expected = [1, 2, 3].flatMap((p) => Array.from({ length: 10 }, (_, i) => p * 100 + i));
  const sum = expected.reduce((a, b) => a + b, 0);
  expect(await run("buffer")).toEqual([`sum ${sum} codes 6 longest 3`]);
});

test("every kind of wait ends as it should", async () => {
  const lines = await run("waits");
  expect(lines.toSorted()).toEqual(
    [
      "self deadlock",
      "time-out timed out",
      "slept none long",
      "join timed out",
      "sleeper cancelled",
      "waiter 1 none",
      "waiter 2 none",
      "cleared timed out",
      "again none",
    ].toSorted(),
  );
  expect(rings).toEqual([expect.stringMatching(/^threads\/thread (\d+) waits for threads\/thread \1$/)]);
});

test("in a plain call a wait fails at once, and there is no thread", async () => {
  expect(await run("plain")).toEqual(["plain cannot suspend none"]);
});

test("step works off what there is, sleeps, and is woken", async () => {
  tell("step");
  await until(() => tell("steps") === "100");
  tell("step");
  await until(() => tell("steps") === "200");
  expect(system.faults).toEqual([]);
});

test("beyond the limit spawn gives a null thread", async () => {
  expect(await run("many", 7)).toEqual(["spawned 7"]);
});
