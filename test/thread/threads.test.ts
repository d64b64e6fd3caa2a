/**
 * Threads of domains: spawn, join, sleep, yield, events, cancel, priorities, deadlock, and what ends with a domain.
 */
import { afterEach, describe, expect, test } from "vitest";
import { RpcFault } from "#kernel/interface/model.ts";
import { Entry, makeWorld, turns, until, type Control, type World, type WorldOptions } from "./world.ts";

let world: World;
let a: Control;
afterEach(async () => {
  world.lab.audit();
  await world.lab.close();
});
const start = async (options: Partial<WorldOptions> = {}): Promise<void> => {
  world = await makeWorld({ domains: { a: null }, ...options });
  a = world.control("a");
};
const live = (name = "a"): number => world.lab.info(name).threads;

describe("a spawned thread", () => {
  test("runs when the host has control, and leaves an exit code to whoever joins it", async () => {
    await start();
    const id = a.spawn(Entry.note, 7);
    expect([id > 0, world.notes, live()]).toEqual([true, [], 1]);
    const joiner = a.spawn(Entry.join, id);
    await until(() => live() === 0);
    expect(world.notes).toEqual([7, 1000]);
    expect([a.call("exitCode", id), a.call("exitCode", joiner)]).toEqual([107, 1000]);
    expect(a.call("exitCode", 12345)).toBe(0);
  });

  test("sleeps, others run meanwhile, the shorter sleep ends first", async () => {
    await start();
    a.spawn(Entry.sleep, 12);
    a.spawn(Entry.sleep, 2);
    a.spawn(Entry.note, 1);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1, 2, 12]);
  });

  test("yields to the others in turn", async () => {
    await start();
    for (const n of [1, 2, 3]) a.spawn(Entry.yields, n);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1, 2, 3, 1, 2, 3, 1, 2, 3]);
  });

  test("beyond the limit there is none, and again one when another has ended", async () => {
    await start({ threads: 3 });
    const event = a.call("eventNew") as number;
    for (let i = 0; i < 3; i++) expect(a.spawn(Entry.wait, event)).toBeGreaterThan(0);
    expect(a.spawn(Entry.note, 1)).toBe(0);
    expect(await a.run(Entry.note, 1)).toEqual({ ok: false, fault: "busy" });
    a.call("eventSet", event);
    await until(() => live() === 0);
    expect(a.spawn(Entry.note, 1)).toBeGreaterThan(0);
    expect(world.notes).toEqual([0, 0, 0]);
  });

  test("that traps ends its domain, and a joiner does not go on", async () => {
    await start();
    const id = a.spawn(Entry.trap);
    a.spawn(Entry.join, id);
    await until(() => world.lab.info("a").state === "dead");
    expect(world.lab.faults).toMatchObject([{ domain: "a", kind: "trap", chain: ["host", "a"] }]);
    expect(world.notes).toEqual([]);
  });

  test("that never yields ends its domain by its slice, and nobody else", async () => {
    await start({ domains: { a: null, b: null }, limits: { sliceMs: 5 } });
    a.spawn(Entry.loop);
    world.control("b").spawn(Entry.note, 4);
    await until(() => world.lab.info("a").state === "dead" && world.notes.length > 0);
    expect(world.lab.faults).toMatchObject([{ domain: "a", kind: "slice" }]);
    expect(world.lab.info("b").state).toBe("running");
  });

  test("needs an entry: a domain that exports none and spawns is at fault", async () => {
    await start();
    const idl = "export declare enum E { X }\nexport interface I { go(): RpcResult<u32, E>; }";
    const { makeLab } = await import("../support/lab.ts");
    const lab = await makeLab({
      idl,
      domains: {
        x: {
          provides: { i: "I" },
          wat: (n) => `(module (import "thread" "spawn" (func $s (param i32 i32 i32) (result i32)))
            (func (export "${n.serve("I.go")}") (param i32) (result i32) (call $s (i32.const 0) (i32.const 0) (i32.const 0))))`,
        },
      },
    });
    expect(lab.client("x.i").go!()).toEqual({ ok: false, fault: "crashed" });
    expect(lab.faults[0]!.message).toContain("samara_thread");
    await lab.close();
  });
});

