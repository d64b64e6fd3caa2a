/**
 * The module cache: what is kept between runs is what was admitted, and damage only costs time.
 */
import { describe, expect, test } from "vitest";
import { MAX_MODULES, ModuleCache } from "./cache.ts";
import { importKey, type Policy } from "./policy.ts";

/** One function that returns 7, and a memory. */
const MODULE = Uint8Array.from([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 102, 0, 0, 10, 6, 1, 4, 0,
  65, 7, 11,
]);
const POLICY: Policy = { functions: new Map(), methods: new Map(), maxPages: 4 };
const OPTIONS = { heapPages: 1, ledgerPages: 1 };

/** Keeps its bytes as views into a larger buffer, as Node's file functions do. */
function memoryStore() {
  const kept = new Map<string, Uint8Array>();
  const counts = { hits: 0, puts: 0 };
  return {
    kept,
    counts,
    get: async (key: string) => {
      const found = kept.get(key) ?? null;
      if (found !== null) counts.hits++;
      return found;
    },
    put: async (key: string, bytes: Uint8Array) => {
      counts.puts++;
      kept.set(key, Buffer.concat([Buffer.from("padding"), bytes]).subarray(7));
    },
  };
}

describe("ModuleCache", () => {
  test("one compiled module serves every instance of a process, and the next process finds the lowered bytes", async () => {
    const store = memoryStore();
    const first = new ModuleCache(store, OPTIONS);
    const compiled = await first.get(MODULE, POLICY);
    expect(await first.get(MODULE, POLICY)).toBe(compiled);
    const again = await new ModuleCache(store, OPTIONS).get(MODULE, POLICY);
    expect(again.admitted).toEqual(compiled.admitted);
    expect(store.counts).toEqual({ hits: 1, puts: 1 });
  });

  test("keeps the modules that were asked for last", async () => {
    const cache = new ModuleCache(null, OPTIONS);
    const used = await cache.get(MODULE, POLICY);
    const forgotten = await cache.get(MODULE, { ...POLICY, maxPages: 5 });
    for (let i = 0; i < MAX_MODULES; i++) {
      await cache.get(MODULE, { ...POLICY, maxPages: 6 + i });
      expect(await cache.get(MODULE, POLICY)).toBe(used);
    }
    expect(await cache.get(MODULE, { ...POLICY, maxPages: 5 })).not.toBe(forgotten);
  });

  test("the key covers the policy and the loader's options", async () => {
    const store = memoryStore();
    await new ModuleCache(store, OPTIONS).get(MODULE, POLICY);
    await new ModuleCache(store, OPTIONS).get(MODULE, { ...POLICY, maxPages: 5 });
    await new ModuleCache(store, { ...OPTIONS, elide: false }).get(MODULE, POLICY);
    const functions = new Map([[importKey("env", "f"), { params: [], results: [] }]]);
    await new ModuleCache(store, OPTIONS).get(MODULE, { ...POLICY, functions });
    expect(store.kept.size).toBe(4);
  });

  test("a damaged, cut or empty entry is never used: the module is admitted again", async () => {
    const store = memoryStore();
    const { admitted } = await new ModuleCache(store, OPTIONS).get(MODULE, POLICY);
    const [key, good] = [...store.kept][0]!;
    for (let i = 0; i < good.length; i++) {
      const bad = Uint8Array.from(good);
      bad[i]! ^= 1;
      store.kept.set(key, bad);
      expect((await new ModuleCache(store, OPTIONS).get(MODULE, POLICY)).admitted).toEqual(admitted);
    }
    for (const length of [0, 1, 31, 32, 35, good.length - 1]) {
      store.kept.set(key, good.subarray(0, length));
      expect((await new ModuleCache(store, OPTIONS).get(MODULE, POLICY)).admitted).toEqual(admitted);
    }
  });
});
