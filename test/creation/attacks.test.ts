/**
 * Creators that want more than they have: more limits, others' grants, names that are not theirs, children that stay.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { sendImage } from "./image.ts";
import { IDLE, image, LIMITS, makeWorld, MAX_PIECE, SMALL, type World } from "./world.ts";

let world: World;
let leaf: Uint8Array;
beforeEach(async () => {
  world = await makeWorld();
  leaf = await image();
});
/** Whatever was tried: everything is as before, and the other maker never noticed. */
afterEach(async () => {
  world.lab.audit();
  expect(world.maker("b").left().value).toEqual(IDLE);
  await world.lab.close();
});
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const settled = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await turn();
};

describe("grants", () => {
  test.each([
    ["nothing of the creator's", "other = spare"],
    ["what only the host has", "other = System"],
    ["another domain's object by its path", "other = other.other"],
    ["another creator's child", "other = child.program"],
    ["a child's object that it has not", "other = mine.none"],
  ])("%s", async (_, uses) => {
    expect(await world.create("child", leaf, { by: "b" })).toBe(null);
    expect(await world.create("mine", leaf)).toBe(null);
    expect(await world.create("thief", leaf, { uses })).toBe("NoSuchGrant");
    expect(world.why()).toMatch(/^uses\.other: the creator has no /);
    world.maker("b").kill("child");
  });

  test("another interface than the grant's is not imported", async () => {
    const asking = await image({ asks: "Hook" });
    expect(await world.create("child", asking, { uses: "other = other" })).toBe("BadImage");
    expect(world.why()).toContain("Hook$");
    expect(await world.create("child", asking, { uses: "" })).toBe("BadImage");
  });

  test("a grant under a name is no grant of another interface under it", async () => {
    const asking = await image({ asks: "Hook" });
    expect(await world.create("child", asking, { uses: "other = other, hook = hook" })).toBe("Died");
    expect(world.why()).toContain('uses Hook "other", which its manifest entry does not grant');
    expect(world.names()).not.toContain("a/child");
  });

  test("what was granted works, under the child's name for it", async () => {
    expect(await world.create("child", await image({ asks: "Other" }), { uses: "other = other" })).toBe(null);
    expect(await world.create("hooked", await image({ hooks: true }), { uses: "hook=hook" })).toBe(null);
    expect(world.program("a/hooked").hook().value).toBe(1);
    // A child's object for another child.
    expect(await world.create("second", await image({ asks: "Program" }), { uses: "other = child.program" })).toBe(
      null,
    );
  });

  test("a revoked grant is passed on no more, and taken from those who have it", async () => {
    const hooked = await image({ hooks: true });
    expect(await world.create("child", hooked, { uses: "hook = hook" })).toBe(null);
    expect(await world.create("fresh", hooked, { uses: "hook = hook" })).toBe(null);
    expect(world.program("a/child").hook().value).toBe(1);
    const { kernel } = world.lab.system;
    const coming = world.create("coming", hooked, { uses: "hook = hook" });
    await turn();
    kernel.revoke(kernel.domain("a"), "hook");
    expect(world.program("a/child").hook().value).toBe(259);
    expect(world.program("a/fresh").hook().value).toBe(259);
    expect(await coming).toBe("NoSuchGrant");
    expect(await world.create("late", hooked, { uses: "hook = hook" })).toBe("NoSuchGrant");
  });

  test("without the right to create there is none to pass on, and no children to call", async () => {
    expect(await world.create("child", leaf)).toBe(null);
    world.program("a/child").look("child.program");
    expect(world.lab.faults.at(-1)!.message).toContain('"child.program", which its manifest entry does not grant');
    expect(await world.create("child", await image({ makes: true, hooks: true }), { uses: "hook = hook" })).toBe(
      "BadImage",
    );
  });

  test("a child's object is asked for by the interface that it has", async () => {
    expect(
      await world.create("child", await image({ makes: true }), {
        provides: "maker: Domains",
        uses: "domains = domains",
      }),
    ).toBe(null);
    world.program("a").look("child.maker");
    expect(world.lab.faults.find((f) => f.domain === "a")!.message).toContain('uses Program "child.maker"');
    await settled();
    expect(world.names()).not.toContain("a/child");
  });

  test("revoking the right to create ends creation in the middle, and for children", async () => {
    const makes = await image({ makes: true });
    const nested = { provides: "maker: Domains", uses: "domains = domains", limits: [4, 9000, 9, 2, 2] };
    expect(await world.create("sub", makes, nested)).toBe(null);
    const { kernel } = world.lab.system;
    const coming = world.create("coming", leaf);
    await turn();
    kernel.revoke(kernel.domain("a"), "domains");
    expect(await coming).not.toBe(null);
    // A maker cannot pass on that its call was answered `revoked`: that is the kernel's to say.
    for (const name of ["a/sub", "a"]) {
      expect(world.maker(name).begin(1)).toMatchObject({ ok: false });
      expect(world.lab.faults.find((f) => f.domain === name)!.message).toContain(
        "a status that its interface does not have",
      );
    }
    expect(world.names()).not.toContain("a/coming");
  });
});