describe("waits", () => {
  test("an event wakes all who wait, and lets others pass until it is cleared", async () => {
    await start();
    const event = a.call("eventNew") as number;
    a.spawn(Entry.waitTwice, event);
    a.spawn(Entry.wait, event);
    await turns();
    expect(world.notes).toEqual([]);
    a.call("eventSet", event);
    await until(() => live() === 0);
    expect(world.notes).toEqual([0, 0, 0]);
    a.call("eventClear", event);
    a.spawn(Entry.waitTwice, event);
    await turns();
    expect([world.notes.length, live()]).toEqual([3, 1]);
  });

  test("notify wakes as many as it says, in their order", async () => {
    await start();
    const event = a.call("eventNew") as number;
    const ids = [0, 1, 2, 3].map(() => a.spawn(Entry.wait, event));
    await turns();
    expect(a.call("eventNotify", event, 1)).toBe(1);
    await until(() => live() === 3);
    expect(a.call("cancel", ids[0]!)).toBe(0);
    expect(a.call("eventNotify", event, 2)).toBe(2);
    await until(() => live() === 1);
    expect(a.call("eventNotify", event, 9)).toBe(1);
    await until(() => live() === 0);
    expect(a.call("eventNotify", event, 9)).toBe(0);
  });

  test("time-outs end a wait and nothing else", async () => {
    await start();
    const event = a.call("eventNew") as number;
    const other = a.spawn(Entry.wait, event);
    a.spawn(Entry.waitShortly, event);
    a.spawn(Entry.joinShortly, other);
    await until(() => live() === 1);
    expect(world.notes.toSorted()).toEqual([1000 + RpcFault.timedOut, RpcFault.timedOut].toSorted());
    a.call("eventSet", event);
    await until(() => live() === 0);
    expect(world.notes.at(-1)).toBe(0);
  });

  test("of a freed event end with dead; its id is nobody's from then on", async () => {
    await start();
    const event = a.call("eventNew") as number;
    a.spawn(Entry.wait, event);
    await turns();
    a.call("eventFree", event);
    await until(() => live() === 0);
    expect(world.notes).toEqual([RpcFault.dead]);
    expect(a.call("eventSet", event)).toBe("crashed");
    expect(world.lab.faults).toMatchObject([
      { kind: "rule", message: `thread.event_set: ${event} is no event of its own` },
    ]);
  });

  test("end by cancel, in each kind of wait, and once", async () => {
    await start();
    const event = a.call("eventNew") as number;
    const waits = a.spawn(Entry.waitTwice, event);
    const joins = a.spawn(Entry.join, waits);
    const sleeps = a.spawn(Entry.sleep, 100_000);
    const calls = a.spawn(Entry.host, 5);
    await turns();
    for (const id of [joins, sleeps, calls]) expect(a.call("cancel", id)).toBe(1);
    await until(() => live() === 1);
    expect(world.notes).toEqual([1000 + RpcFault.cancelled, 100_000, RpcFault.cancelled]);
    a.call("cancel", waits);
    await turns();
    expect(world.notes.at(-1)).toBe(RpcFault.cancelled);
    expect(live()).toBe(1);
    // What the cancelled call would have answered reaches nobody.
    world.waiting[0]!.end(77);
    await turns();
    expect(world.notes).not.toContain(77);
    // Nor is it taken for the end of another wait.
    const third = a.spawn(Entry.hostThenWait, event);
    await turns();
    a.call("cancel", third);
    await turns();
    world.waiting[1]!.end(78);
    await turns();
    expect([world.notes.at(-1), live()]).toEqual([RpcFault.cancelled, 2]);
    // A thread that has not begun yet is cancelled in its first wait.
    const early = a.spawn(Entry.wait, event);
    a.call("cancel", early);
    await until(() => live() === 2);
    expect(world.notes.at(-1)).toBe(RpcFault.cancelled);
  });

  test("are refused in a plain call: a fault code, and nobody dies", async () => {
    await start();
    const id = a.spawn(Entry.sleep, 1);
    expect(a.call("joinPlain", id)).toBe(RpcFault.cannotSuspend);
    expect(a.call("self")).toBe(0);
    await until(() => live() === 0);
    expect(world.lab.faults).toEqual([]);
  });
});

