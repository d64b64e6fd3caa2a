/**
 * A domain in C between two in AssemblyScript: a key-value store on a cipher (C) on a RAM disk.
 *
 * Objects are made, moved, changed and returned by code of two compilers, and the loader holds both to the same rules.
 * Skipped where clang or its Wasm linker is not installed.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { clangMissing } from "#tools/build/clang.ts";
import { buildSystem } from "#tools/build/index.ts";
import type { BlockDeviceClient, BlockRequest } from "../../build/gen/host/block-device.ts";
import type * as Generated from "../../build/gen/host/interfaces.ts";
import type { KeyValueClient } from "../../build/gen/host/key-value.ts";

const BLOCKS = 32;
const USE_AFTER_MOVE = 0xbad;
const manifest = defineSystem({
  name: "c-domain",
  heap: { bytes: 16 * 1024 * 1024, objects: 1024 },
  domains: {
    medium: { domain: "medium", limits: { heapObjects: BLOCKS } },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    cipher: { domain: "c-cipher", uses: { disk: "ramdisk.disk" } },
    kv: { domain: "kv", uses: { disk: "cipher.disk" } },
  },
});
const text = (s: string): Uint8Array => new TextEncoder().encode(s);

const missing = clangMissing();
describe.skipIf(missing !== null)(missing === null ? "a domain in C" : `a domain in C: ${missing}`, () => {
  let host: typeof Generated;
  let system: System;
  beforeEach(async () => {
    const build = await buildSystem(manifest, { roots: ["domains", "test/domains"] });
    host = await import("../../build/gen/host/interfaces.ts");
    system = await System.boot(build.system, { images: build.images, records: host.records });
  });
  afterEach(async () => {
    expect(system.kernel.heap.check()).toEqual([]);
    await system.stop();
  });

  const disk = (name: string) => system.client<BlockDeviceClient>(`${name}.disk`);
  function request(block: bigint, data = "", tag = 0): BlockRequest {
    const made = host.records.BlockRequest.create(system.heap);
    made.block = block;
    made.tag = tag;
    made.setData(text(data));
    return made;
  }
  /** The contents of a block, as a disk answers them. */
  function contents(name: string, block: bigint): Uint8Array {
    const answer = disk(name).read(request(block));
    if (!answer.ok) throw new Error(JSON.stringify(answer));
    const data = answer.value.getData();
    system.heap.free(answer.value.handle);
    return data;
  }
  const states = () => Object.fromEntries(system.domains().map((d) => [d.name, d.state]));

  test("makes objects at start: every block of a new disk was written, and reads as zeros", () => {
    expect(disk("ramdisk").statistics()).toMatchObject({ value: { writes: BigInt(BLOCKS) } });
    expect(contents("cipher", 7n)).toEqual(new Uint8Array(4096));
    expect(contents("ramdisk", 7n)).not.toEqual(new Uint8Array(4096));
    expect(system.domains().find((d) => d.name === "cipher")).toMatchObject({ objects: 0 });
  });

  test("passes requests on and back, changed on the way", () => {
    const answer = disk("cipher").write(request(5n, "plain text", 42));
    if (!answer.ok) throw new Error(JSON.stringify(answer));
    expect([answer.value.block, answer.value.tag]).toEqual([5n, 42]);
    expect(answer.value.getData(0, 10)).toEqual(text("plain text"));
    system.heap.free(answer.value.handle);
    expect(contents("ramdisk", 5n).subarray(0, 10)).not.toEqual(text("plain text"));
    expect(contents("cipher", 5n).subarray(0, 10)).toEqual(text("plain text"));
    expect(disk("cipher").capacity()).toEqual({ ok: true, value: BigInt(BLOCKS) });
    expect(disk("cipher").flush()).toEqual({ ok: true, value: undefined });
    expect(disk("cipher").statistics()).toEqual({ ok: true, value: { reads: 1n, writes: 1n, errors: 0n } });
  });

  test("hands errors on, and makes a fault below an error of its own", () => {
    expect(disk("cipher").read(request(BigInt(BLOCKS)))).toEqual({ ok: false, error: "OutOfRange" });
    system.kill("ramdisk");
    expect(disk("cipher").read(request(0n))).toEqual({ ok: false, error: "Io" });
    expect(disk("cipher").capacity()).toEqual({ ok: false, error: "Io" });
    expect(states()).toEqual({ medium: "running", ramdisk: "dead", cipher: "running", kv: "running" });
  });

  test("serves a store in AssemblyScript, whose values the disk holds enciphered only", () => {
    const store = system.client<KeyValueClient>("kv.store");
    const value = text("a value that nobody shall find on the disk");
    expect(store.put("secret", value)).toEqual({ ok: true, value: undefined });
    expect(store.get("secret")).toEqual({ ok: true, value });
    const stored = Array.from({ length: BLOCKS }, (_, block) => Buffer.from(contents("ramdisk", BigInt(block))));
    expect(Buffer.concat(stored).includes(Buffer.from(value))).toBe(false);
    const shown = Array.from({ length: BLOCKS }, (_, block) => Buffer.from(contents("cipher", BigInt(block))));
    expect(Buffer.concat(shown).includes(Buffer.from(value))).toBe(true);
  });

  test("dies at its first access to an object that it gave away, alone", () => {
    const before = system.kernel.heap.statistics().objects;
    expect(disk("cipher").write(request(0n, "", USE_AFTER_MOVE))).toEqual({ ok: false, fault: "crashed" });
    expect(states()).toEqual({ medium: "running", ramdisk: "running", cipher: "dead", kv: "running" });
    const fault = system.faults[0]!;
    expect(fault).toMatchObject({ domain: "cipher", kind: "trap", chain: ["host", "cipher"], objectsFreed: 1 });
    expect(fault.frames.map((f) => f.functionName).join(" ")).toContain("BlockDevice_write_server");
    expect(system.kernel.heap.statistics().objects).toBe(before);
    expect(system.client<KeyValueClient>("kv.store").put("a", text("b"))).toEqual({ ok: false, error: "Io" });
  });
});
