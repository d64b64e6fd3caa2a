/**
 * The key-value service on a disk that this test owns, so that it can look at the blocks, break them and pull the plug.
 *
 * Invariant checked throughout: whatever was acknowledged before the store is opened again is there afterwards.
 */
import { join } from "node:path";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import type { HostObject } from "#kernel/host/object.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import type { SystemBuild } from "#tools/build/index.ts";
import { random } from "../recovery/disk.ts";
import { BUILD } from "#tools/lib/paths.ts";

type Answer<T> = { ok: true; value: T } | { ok: false; error: string } | { ok: false; fault: string };
/** What the tests need of the generated client; generated types are not there when this file is checked first. */
interface Store {
  get(key: string): Answer<Uint8Array>;
  put(key: string, value: Uint8Array): Answer<void>;
  delete(key: string): Answer<void>;
  count(): Answer<number>;
  list(position: number): Answer<string>;
  statistics(): Answer<{ keys: number; liveBytes: bigint; usedBytes: bigint }>;
}
/** Fields of a BlockRequest, by its layout: data at 0, block behind it. */
const DATA = 0;
const BLOCK = 4096;

const SECTOR = 512;

/** A disk in this process, with a volatile write cache. `writesLeft` counts down to the moment when it fails. */
class Disk {
  readonly blocks: Uint8Array[];
  writesLeft = Infinity;
  /** What each block was, in all versions since the last flush, oldest first. */
  readonly #versions = new Map<number, Uint8Array[]>();
  constructor(blocks: number) {
    this.blocks = Array.from({ length: blocks }, () => new Uint8Array(BLOCK));
  }
  #write(number: number, bytes: Uint8Array): void {
    const versions = this.#versions.get(number) ?? [this.blocks[number]!];
    versions.push(bytes);
    this.#versions.set(number, versions);
    this.blocks[number] = bytes;
  }
  /** Of each block that was not flushed, each sector becomes what it was in any version. */
  cutPower(seed: number): void {
    const next = random(seed);
    for (const [number, versions] of this.#versions) {
      const block = new Uint8Array(BLOCK);
      for (let at = 0; at < BLOCK; at += SECTOR)
        block.set(versions[next(versions.length)]!.subarray(at, at + SECTOR), at);
      this.blocks[number] = block;
    }
    this.#versions.clear();
  }
  service(system: () => System) {
    const number = (request: HostObject): number => Number(system().heap.loadU64(request.handle, BLOCK));
    const failed = (request: HostObject) => {
      system().heap.free(request.handle);
      return { ok: false, error: "Io" };
    };
    return [
      {
        read: (request: HostObject) => {
          system().heap.setBytes(request.handle, DATA, this.blocks[number(request)]!);
          return { ok: true, value: request };
        },
        write: (request: HostObject) => {
          if (this.writesLeft-- <= 0) return failed(request);
          this.#write(number(request), system().heap.bytes(request.handle, DATA, BLOCK));
          return { ok: true, value: request };
        },
        flush: () => {
          if (this.writesLeft <= 0) return { ok: false, error: "Io" };
          this.#versions.clear();
          return { ok: true, value: undefined };
        },
        capacity: () => ({ ok: true, value: BigInt(this.blocks.length) }),
        patience: () => ({ ok: true, value: 100 }),
        statistics: () => ({ ok: true, value: { reads: 0n, writes: 0n, errors: 0n } }),
      },
    ];
  }
}

let build: SystemBuild;
beforeAll(async () => {
  const manifest = defineSystem({
    name: "store",
    heap: { bytes: 4 * 1024 * 1024, objects: 1024 },
    domains: { kv: { domain: "kv", uses: { disk: "host.disk" } } },
  });
  build = await buildSystem(manifest, { builtins: { host: { disk: "BlockDevice" } } });
});

