/**
 * Lives and deaths around creation: a child belongs to one life of its creator, and nothing of it stays.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { IDLE, image, makeWorld, SMALL, type World } from "./world.ts";

let world: World;
let leaf: Uint8Array;
let hooked: Uint8Array;
beforeEach(async () => {
  world = await makeWorld();
  leaf = await image();
  hooked = await image({ hooks: true });
});
afterEach(async () => {
  world.lab.audit();
  await world.lab.close();
});
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await turn();
}
const MANIFEST = ["other", "a", "b"];
const nested = { provides: "maker: Domains", uses: "domains = domains", limits: [16, 65536, 32, 4, 4] };

test("a creator that is killed at any time of the birth gets no child", async () => {
  const { system } = world.lab;
  for (let turns = 0; turns < 12; turns++) {
    // Other bytes each time: admitted and compiled anew.
    const created = world.create("child", await image({ pages: 2 + turns }), { limits: [20, 0, 0, 0, 0] });
    for (let i = 0; i < turns; i++) await turn();
    system.kill("a");
    expect(await created).not.toBe("NameTaken");
    await settled();
    expect(world.names()).toEqual(MANIFEST);
    system.restart("a");
    // What is being compiled keeps its share until then.
    await vi.waitFor(() => expect(world.maker().left().value).toEqual(IDLE));
  }
});

test("a creator that was restarted meanwhile gets no child of its former life", async () => {
  const created = world.create("child", leaf);
  await turn();
  world.lab.system.restart("a");
  expect(await created).toBe("crashed");
  await settled();
  expect(world.names()).toEqual(MANIFEST);
  await vi.waitFor(() => expect(world.maker().left().value).toEqual(IDLE));
  expect(await world.create("child", leaf)).toBe(null);
});

test("children end with the life of their creator, theirs with them, and nobody else's", async () => {
  const { system, faults } = world.lab;
  expect(await world.create("sub", await image({ makes: true }), nested)).toBe(null);
  expect(await world.create("leaf", leaf, { by: "a/sub" })).toBe(null);
  expect(await world.create("leaf", leaf, { by: "b" })).toBe(null);
  const program = world.program("a/sub/leaf");
  system.restart("a");
  await settled();
  expect(world.names()).toEqual([...MANIFEST, "b/leaf"]);
  expect(program.ping().fault).toBe("dead");
  expect(faults.map((f) => f.domain)).toEqual(["a", "a/sub", "a/sub/leaf"]);
  expect(faults.at(-1)!.message).toBe("its creator died");
  expect(world.maker().left().value).toEqual(IDLE);
});

test("an image that was begun in a former life is not there in the next", async () => {
  world.maker().begin(10 * 65536);
  world.lab.system.restart("a");
  expect(world.maker().left().value).toEqual(IDLE);
  expect(world.maker().append(new Uint8Array(1)).error).toBe("NoImage");
});

test("a child is killed while its creator calls it: the caller gets the fault, the share comes back", async () => {
  expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
  const number = world.program("a").look("child.program").value;
  world.hook.hit = () => {
    world.lab.system.kill("a/child");
    return 5;
  };
  expect(world.program("a").call(number, 1).value).toBe(257);
  expect(world.names()).toEqual(MANIFEST);
  expect(world.maker().left().value).toEqual(IDLE);
  expect(world.program("a").call(number, 1).value).toBe(256);
});

test.each(["kill", "restart"] as const)("a creator ends (%s) in the middle of a call to its child", async (how) => {
  expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
  const number = world.program("a").look("child.program").value;
  world.hook.hit = () => {
    world.lab.system[how]("a");
    return 5;
  };
  expect(world.program("a").call(number, 1).fault).toBe("crashed");
  await settled();
  expect(world.names()).toEqual(MANIFEST);
  if (how === "kill") world.lab.system.restart("a");
  expect(world.maker().left().value).toEqual(IDLE);
});

test("a child that is on a stack when its creator's next life begins is not that life's", async () => {
  expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
  let between = "";
  world.hook.hit = () => {
    world.lab.system.restart("a");
    between = world.maker().state("child").ok ? "" : "gone";
    expect(world.maker().left().value.domains).toBe(IDLE.domains - 1);
    expect(world.lab.info("a/child").state).toBe("dying");
    return 5;
  };
  expect(world.program("a/child").hook().fault).toBe("crashed");
  expect(between).toBe("");
  await settled();
  expect(world.names()).toEqual(MANIFEST);
  expect(world.maker().left().value).toEqual(IDLE);
});

test("a child that is suspended when its creator dies is unwound first, and its share stays away until then", async () => {
  let release = (): void => {};
  world.hook.wait = () => new Promise<number>((resolve) => (release = () => resolve(1)));
  expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
  const waiting = world.program("a/child").wait();
  await turn();
  world.lab.system.kill("a");
  await settled();
  expect((await waiting).fault).toBe("crashed");
  expect(world.names()).toEqual(MANIFEST);
  release();
  await settled();
});

test("a share comes back when the last descendant is buried, not before", async () => {
  world.hook.wait = () => new Promise<number>(() => {});
  const both = await image({ makes: true, hooks: true });
  expect(await world.create("sub", both, { ...nested, uses: "domains = domains, hook = hook" })).toBe(null);
  expect(await world.create("leaf", hooked, { by: "a/sub", uses: "hook = hook" })).toBe(null);
  const before = world.maker().left().value;
  const waiting = world.program("a/sub/leaf").wait();
  await turn();
  world.maker().kill("sub");
  expect(world.lab.info("a/sub").state).toBe("dead");
  expect(world.maker().left().value).toEqual(before);
  expect((await waiting).fault).toBe("crashed");
  await settled();
  expect(world.names()).toEqual(MANIFEST);
  expect(world.maker().left().value).toEqual(IDLE);
});

test("two creates at once: one name is given once, and one share too", async () => {
  const both = await Promise.all([world.create("child", leaf), world.create("child", leaf)]);
  // The second of them took the image of the first, or came too late for the name.
  expect(both.filter((error) => error === null)).toHaveLength(1);
  world.maker().kill("child");
  const limits = [16, 0, 0, 0, 0];
  const shares = await Promise.all([world.create("x", leaf, { limits }), world.create("y", leaf, { limits })]);
  expect(shares).toEqual([null, "LimitExceeded"]);
  world.maker().kill("x");
  expect(world.maker().left().value).toEqual(IDLE);
});

test("killed and made again under its name in one go, and nothing stays of any of them", async () => {
  const { kernel } = world.lab.system;
  const trapping = await image({ traps: true });
  const bystander = world.maker("b");
  const tables = (): number[] => [
    [...kernel.holders()].length,
    kernel.linker.edges().length,
    [...kernel.domain("a").capabilities!.all()].length,
    [...kernel.hostDomain.capabilities!.all()].length,
  ];
  let before: number[] = [];
  for (let i = 0; i < 60; i++) {
    expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
    const id = world.lab.info("a/child").id;
    const number = world.program("a").look("child.program").value;
    expect(world.program("a").call(number, 1).value).toBe(1);
    expect(world.maker().kill("child").ok).toBe(true);
    expect(world.maker().kill("child").error).toBe("NoSuchDomain");
    expect(await world.create("child", trapping)).toBe("Died");
    expect(kernel.instance(id, id)).toBe(null);
    expect(id).toBe(7);
    if (i === 0) before = tables();
  }
  // Only the creator's capability to each, with its seven methods, which is its own to drop.
  expect(tables().map((n, i) => (n - before[i]!) / 59)).toEqual([0, 7, 1, 0]);
  expect(bystander.left().value).toEqual(IDLE);
  expect(world.maker().left().value).toEqual(IDLE);
});

test("a capability to a former child never reaches a later one of its name", async () => {
  const program = world.program("a");
  expect(await world.create("child", leaf)).toBe(null);
  const host = world.program("a/child");
  const former = program.look("child.program").value;
  expect(await world.create("user", await image({ asks: "Program" }), { uses: "other = child.program" })).toBe(null);
  world.maker().kill("child");
  expect(await world.create("child", leaf)).toBe(null);
  expect(program.call(former, 0).value).toBe(256);
  expect(host.ping().fault).toBe("dead");
  // The user's grant was of the former; the creator's name is of the later one.
  world.lab.system.restart("a/user");
  const theirs = world.lab.system.kernel.graph().filter((e) => e.holder === "a/user");
  expect(theirs.map((e) => `${e.provider} ${e.state}`)).toEqual(["a/child dead"]);
  expect(program.call(program.look("child.program").value, 0).value).toBe(7);
});

test("asking for a child that is gone, or never was, gives a capability that answers dead", async () => {
  const program = world.program("a");
  const number = program.look("child.program").value;
  expect(program.call(number, 0).value).toBe(256);
  expect(world.lab.info("a").state).toBe("running");
});

test("a child can be restarted from outside: it keeps its creator and its share", async () => {
  expect(await world.create("child", leaf)).toBe(null);
  const number = world.program("a").look("child.program").value;
  const before = world.maker().left().value;
  expect(world.lab.system.restart("a/child")).toBe(true);
  expect(world.program("a").call(number, 0).value).toBe(7);
  expect(world.maker().left().value).toEqual(before);
  world.lab.system.kill("a");
  await settled();
  expect(world.names()).toEqual(MANIFEST);
});

test("the right to create dies with the child that it was given to, whoever holds it", async () => {
  expect(await world.create("sub", await image({ makes: true }), nested)).toBe(null);
  const maker = world.maker("a/sub");
  const { kernel } = world.lab.system;
  const target = kernel.domain("a/sub").entry.uses.find((use) => use.name === "domains")!;
  expect(kernel.creation.creator(target.self)).toBe(kernel.domain("a/sub"));
  world.maker().kill("sub");
  expect(kernel.creation.creator(target.self)).toBe(null);
  expect(maker.begin(1).fault).toBe("dead");
  expect(await world.create("sub", await image({ makes: true }), nested)).toBe(null);
  expect(kernel.domain("a/sub").entry.uses.find((use) => use.name === "domains")!.self).not.toBe(target.self);
});

test("a creator that is loaded anew, or replaced, has no children of the former", async () => {
  expect(await world.create("child", leaf, { limits: [20, ...SMALL.slice(1)] })).toBe(null);
  const { system } = world.lab;
  const next = await image({ makes: true, hooks: true, pages: null });
  await system.replace("a", { bytes: next });
  await settled();
  expect(world.names()).toEqual(MANIFEST);
  // Its memory was admitted beside what the child had.
  expect(world.maker().left().value.memoryPages).toBe(20);
  system.kill("a");
  await world.lab.load("a");
  expect(world.maker().left().value).toEqual(IDLE);
  expect(await world.create("child", leaf)).toBe(null);
});