describe("ids", () => {
  test("of threads that never were, or of another domain, find nothing", async () => {
    await start({ domains: { a: null, b: null } });
    const b = world.control("b");
    const event = b.call("eventNew") as number;
    const foreign = b.spawn(Entry.wait, event);
    await turns();
    for (const id of [0, foreign + 50, -1 >>> 0, 0x7fffffff]) {
      expect(a.call("cancel", id)).toBe(0);
      expect(a.call("priority", id, 0)).toBe(0);
      a.spawn(Entry.join, id);
      await until(() => live() === 0);
      expect(world.notes.at(-1)).toBe(1000 + RpcFault.dead);
    }
    expect(live("b")).toBe(1);
  });

  test("of another domain's event are a fault of who uses them", async () => {
    await start({ domains: { a: null, b: null } });
    const b = world.control("b");
    const events = [0, 1, 2, 3].map(() => b.call("eventNew") as number);
    b.spawn(Entry.wait, events[3]!);
    await turns();
    expect(a.call("eventSet", events[3]!)).toBe("crashed");
    expect(world.lab.faults).toMatchObject([{ domain: "a", kind: "rule" }]);
    expect(live("b")).toBe(1);
  });

  test("a priority that there is not is a fault", async () => {
    await start();
    expect(a.call("spawn", Entry.note, 1, 4)).toBe("crashed");
    expect(world.lab.faults[0]!.message).toBe("thread: 4 is no priority");
  });
});

describe("priorities", () => {
  test("the highest first, and those of one level in their order", async () => {
    await start();
    for (const [n, priority] of [
      [1, 0],
      [2, 3],
      [3, 1],
      [4, 3],
      [5, 2],
    ] as const)
      a.spawn(Entry.note, n, priority);
    await until(() => live() === 0);
    expect(world.notes).toEqual([2, 4, 5, 3, 1]);
  });

  test("changed while it is ready", async () => {
    await start();
    a.spawn(Entry.note, 1);
    const second = a.spawn(Entry.note, 2);
    expect(a.call("priority", second, 3)).toBe(1);
    await until(() => live() === 0);
    expect(world.notes).toEqual([2, 1]);
  });

  test("nobody starves: the lowest ends while the highest is always ready, on every level", async () => {
    await start();
    a.spawn(Entry.yieldForEver, 50, 3);
    a.spawn(Entry.yieldForEver, 51, 2);
    for (const priority of [0, 1]) a.spawn(Entry.note, priority, priority);
    await until(() => world.notes.includes(0) && world.notes.includes(1) && world.notes.includes(51));
    expect(live()).toBe(2);
  });
});

describe("deadlock", () => {
  test("a thread that joins itself", async () => {
    await start();
    const id = a.spawn(Entry.joinSelf);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1000 + RpcFault.deadlock]);
    await turns(1);
    expect(world.rings).toEqual([`a/thread ${id} waits for a/thread ${id}`]);
  });

  test("a ring of threads: the one that would close it is told, the others go on", async () => {
    await start();
    const first = a.spawn(Entry.join, 2);
    const second = a.spawn(Entry.join, first);
    expect([first, second]).toEqual([1, 2]);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1000 + RpcFault.deadlock, 1000]);
    expect(world.rings).toEqual(["a/thread 2 waits for a/thread 1 waits for a/thread 2"]);
    expect(world.lab.faults).toEqual([]);
  });

  test("a ring through async calls of two domains", async () => {
    await start({ domains: { a: "b", b: "a" } });
    // a's thread calls b.run, which calls a.run, which joins the thread.
    const id = 1;
    const joins = Entry.join | (id << 4);
    expect(a.spawn(Entry.call, Entry.call | (joins << 4))).toBe(id);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1000 + RpcFault.deadlock, 1000 + RpcFault.deadlock, 1000 + RpcFault.deadlock]);
    expect(world.rings).toEqual([`a.run waits for a/thread ${id} waits for b.run waits for a.run`]);
  });

  test("not a ring with a time-out: it ends by itself", async () => {
    await start();
    const first = a.spawn(Entry.join, 2);
    a.spawn(Entry.joinShortly, first);
    await until(() => live() === 0);
    expect(world.notes).toEqual([1000 + RpcFault.timedOut, 1000]);
    const third = a.spawn(Entry.joinShortly, 4);
    a.spawn(Entry.join, third);
    await until(() => live() === 0);
    expect(world.notes.slice(2)).toEqual([1000 + RpcFault.timedOut, 1000]);
    expect(world.rings).toEqual([]);
  });
});