describe("limits", () => {
  test.each([
    ["memoryPages", 0],
    ["heapBytes", 1],
    ["heapObjects", 2],
    ["threads", 3],
    ["domains", 4],
  ] as const)("no more %s than the creator has, nor with what others have", async (key, at) => {
    const share = [...SMALL];
    // The image takes a page until the child is there, the creating thread one, and the child counts itself.
    const spare = IDLE[key] - (key === "memoryPages" || key === "threads" || key === "domains" ? 1 : 0);
    share[at] = spare + 1;
    expect(await world.create("child", leaf, { limits: share })).toBe("LimitExceeded");
    expect(world.why()).toContain(key);
    share[at] = 0xffffffff;
    expect(await world.create("child", leaf, { limits: share })).toBe("LimitExceeded");
    share[at] = spare;
    expect(await world.create("child", leaf, { limits: share })).toBe(null);
    expect(await world.create("more", leaf)).toBe("LimitExceeded");
    world.maker().kill("child");
    expect(world.maker().left().value).toEqual(IDLE);
    expect(await world.create("more", leaf)).toBe(null);
  });

  test("what a child may have, its creator may not", async () => {
    expect(await world.create("child", leaf, { limits: [1, LIMITS.heapBytes - 8192, 60, 0, 0] })).toBe(null);
    expect(world.program("a").hoard(64).value).toBe(4);
    expect(world.program("a/child").hoard(64).value).toBe(60);
    world.maker().kill("child");
    expect(world.program("a").hoard(64).value).toBe(60);
    expect(await world.create("child", leaf, { limits: [1, 4096, 1, 0, 0] })).toBe("LimitExceeded");
  });

  test("a module that wants more memory than its share", async () => {
    expect(await world.create("child", leaf, { limits: [0, 0, 0, 0, 0] })).toBe("BadImage");
    expect(world.maker().left().value).toEqual(IDLE);
  });

  test("limits nest: a child gives from its own, and its children count for its creator", async () => {
    const makes = await image({ makes: true });
    const nested = { provides: "maker: Domains", uses: "domains = domains", limits: [16, 65536, 32, 4, 4] };
    expect(await world.create("sub", makes, nested)).toBe(null);
    const sub = { ...nested, by: "a/sub", limits: [8, 32768, 16, 2, 2] };
    expect(await world.create("deep", makes, sub)).toBe(null);
    expect(world.maker().left().value).toMatchObject({ memoryPages: 31 - 16, domains: 8 - 5, heapObjects: 32 });
    expect(world.maker("a/sub").left().value).toMatchObject({ memoryPages: 15 - 8, domains: 4 - 3, heapObjects: 16 });
    expect(await world.create("two", leaf, { by: "a/sub", limits: [8, 0, 0, 0, 0] })).toBe("LimitExceeded");
    expect(await world.create("leaf", leaf, { by: "a/sub/deep", limits: [1, 0, 16, 0, 0] })).toBe(null);
    expect(world.names()).toContain("a/sub/deep/leaf");
    expect(world.maker().state("sub/deep").error).toBe("NoSuchDomain");
    world.maker().kill("sub");
    await settled();
    expect(world.names()).toEqual(["other", "a", "b"]);
    expect(world.maker().left().value).toEqual(IDLE);
  });

  test("a bomb of children ends at the limit, and everything comes back", async () => {
    const made = [];
    for (let i = 0; i < 20; i++) made.push(await world.create(`child${i}`, leaf, { limits: [1, 0, 0, 0, 0] }));
    expect(made.filter((error) => error === null)).toHaveLength(8);
    expect(new Set(made.slice(8))).toEqual(new Set(["LimitExceeded"]));
    world.lab.system.kill("a");
    await settled();
    expect(world.names()).toEqual(["other", "a", "b"]);
  });

  test("objects that a child leaves to others are charged to them, and its share comes back whole", async () => {
    expect(await world.create("child", leaf, { limits: [1, 4096, 4, 0, 0] })).toBe(null);
    const number = world.program("a").look("child.program").value;
    for (let i = 0; i < 3; i++) expect(world.program("a").call(number, 2).value).toBeGreaterThan(1023);
    expect(world.lab.info("a/child").objects).toBe(3);
    world.maker().kill("child");
    expect(world.lab.info("a").objects).toBe(3);
    expect(world.maker().left().value).toMatchObject({ heapObjects: LIMITS.heapObjects - 3, domains: 8 });
  });
});

