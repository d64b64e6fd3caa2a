/**
 * Burials that take long: a domain that leaves very many objects, or a large memory, behind.
 *
 * They are done in steps, between which the others run; its id and its objects are nobody's until they are over.
 */
import { afterEach, expect, test } from "vitest";
import { DEFAULT_RESTART } from "#kernel/manifest/manifest.ts";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
export interface Hoard { size(): RpcResult<u32, Err>; give(item: RRef<Item>): RpcResult<void, Err>; }
`;
const OBJECTS = 250_000;
const PAGES = 1024;

/** Takes all objects that it may have, and writes to every page of its memory. */
const hoard = (n: Names): string => `(module (import "rpc" "set0" (func $set0 (param i32)))
  ${n.newType("Item")}
  (memory ${PAGES}) (global $n (mut i32) (i32.const 0))
  (func (export "main") (local $at i32)
    (loop $page
      (if (i32.load (local.get $at)) (then unreachable))
      (i32.store (local.get $at) (i32.const 1))
      (br_if $page (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 4096))) (i32.const ${PAGES * 65536}))))
    (loop $more
      (if (call $new_Item) (then (global.set $n (i32.add (global.get $n) (i32.const 1))) (br $more)))))
  (func (export "${n.serve("Hoard.give")}") (param i32 i32) (result i32) (i32.const 0))
  (func (export "${n.serve("Hoard.size")}") (param i32) (result i32) (call $set0 (global.get $n)) (i32.const 0)))`;

interface Hoard {
  size(): { ok: boolean; value?: number; fault?: string };
}
let lab: Lab;
afterEach(async () => {
  lab.audit();
  await lab.close();
});

const limits = { heapObjects: OBJECTS, heapBytes: 40 << 20, memoryPages: PAGES, sliceMs: 60_000 };
const boot = async (policy: "never" | "always"): Promise<void> => {
  const restart = { ...DEFAULT_RESTART, policy };
  const small = { heapObjects: 10, memoryPages: PAGES, sliceMs: 60_000 };
  lab = await makeLab({
    idl: IDL,
    objects: 300_000,
    heapBytes: 64 << 20,
    domains: {
      large: { wat: hoard, provides: { hoard: "Hoard" }, limits, restart },
      small: { wat: hoard, provides: { hoard: "Hoard" }, limits: small, restart },
    },
  });
};
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
const size = (name: string) => lab.client<Hoard>(`${name}.hoard`).size();

test("the others run between the steps, and the id is not used before the last one", async () => {
  await boot("never");
  expect(size("large").value).toBe(OBJECTS);
  const { id } = lab.system.kernel.domain("large");
  lab.system.kill("large");
  expect(size("large").fault).toBe("dead");
  expect(lab.owned("large")).toBeGreaterThan(0);
  expect(lab.faults).toEqual([]);
  await lab.load("large");
  const next = lab.system.kernel.domain("large");
  expect(next.id).not.toBe(id);
  let turns = 0;
  while (lab.faults.length === 0) {
    expect(size("small").value).toBe(10);
    await turn();
    turns++;
  }
  expect(turns).toBeGreaterThan(1);
  expect(lab.faults[0]!.objectsFreed).toBe(OBJECTS);
  expect(lab.system.kernel.heap.ownerAt(1) === id).toBe(false);
});

test("a large domain lives again, with as much as before, and its memory zero", async () => {
  await boot("always");
  lab.system.kill("large");
  expect(size("large").fault).toBe("dead");
  while (lab.info("large").state !== "running") {
    expect(size("small").value).toBe(10);
    await turn();
  }
  expect(size("large").value).toBe(OBJECTS);
  expect(lab.info("large").incarnation).toBe(2);
});

test("who cannot wait gets it at once", async () => {
  await boot("never");
  lab.system.kill("large");
  expect(lab.system.restart("large")).toBe(true);
  expect(size("large").value).toBe(OBJECTS);
  expect(lab.faults.map((f) => f.objectsFreed)).toEqual([OBJECTS]);
});