describe("a domain that dies", () => {
  test("in whatever its threads are doing: all are unwound, callers get a fault, nothing of it runs again", async () => {
    await start({ domains: { a: "b", b: null }, threads: 16 });
    const event = a.call("eventNew") as number;
    a.spawn(Entry.wait, event);
    a.spawn(Entry.join, 2);
    a.spawn(Entry.sleep, 100_000);
    a.spawn(Entry.yieldForEver, 1);
    a.spawn(Entry.host, 1);
    a.spawn(Entry.call, Entry.host | (2 << 4));
    const call = a.run(Entry.sleep, 100_000);
    await turns();
    a.spawn(Entry.note, 4711);
    world.lab.system.kill("a", "test");
    const noted = world.notes.length;
    await until(() => world.lab.info("a").state === "dead");
    expect(await call).toEqual({ ok: false, fault: "crashed" });
    expect([world.notes.length, live(), world.lab.faults.length]).toEqual([noted, 0, 1]);
    // b's call goes on, and its result is discarded.
    expect(live("b")).toBe(1);
    world.waiting.forEach(({ end }) => end(9));
    await until(() => live("b") === 0);
    expect(world.lab.info("b").state).toBe("running");
  });

  test("at any point between two jobs of the loop: it is buried, and nothing of it waits again", async () => {
    await start();
    for (let jobs = 0; jobs < 60; jobs++) {
      for (let i = 0; i < 3; i++) a.spawn(Entry.yieldAndCall, i);
      await turns(2);
      world.waiting.splice(0).forEach(({ end }) => end(0));
      for (let job = 0; job < jobs; job++) await Promise.resolve();
      world.lab.system.kill("a", "test");
      await until(() => world.lab.info("a").state === "dead");
      world.lab.audit();
      world.lab.system.restart("a");
      expect([world.lab.info("a").state, live()]).toEqual(["running", 0]);
    }
  });

  test("with 1,000 suspended threads", { timeout: 60_000 }, async () => {
    await start({ threads: 1000 });
    const event = a.call("eventNew") as number;
    for (let i = 0; i < 1000; i++) a.spawn(Entry.wait, event);
    await turns();
    expect(live()).toBe(1000);
    world.lab.system.kill("a", "test");
    await until(() => world.lab.info("a").state === "dead");
    expect([world.notes, live()]).toEqual([[], 0]);
  });

  test("and lives again: nothing of its former life reaches it", async () => {
    await start({ domains: { a: "b", b: null } });
    const event = a.call("eventNew") as number;
    const old = a.spawn(Entry.wait, event);
    a.spawn(Entry.host, 1);
    a.spawn(Entry.call, Entry.host | (2 << 4));
    await turns();
    world.lab.system.restart("a", "test");
    await until(() => world.lab.info("a").state === "running");
    expect(world.lab.info("a").incarnation).toBe(2);
    const again = a.spawn(Entry.host, 3);
    await turns();
    expect(again).toBeGreaterThan(old);
    expect(a.call("cancel", old)).toBe(0);
    for (const { what, end } of world.waiting) if (what !== 3) end(66);
    await turns();
    expect([world.notes, live()]).toEqual([[66], 1]);
    expect(a.call("eventSet", event)).toBe("crashed");
  });
});
