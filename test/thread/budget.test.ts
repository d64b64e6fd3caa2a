/**
 * Budgets of the process: their exhaustion is an error to the domain that asks, and never the end of the process.
 *
 * What needs many threads runs in child processes. SAMARA_STRESS=full has them kill 80,000 threads instead of some.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { KernelError } from "#kernel/errors.ts";
import { Budget } from "#kernel/thread/budget.ts";
import { budgetsFor } from "#runtime/node/budgets.ts";
import { Entry, makeWorld, turns, until } from "./world.ts";

const CHILD = fileURLToPath(new URL("stress-child.ts", import.meta.url));
const KILLS = process.env.SAMARA_STRESS === "full" ? 80_000 : 3_000;

async function child<T>(...args: string[]): Promise<T> {
  // An abort would be a rejection that names the signal.
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, ...args]);
  return JSON.parse(stdout) as T;
}

const budgets = (threads: number, memories: number) => ({
  threads: new Budget(threads),
  memories: new Budget(memories),
});

test("threads: spawn gives none and a call is refused, until others have ended, in whatever domain", async () => {
  const limited = budgets(3, 100);
  const world = await makeWorld({ domains: { a: null, b: null }, budgets: limited });
  const [a, b] = [world.control("a"), world.control("b")];
  const event = a.call("eventNew") as number;
  for (let i = 0; i < 3; i++) expect(a.spawn(Entry.wait, event)).toBeGreaterThan(0);
  expect(b.spawn(Entry.note, 1)).toBe(0);
  expect(await b.run(Entry.note, 1)).toEqual({ ok: false, fault: "exhausted" });
  expect(limited.threads.used).toBe(3);
  // Those that never ran are given back too.
  world.lab.system.kill("a");
  await until(() => world.lab.info("a").state === "dead");
  expect(limited.threads.used).toBe(0);
  expect(await b.run(Entry.note, 1)).toEqual({ ok: true, value: 101 });
  await turns();
  expect([limited.threads.used, world.lab.faults.length]).toEqual([0, 1]);
  world.lab.audit();
  await world.lab.close();
});

test("memories: a domain is not loaded, and those that run are not touched", async () => {
  const limited = budgets(10, 2);
  const refused = await makeWorld({ domains: { a: null, b: null, c: null }, budgets: limited }).catch(
    (e: unknown) => e,
  );
  expect(refused).toBeInstanceOf(KernelError);
  expect(refused).toMatchObject({ code: "limit", message: "c: the process has 2 memories, its limit" });
  expect(limited.memories.used).toBeLessThanOrEqual(2);
});

test("what a process may have of both lies within its maps, and within V8's own ceilings", () => {
  for (const maps of [0, 8_192, 10_000, 65_530, 262_144, 1_000_000]) {
    const { threads, memories } = budgetsFor(maps);
    expect(2 * (threads.limit + memories.limit)).toBeLessThanOrEqual(Math.max(0, maps - 8_192));
    expect(threads.limit).toBeLessThanOrEqual(20_000);
    expect(memories.limit).toBeLessThanOrEqual(15_000);
  }
  expect(budgetsFor(65_530).threads.limit).toBeGreaterThan(10_000);
});

describe("in a process of its own", { timeout: 600_000 }, () => {
  interface Held {
    readonly made: number;
    readonly mapsEach: number;
    readonly left: number;
  }
  test.each(["one", "spread"])("10,000 threads are suspended and end: %s", async (how) => {
    const { made, mapsEach, left } = await child<Held>(how, "10000");
    expect([made, left]).toEqual([10_000, 0]);
    expect(mapsEach).toBeLessThan(2.5);
  });

  test(`${KILLS} kills of suspended threads leave no maps behind`, async () => {
    const { kills, early, late, left } = await child<Record<string, number>>("kills", `${KILLS}`);
    expect([kills, left]).toEqual([KILLS, 0]);
    expect(late).toBeLessThan(early! + 200);
  });

  test("beyond the budget: no thread, a fault code, and everybody goes on", async () => {
    const { made, limit, ...rest } = await child<{ made: number; limit: number }>("beyond");
    expect(made).toBe(limit);
    expect(rest).toEqual({
      refused: { spawn: 0, call: { ok: false, fault: "exhausted" } },
      states: ["running", "running", "running"],
      after: { ok: true, value: 105 },
    });
  });
});
