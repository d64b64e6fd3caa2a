/**
 * The native library where no device is needed: memory files below a Wasm memory, mappings, errors.
 *
 * vfio itself is tested in a virtual machine (tools/vm).
 */
import { spawnSync } from "node:child_process";
import { beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../../tools/lib/paths.ts";
import { buildNative, nativeFile, nativeMissing } from "../../tools/native/build.ts";
import { errnoOf, loadNative } from "./native.ts";
import type { Native } from "./native.ts";
import { openVfio } from "./vfio.ts";

const missing = nativeMissing();

describe.skipIf(missing !== null)("the native library", () => {
  let native: Native;
  beforeAll(() => void (native = loadNative(buildNative())));

  const PAGE = 65_536;
  const heap = (pages: number): SharedArrayBuffer =>
    new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }).buffer as unknown as SharedArrayBuffer;
  const message = (run: () => unknown): string => {
    try {
      run();
    } catch (error) {
      return (error as Error).message;
    }
    return "no error";
  };

  test("a memory file goes below a part of the heap: its bytes stay, its neighbours are not touched", () => {
    const memory = heap(4);
    const all = new Uint8Array(memory).fill(7);
    const file = native.back(new Uint8Array(memory, PAGE, 2 * PAGE), false);
    expect(file.size()).toBe(2 * PAGE);
    expect(all.every((byte) => byte === 7)).toBe(true);
    const mapping = file.map(PAGE, PAGE, true);
    const seen = new Uint8Array(mapping.buffer());
    all[2 * PAGE + 5] = 42;
    seen[6] = 43;
    expect([seen[5], all[2 * PAGE + 6], all[PAGE - 1], all[3 * PAGE]]).toEqual([42, 43, 7, 7]);
    mapping.close(seen.buffer);
    expect(seen.length).toBe(0);
    expect(seen[5]).toBe(undefined);
  });

  test("a mapping is read and written by word, within its bounds, until it is closed", () => {
    const memory = heap(1);
    const mapping = native.back(new Uint8Array(memory), false).map(0, 4096, true);
    mapping.store32(4092, 0xfedc_ba98);
    expect(mapping.load32(4092)).toBe(0xfedc_ba98);
    expect(new DataView(memory).getUint32(4092, true)).toBe(0xfedc_ba98);
    for (const offset of [4093, 4096, -4, Number.NaN, 2 ** 60])
      expect(message(() => mapping.load32(offset))).toMatch(/^EINVAL: /);
    const buffer = mapping.buffer();
    expect(message(() => mapping.buffer())).toMatch(/^EINVAL: the buffer of this mapping was already made/);
    expect(message(() => mapping.close(new ArrayBuffer(8)))).toMatch(/^EINVAL: this buffer is not of this mapping/);
    mapping.close(buffer);
    expect(message(() => mapping.load32(0))).toMatch(/^EINVAL: word 0 of a mapping of 4096 bytes/);
  });

  test("what cannot be backed or mapped is refused, with the errno", () => {
    const memory = heap(1);
    expect(message(() => native.back(new Uint8Array(memory, 16, 4096), false))).toMatch(
      /^EINVAL: the range does not start and end at pages of 4096 bytes/,
    );
    expect(message(() => native.back(new Uint16Array(8) as unknown as Uint8Array, false))).toMatch(/not a Uint8Array/);
    const file = native.back(new Uint8Array(memory), false);
    expect(message(() => file.map(0, 0, true))).toMatch(/^EINVAL: descriptor: no bytes/);
    expect(message(() => file.map(1, 4096, true))).toMatch(/^EINVAL: descriptor: mmap of 4096 bytes at 1/);
    file.close();
    expect(message(() => file.map(0, 4096, true))).toMatch(/^EINVAL: this descriptor was closed/);
  });

  test("a set of vectors has a thread that ends when it is closed", () => {
    expect(message(() => new native.Interrupts(0, () => {}))).toMatch(/^EINVAL: 0 vectors: 1 to 2048 are possible/);
    const vectors = new native.Interrupts(2048, () => {});
    expect(vectors.take(0)).toBe(0);
    expect(vectors.take(1_000)).toBe(0);
    vectors.close();
    vectors.close();
  });

  test.each([
    ["ends", "setTimeout(() => process.exit(0), 10)", 0],
    ["throws", "throw new Error('on purpose')", 1],
    ["is a worker that is terminated", "stopWorkers()", 0],
  ])("a program that %s with all of it in use ends in order", (_, how, wanted) => {
    const use = `
      const native = require(${JSON.stringify(nativeFile())});
      const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
      const mapping = native.back(new Uint8Array(memory.buffer), false).map(0, 4096, true);
      globalThis.kept = [mapping, mapping.buffer(), new native.Interrupts(4, () => {})];`;
    const program = `${use}
      const { Worker } = require("node:worker_threads");
      const code = ${JSON.stringify(`${use} require("node:worker_threads").parentPort.postMessage("up")`)};
      async function stopWorkers() {
        for (let i = 0; i < 3; i++) {
          const worker = new Worker(code, { eval: true });
          await new Promise((resolve) => worker.once("message", resolve));
          await worker.terminate();
        }
        process.exit(0);
      }
      ${how};`;
    const args = ["--input-type=commonjs", "--eval", program];
    const { status, signal, stderr } = spawnSync(process.execPath, args, {
      cwd: ROOT,
      timeout: 20_000,
      encoding: "utf8",
    });
    expect({ status, signal }).toEqual({ status: wanted, signal: null });
    if (wanted === 0) expect(stderr).toBe("");
    else expect(stderr).toContain("on purpose");
  });

  test("a device that cannot be opened is named, with the errno", () => {
    expect(message(() => openVfio(native, "../../evil"))).toBe(
      'vfio: "../../evil" is no PCI address, such as 0000:00:04.0',
    );
    const error = message(() => openVfio(native, "ffff:00:00.0"));
    expect(error).toMatch(
      /^ENOENT: \/sys\/bus\/pci\/devices\/ffff:00:00\.0\/iommu_group \(no such device, or no IOMMU\)/,
    );
    expect(errnoOf(new Error(error))).toBe("ENOENT");
  });
});
