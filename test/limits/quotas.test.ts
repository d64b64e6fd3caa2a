/**
 * Quotas: what is used up is an error to the domain that asks, and its neighbours go on and can still allocate.
 */
import { afterEach, describe, expect, test } from "vitest";
import { makeLab, type Lab, type LabDomain, type Names } from "../support/lab.ts";
import type { Answer } from "./spin.ts";

const ITEM_BYTES = 4096;
const IDL = `
export type Item = { bytes: Bytes<${ITEM_BYTES}> };
export declare enum Err { Failed }
export interface Hog {
  /** Grows its memory page by page, until that fails; the number of pages that it has then. */
  grow(): RpcResult<u32, Err>;
  /** Creates at most so many objects and keeps them; the number that it got. */
  make(count: u32): RpcResult<u32, Err>;
  /** Creates objects and gives each away, until it gets none; the number that it gave. */
  bomb(): RpcResult<u32, Err>;
  take(item: RRef<Item>): RpcResult<void, Err>;
  /** Frees so many of what it keeps. */
  release(count: u32): RpcResult<void, Err>;
}
`;

const hog = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32))) (import "heap" "free" (func $free (param i32)))
  ${n.newType("Item")}
  (import "${n.module("Hog")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Hog")}" "take" (func $take (param i32 i32) (result i32)))
  (memory 1) (data (i32.const 0) "next") (global $next (mut i32) (i32.const 0))
  (global $kept (mut i32) (i32.const 1024))
  (func (export "main") (global.set $next (call $use (i32.const 0) (i32.const 4))))
  (func $keep (param i32)
    (i32.store (global.get $kept) (local.get 0)) (global.set $kept (i32.add (global.get $kept) (i32.const 4))))
  (func (export "${n.serve("Hog.grow")}") (param i32) (result i32)
    (loop $l (br_if $l (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
    (call $set0 (memory.size)) (i32.const 0))
  (func (export "${n.serve("Hog.make")}") (param i32 i32) (result i32) (local $item i32) (local $got i32)
    (block $end (loop $l
      (br_if $end (i32.eq (local.get $got) (local.get 1)))
      (br_if $end (i32.eqz (local.tee $item (call $new_Item))))
      (call $keep (local.get $item))
      (local.set $got (i32.add (local.get $got) (i32.const 1)))
      (br $l)))
    (call $set0 (local.get $got)) (i32.const 0))
  (func (export "${n.serve("Hog.bomb")}") (param i32) (result i32) (local $item i32) (local $got i32)
    (block $end (loop $l
      (br_if $end (i32.eqz (local.tee $item (call $new_Item))))
      (if (call $take (local.get $item) (global.get $next)) (then (unreachable)))
      (local.set $got (i32.add (local.get $got) (i32.const 1)))
      (br $l)))
    (call $set0 (local.get $got)) (i32.const 0))
  (func (export "${n.serve("Hog.take")}") (param i32 i32) (result i32) (call $keep (local.get 1)) (i32.const 0))
  (func (export "${n.serve("Hog.release")}") (param i32 i32) (result i32)
    (loop $l
      (global.set $kept (i32.sub (global.get $kept) (i32.const 4)))
      (call $free (i32.load (global.get $kept)))
      (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1)))))
    (i32.const 0)))`;

interface Hog {
  grow(): Answer;
  make(count: number): Answer;
  bomb(): Answer;
  release(count: number): Answer;
}

const OBJECTS = 20;
const PAGES = 8;
let lab: Lab;
afterEach(async () => {
  expect(lab.faults).toEqual([]);
  lab.audit();
  await lab.close();
});

async function boot(names: readonly string[], limits: LabDomain["limits"], heapBytes = 4 << 20): Promise<Hog[]> {
  const domains = names.map((name, i) => [
    name,
    { wat: hog, provides: { hog: "Hog" }, uses: { next: ["Hog", names[(i + 1) % names.length]!] as const }, limits },
  ]);
  lab = await makeLab({ idl: IDL, domains: Object.fromEntries(domains), heapBytes });
  return names.map((name) => lab.client<Hog>(`${name}.hog`));
}

const value = (number: number): Answer => ({ ok: true, value: number });

describe("exhausted by one", () => {
  test("memory: grow answers -1 from its limit on, its neighbour grows to its own", async () => {
    const [bad, good] = await boot(["bad", "good"], { memoryPages: PAGES });
    expect(bad!.grow()).toEqual(value(PAGES));
    expect(bad!.grow()).toEqual(value(PAGES));
    expect(lab.info("good").memoryBytes).toBe(65_536);
    expect(good!.grow()).toEqual(value(PAGES));
  });

  test.each([
    ["objects", { heapObjects: OBJECTS, memoryPages: PAGES }],
    ["bytes", { heapBytes: OBJECTS * ITEM_BYTES, memoryPages: PAGES }],
  ])("heap %s: null from its limit on, its neighbour gets all of its own", async (_, limits) => {
    const [bad, good] = await boot(["bad", "good"], limits);
    expect(bad!.make(1000)).toEqual(value(OBJECTS));
    expect(bad!.make(1)).toEqual(value(0));
    expect(good!.make(1000)).toEqual(value(OBJECTS));
    expect(bad!.release(3)).toMatchObject({ ok: true });
    expect(bad!.make(1000)).toEqual(value(3));
    expect(lab.info("bad")).toMatchObject({ objects: OBJECTS, bytes: lab.info("good").bytes });
  });
});

describe("a bomb that gives everything away", () => {
  test("keeps the charge: it runs dry itself, and who got it all can still allocate all of its own", async () => {
    const [bad, good] = await boot(["bad", "good"], { heapObjects: OBJECTS, memoryPages: PAGES });
    expect(bad!.bomb()).toEqual(value(OBJECTS));
    expect(bad!.bomb()).toEqual(value(0));
    expect([lab.owned("bad"), lab.owned("good")]).toEqual([0, OBJECTS]);
    expect([lab.info("bad").objects, lab.info("good").objects]).toEqual([OBJECTS, 0]);
    expect(good!.make(1000)).toEqual(value(OBJECTS));
    // What is freed, by whomever, is given back to who was charged: first the receiver's own, then four of the bomb's.
    expect(good!.release(OBJECTS + 4)).toMatchObject({ ok: true });
    expect([lab.info("bad").objects, lab.info("good").objects]).toEqual([OBJECTS - 4, 0]);
    expect(bad!.bomb()).toEqual(value(4));
  });

  test("its end leaves no charge behind: what others hold is theirs, and counts for them", async () => {
    const [bad, good] = await boot(["bad", "good"], { heapObjects: OBJECTS, memoryPages: PAGES });
    expect(bad!.bomb()).toEqual(value(OBJECTS));
    lab.system.kill("bad");
    lab.faults.length = 0;
    expect([lab.info("bad").objects, lab.info("good").objects]).toEqual([0, OBJECTS]);
    expect(good!.make(1)).toEqual(value(0));
    expect(good!.release(5)).toMatchObject({ ok: true });
    expect(good!.make(1000)).toEqual(value(5));
  });
});

describe("many bombs at once", () => {
  const NAMES = Array.from({ length: 32 }, (_, i) => `bomb${i}`);

  test("of memory: each gets its limit, and one that comes last gets it too", async () => {
    const bombs = await boot(NAMES, { memoryPages: 1024 });
    for (const bomb of bombs) expect(bomb.grow()).toEqual(value(1024));
  });

  test("of the exchange heap, beyond its size: null to whoever asks, and all is well when they have ended", async () => {
    const [first, ...others] = await boot(NAMES, { heapObjects: 100, memoryPages: PAGES }, 4 << 20);
    let got = 0;
    for (const bomb of others) got += bomb.make(1000).value!;
    expect(got).toBeLessThan(others.length * 100);
    expect(first!.make(1)).toEqual(value(0));
    for (const name of NAMES.slice(1)) lab.system.kill(name);
    lab.faults.length = 0;
    expect(first!.make(1000)).toEqual(value(100));
  });
});
