/** Domains that domains start. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { IDLE, image, makeWorld, type World } from "./world.ts";

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(async () => {
  world.lab.audit();
  await world.lab.close();
});

test("a child runs, is called by its creator, and leaves nothing", async () => {
  expect(world.maker().left().value).toEqual(IDLE);
  expect(await world.create("child", await image())).toBe(null);
  expect(world.names()).toEqual(["other", "a", "b", "a/child"]);
  expect(world.maker().state("child").value).toBe(1);
  const number = world.program("a").look("child.program").value;
  expect(world.program("a").call(number, 0).value).toBe(7);
  expect(world.maker().left().value).toEqual({
    memoryPages: 30,
    heapBytes: (1 << 18) - 4096,
    heapObjects: 60,
    threads: 7,
    domains: 7,
  });
  expect(world.maker().kill("child").ok).toBe(true);
  expect(world.names()).toEqual(["other", "a", "b"]);
  expect(world.maker().left().value).toEqual(IDLE);
  expect(world.maker().state("child").error).toBe("NoSuchDomain");
  expect(world.program("a").call(number, 0).value).toBe(256);
});