describe("images", () => {
  test("garbage of every length is refused with a reason", async () => {
    for (const bytes of [
      new Uint8Array(0),
      new Uint8Array(1),
      leaf.slice(0, -1),
      leaf.map((b, i) => (i > 20 ? b ^ 0x55 : b)),
    ]) {
      expect(await world.create("child", bytes)).toBe("BadImage");
      expect(world.why()).toMatch(/^a\/child: .+/);
    }
    expect(world.maker().left().value).toEqual(IDLE);
  });

  test("a child that dies in its first code is gone, and says why", async () => {
    expect(await world.create("child", await image({ traps: true }))).toBe("Died");
    expect(world.why()).toContain("a/child died in main: unreachable");
    expect(world.names()).not.toContain("a/child");
    expect(world.maker().left().value).toEqual(IDLE);
  });

  test("a module that does not serve what is said of it", async () => {
    expect(await world.create("child", leaf, { provides: "program: Program, hook: Hook" })).toBe("BadImage");
    expect(world.why()).toContain("provides Hook, but does not export");
  });

  test("pieces that never end are bounded by the creator's memory", () => {
    const maker = world.maker();
    expect(maker.begin(0xffffffff).error).toBe("LimitExceeded");
    expect(maker.begin(32 * 65536).error).toBe("LimitExceeded");
    expect(maker.append(new Uint8Array(1)).error).toBe("NoImage");
    expect(maker.begin(31 * 65536).ok).toBe(true);
    expect(maker.left().value.memoryPages).toBe(0);
    for (let i = 0; i < 31 * 16; i++) expect(maker.append(new Uint8Array(MAX_PIECE)).ok).toBe(true);
    expect(maker.append(new Uint8Array(1)).error).toBe("TooLarge");
    for (let i = 0; i < 100; i++) expect(maker.begin(31 * 65536).ok).toBe(true);
    expect(maker.begin(0).ok).toBe(true);
    expect(maker.left().value).toEqual(IDLE);
  });

  test("an incomplete image, none, and one used twice", async () => {
    const maker = world.maker();
    expect((await maker.create("child", "program: Program", "", ...SMALL)).error).toBe("NoImage");
    maker.begin(leaf.length);
    expect((await maker.create("child", "program: Program", "", ...SMALL)).error).toBe("NoImage");
    expect(sendImage(maker, leaf)).toBe(null);
    expect((await maker.create("child", "program: Program", "", ...SMALL)).ok).toBe(true);
    expect((await maker.create("again", "program: Program", "", ...SMALL)).error).toBe("NoImage");
  });
});

describe("names and descriptions", () => {
  test.each(["", "A", "1", "a b", "a/b", "../b", "a.b", "é", "constructor_", "a\u0000"])(
    "%j is no name",
    async (name) => {
      expect(await world.create(name, leaf)).toBe("BadName");
      expect(world.maker().state(name).error).toBe("NoSuchDomain");
      expect(world.maker().left().value).toEqual(IDLE);
    },
  );

  test("a name is one child's; others' are elsewhere, and not reached", async () => {
    expect(await world.create("child", leaf)).toBe(null);
    expect(await world.create("child", leaf)).toBe("NameTaken");
    expect(await world.create("other", leaf)).toBe(null);
    expect(world.lab.info("other").state).toBe("running");
    expect(world.maker("b").kill("child").error).toBe("NoSuchDomain");
    expect(world.maker("b").state("other").error).toBe("NoSuchDomain");
    expect(await world.create("child", leaf, { by: "b" })).toBe(null);
    world.maker("b").kill("child");
    expect(world.lab.info("a/child").state).toBe("running");
  });

  test("inherited names of JavaScript objects mean nothing", async () => {
    expect(await world.create("constructor", leaf, { provides: "constructor: Program" })).toBe(null);
    expect(await world.create("child", leaf, { provides: "program: constructor" })).toBe("NoSuchInterface");
    expect(await world.create("child", leaf, { uses: "other = constructor" })).toBe("NoSuchGrant");
    expect(await world.create("child", leaf, { uses: "other = constructor.toString" })).toBe("NoSuchGrant");
  });

  test.each([
    ["program", ""],
    ["program: Program,", ""],
    ["program: Program: Other", ""],
    ["Program: Program", ""],
    [": Program", ""],
    ["program: Program, program: Program", ""],
    ["", "other"],
    ["", "other = "],
    ["", "other == other"],
    ["", "other = other, other = other"],
  ])("%j, %j cannot be read", async (provides, uses) => {
    expect(await world.create("child", leaf, { provides, uses })).toBe("BadDescription");
    expect(world.why()).toMatch(/^(provides|uses): "/);
  });

  test("long names nest only so deep", async () => {
    const makes = await image({ makes: true });
    const [long, nested] = ["n".repeat(63), { provides: "maker: Domains", uses: "domains = domains" }];
    let by = "a";
    for (let depth = 1; depth <= 3; depth++) {
      const limits = [8 - 2 * depth, 0, 0, 5 - depth, 5 - depth];
      expect(await world.create(long, makes, { ...nested, by, limits })).toBe(null);
      by += `/${long}`;
    }
    expect(await world.create(long, leaf, { by, limits: [0, 0, 0, 0, 0] })).toBe("BadName");
  });
});
