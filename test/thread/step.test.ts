/**
 * Domains that poll, and the host's control while others spin.
 */
import { afterEach, expect, test } from "vitest";
import { RpcFault } from "#kernel/interface/model.ts";
import { assemble, namesOf } from "../support/lab.ts";
import { Entry, makeWorld, program, turns, until, type Control, type World, type WorldOptions } from "./world.ts";

const STEP = 7000;
let world: World;
let a: Control;
afterEach(async () => {
  world.lab.audit();
  await world.lab.close();
});
const start = async (options: Partial<WorldOptions> = {}): Promise<void> => {
  world = await makeWorld({ domains: { a: null, b: null }, step: ["a", "b"], ...options });
  a = world.control("a");
};
const steps = (): number => world.notes.filter((n) => n === STEP).length;

test("a domain that polls is called once, and then sleeps until it is notified", async () => {
  await start();
  await until(() => steps() === 2);
  await turns();
  expect(steps()).toBe(2);
  a.call("notify");
  a.call("notify");
  await turns();
  expect(steps()).toBe(3);
});

test("an idle one is called again and again, with growing rests", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 0);
  a.call("notify");
  await until(() => steps() >= 10);
  const { poller } = world.lab.system.kernel.domain("a").threads;
  expect(poller!.idleMs).toBeGreaterThan(1);
  await until(() => poller!.idleMs === 8);
});

test("notified while it runs, it is called once more", async () => {
  await start();
  await until(() => steps() === 2);
  // The note of the step comes back to the domain as a plain call.
  const { notes } = world;
  let again = 3;
  const push = notes.push.bind(notes);
  notes.push = (...items: number[]): number => {
    if (again-- > 0) a.call("notify");
    return push(...items);
  };
  a.call("notify");
  await until(() => steps() >= 5);
  await turns();
  expect(steps()).toBe(6);
});

test("a wait in a step is refused", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 97);
  a.call("notify");
  await until(() => world.notes.includes(RpcFault.cannotSuspend));
  expect(world.lab.faults).toEqual([]);
});

test("one that never rests starves nobody: host timers, sockets' turns, other pollers, threads, time-outs", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 1);
  a.call("notify");
  const fired: string[] = [];
  setTimeout(() => fired.push("timer"), 1);
  setImmediate(() => fired.push("immediate"));
  a.spawn(Entry.note, 1, 0);
  a.spawn(Entry.sleep, 3, 0);
  const b = world.control("b");
  b.spawn(Entry.yieldForEver, 2, 3);
  b.call("stepAnswers", 1);
  b.call("notify");
  await until(() => fired.length === 2 && world.notes.includes(1) && world.notes.includes(3));
  expect(fired).toContain("timer");
  const before = steps();
  await turns();
  expect(steps()).toBeGreaterThan(before);
  expect(world.lab.info("a").state).toBe("running");
});

test("the host has its turn between two windows, however many threads are ready", async () => {
  await start({ threads: 64, step: [] });
  for (let i = 0; i < 64; i++) a.spawn(Entry.yieldForEver, i, i & 3);
  const seen: number[] = [];
  for (let i = 0; i < 5; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push(world.notes.length);
  }
  // Each turn of the host came, and the threads ran in between.
  expect(seen).toEqual(seen.toSorted((x, y) => x - y));
  expect(seen.at(-1)).toBeGreaterThan(seen[0]!);
});

test("one that crashes dies alone", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 98);
  a.call("notify");
  await until(() => world.lab.info("a").state === "dead");
  expect(world.lab.faults).toMatchObject([{ domain: "a", kind: "trap", chain: ["host", "a"] }]);
  const before = steps();
  world.control("b").call("notify");
  await until(() => steps() === before + 1);
});

test("one that loops is ended by its slice", async () => {
  await start({ limits: { sliceMs: 5 } });
  await until(() => steps() === 2);
  a.call("stepAnswers", 99);
  a.call("notify");
  await until(() => world.lab.info("a").state === "dead");
  expect(world.lab.faults).toMatchObject([{ domain: "a", kind: "slice" }]);
});

test("a replacement's step takes the place of the former one's", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 1);
  a.call("notify");
  await turns();
  const { kernel } = world.lab.system;
  await kernel.replace(kernel.domain("a"), await assemble(program(false, false)(namesOf(kernel.model))));
  const before = steps();
  await turns();
  expect(steps()).toBe(before);
  await kernel.replace(kernel.domain("a"), await assemble(program(false, true)(namesOf(kernel.model))));
  await until(() => steps() === before + 1);
});

test("one that is killed is not called again, and its next life is", async () => {
  await start();
  await until(() => steps() === 2);
  a.call("stepAnswers", 1);
  a.call("notify");
  await turns();
  world.lab.system.kill("a", "test");
  const before = steps();
  await turns();
  expect(steps()).toBe(before);
  world.lab.system.restart("a");
  // Its first state: it sleeps after one step.
  await until(() => steps() === before + 1);
  await turns();
  expect(steps()).toBe(before + 1);
});

test("one that ends another in its step takes nobody out of the round but that one", async () => {
  await start({ domains: { a: null, b: null, c: null }, step: ["a", "b", "c"] });
  await until(() => steps() === 3);
  const { notes, lab } = world;
  const push = notes.push.bind(notes);
  const who: string[] = [];
  notes.push = (...items: number[]): number => {
    who.push(lab.system.kernel.chain()[1]!);
    if (who.at(-1) === "b") lab.system.kill("a");
    return push(...items);
  };
  for (const name of ["a", "c"]) world.control(name).call("stepAnswers", 1);
  for (const name of ["a", "b", "c"]) world.control(name).call("notify");
  await until(() => lab.info("a").state === "dead");
  await turns();
  who.length = 0;
  await turns();
  // The third goes on, and the second sleeps until it is notified.
  expect(new Set(who)).toEqual(new Set(["c"]));
  world.control("b").call("notify");
  await until(() => who.includes("b"));
});