/** Opens the store on a disk in a fresh system, uses it, and stops the system. */
async function open<T>(disk: Disk, use: (store: Store) => T): Promise<T> {
  const holder: { system?: System } = {};
  const system = new System(build.system, { images: build.images, cacheDir: join(BUILD, "cache", "lowered") });
  holder.system = system;
  try {
    system.serve(
      "BlockDevice",
      disk.service(() => holder.system!),
    );
    await system.start();
    return use(system.client<Store>("kv.store"));
  } finally {
    await system.stop();
  }
}

const text = (s: string): Uint8Array => new TextEncoder().encode(s);
const ok = { ok: true, value: undefined };
const bytes = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill);

test("what was put is there, also after the store was opened again", async () => {
  const disk = new Disk(16);
  await open(disk, (store) => {
    expect(store.count()).toEqual({ ok: true, value: 0 });
    expect(store.put("a", text("one"))).toEqual(ok);
    expect(store.put("ключ", bytes(2048, 7))).toEqual(ok);
    expect(store.put("a", text("two"))).toEqual(ok);
    expect(store.put("gone", text(""))).toEqual(ok);
    expect(store.get("gone")).toEqual({ ok: true, value: text("") });
    expect(store.delete("gone")).toEqual(ok);
  });
  await open(disk, (store) => {
    expect(store.get("a")).toEqual({ ok: true, value: text("two") });
    expect(store.get("ключ")).toEqual({ ok: true, value: bytes(2048, 7) });
    expect(store.get("gone")).toEqual({ ok: false, error: "NotFound" });
    expect([store.list(0), store.list(1)].map((k) => k.ok && k.value).toSorted()).toEqual(["a", "ключ"]);
    expect(store.list(2)).toEqual({ ok: false, error: "NotFound" });
    expect(store.statistics()).toMatchObject({ ok: true, value: { keys: 2 } });
  });
});

test("bad keys are answers", async () => {
  await open(new Disk(16), (store) => {
    expect(store.get("")).toEqual({ ok: false, error: "BadKey" });
    expect(store.delete("x")).toEqual({ ok: false, error: "NotFound" });
    expect(store.put("k".repeat(128), text("v"))).toEqual(ok);
    expect(() => store.put("k".repeat(129), text("v"))).toThrow("at most 128");
  });
});

test("a full store refuses, takes deletions, and has room again", async () => {
  const disk = new Disk(6);
  await open(disk, (store) => {
    const fits: string[] = [];
    while (store.put(`k${fits.length}`, bytes(1500, 1)).ok) fits.push(`k${fits.length}`);
    expect(fits.length).toBe(4);
    expect(store.put("more", bytes(1500, 1))).toEqual({ ok: false, error: "Full" });
    expect(store.delete("k0")).toEqual(ok);
    expect(store.put("more", bytes(1500, 2))).toEqual(ok);
    expect(store.get("k3")).toEqual({ ok: true, value: bytes(1500, 1) });
    for (let i = 0; i < 50; i++) expect(store.put("more", bytes(700, i))).toEqual(ok);
    expect(store.get("more")).toEqual({ ok: true, value: bytes(700, 49) });
  });
});

describe("damage", () => {
  test("a block that fails its checksum is an error for its keys only", async () => {
    const disk = new Disk(32);
    await open(disk, (store) => {
      for (let i = 0; i < 6; i++) store.put(`k${i}`, bytes(2000, i));
    });
    disk.blocks[3]![100]! ^= 1;
    await open(disk, (store) => {
      const answers = Array.from({ length: 6 }, (_, i) => store.get(`k${i}`).ok);
      // Two records fill a block, and the log begins at block 2.
      expect(answers).toEqual([true, true, false, false, true, true]);
    });
  });
  test("a write that reached the disk in parts takes nothing that was acknowledged with it", async () => {
    // A bit for each sector: the header's alone, all but it, some.
    for (const mask of [0x01, 0xfe, 0x7f, 0x40, 0xc0, 0x55, 0xaa]) {
      const disk = new Disk(8);
      await open(disk, (store) => {
        for (let i = 0; i < 6; i++) expect(store.put(`k${i}`, bytes(500, i))).toEqual(ok);
        const before = disk.blocks[2]!;
        // The write succeeds, the flush does not: its sectors may have arrived, each of them.
        disk.writesLeft = 1;
        expect(store.put("last", bytes(400, 9))).toEqual({ ok: false, error: "Io" });
        const after = disk.blocks[2]!;
        disk.blocks[2] = after.map((byte, i) => (((mask >> Math.floor(i / SECTOR)) & 1) === 1 ? byte : before[i]!));
      });
      disk.writesLeft = Infinity;
      await open(disk, (store) => {
        for (let i = 0; i < 6; i++) expect(store.get(`k${i}`), `${mask}`).toEqual({ ok: true, value: bytes(500, i) });
      });
    }
  });
  test("a disk with something else on it is not overwritten", async () => {
    const disk = new Disk(16);
    disk.blocks[0]!.set(text("somebody's file system"));
    const before = disk.blocks.map((b) => b.slice());
    await open(disk, (store) => expect(store.put("a", text("b"))).toEqual({ ok: false, error: "Corrupt" }));
    expect(disk.blocks).toEqual(before);
  });
  test("a disk that is too small is an answer", async () => {
    await open(new Disk(3), (store) => expect(store.count()).toEqual({ ok: false, error: "Full" }));
  });
});

type Step = {
  readonly kind: "put" | "delete" | "reopen" | "fail" | "power";
  readonly key: number;
  readonly size: number;
};
const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant<"put">("put") },
    { weight: 5, arbitrary: fc.constant<"delete">("delete") },
    { weight: 1, arbitrary: fc.constant<"reopen">("reopen") },
    { weight: 2, arbitrary: fc.constant<"fail">("fail") },
    { weight: 1, arbitrary: fc.constant<"power">("power") },
  ),
  key: fc.nat(11),
  size: fc.nat(1200),
});

/** Applies steps up to the next opening; returns the rest. After a failed write the key may hold either value. */
function apply(store: Store, steps: Step[], disk: Disk, model: Map<string, Set<number>>): Step[] {
  let stamp = steps.length;
  while (steps.length > 0) {
    const { kind, key, size } = steps.shift()!;
    const name = `key-${key}`;
    disk.writesLeft = kind === "fail" ? size % 4 : Infinity;
    if (kind === "reopen") return steps;
    if (kind === "power") {
      disk.cutPower(size);
      return steps;
    }
    const deletes = kind === "delete";
    // The value's length tells which put it was; 0 stands for no value.
    const value = deletes ? 0 : size + 1 + (stamp-- % 7);
    const answer = deletes ? store.delete(name) : store.put(name, bytes(value, key));
    const old = model.get(name) ?? new Set([0]);
    if (answer.ok) model.set(name, new Set([value]));
    else if ("error" in answer && answer.error === "Io") model.set(name, new Set([...old, value]));
    else expect(answer).toMatchObject({ error: expect.stringMatching(/^(NotFound|Full)$/) });
    // Some go on after a failure, some are opened again at once.
    if (answer.ok || !("error" in answer) || answer.error !== "Io" || size % 2 === 1) continue;
    // Some lose what the disk has in its cache.
    if (size % 4 === 0) disk.cutPower(size);
    return steps;
  }
  return steps;
}

test("against a model, with failing disks, power cuts and restarts at any point", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 150 }), async (script) => {
      const disk = new Disk(12);
      const model = new Map<string, Set<number>>();
      let steps = [...script];
      do {
        steps = await open(disk, (store) => apply(store, steps, disk, model));
        disk.writesLeft = Infinity;
        await open(disk, (store) => {
          for (const [name, values] of model) {
            const got = store.get(name);
            const length = got.ok ? got.value.length : 0;
            expect(got.ok || ("error" in got && got.error === "NotFound")).toBe(true);
            expect([...values]).toContain(length);
            model.set(name, new Set([length]));
          }
          const live = [...model.values()].filter((v) => !v.has(0)).length;
          expect(store.count()).toEqual({ ok: true, value: live });
        });
      } while (steps.length > 0);
    }),
    { numRuns: 20 },
  );
}, 120_000);
