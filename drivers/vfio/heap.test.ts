/**
 * Memory files and huge pages below the exchange heap: who gets which bytes, and what is refused.
 */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { buildNative, nativeFile, nativeMissing } from "../../tools/native/build.ts";
import { ROOT } from "../../tools/lib/paths.ts";
import { hugePages, memoryFile, pinned } from "./heap.ts";
import { loadNative } from "./native.ts";
import type { Native } from "./native.ts";

const PAGE = 65_536;
const MIB = 1 << 20;

const heap = (bytes: number): SharedArrayBuffer => {
  const pages = bytes / PAGE;
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
    .buffer as unknown as SharedArrayBuffer;
};

describe.skipIf(nativeMissing() !== null)("below the exchange heap", () => {
  let native: Native;
  beforeAll(() => void (native = loadNative(buildNative())));

  test("a window has one memory file, with its bytes and no others", () => {
    const memory = heap(MIB);
    const all = new Uint8Array(memory).fill(1);
    const window = { iova: 4 * PAGE, bytes: 2 * PAGE };
    all.fill(7, window.iova, window.iova + window.bytes);
    const file = memoryFile(native, memory, window);
    expect(memoryFile(native, memory, { ...window })).toBe(file);
    expect(file.size()).toBe(window.bytes);
    const mapping = file.map(0, window.bytes, false);
    const bytes = new Uint8Array(mapping.buffer());
    expect(bytes.every((byte) => byte === 7)).toBe(true);
    all[window.iova + 9] = 8;
    expect(bytes[9]).toBe(8);
    mapping.close(bytes.buffer);
  });

  test("windows that overlap, and pages that a device has pinned, are refused", () => {
    const memory = heap(MIB);
    memoryFile(native, memory, { iova: 4 * PAGE, bytes: 2 * PAGE });
    for (const iova of [3, 5])
      expect(() => memoryFile(native, memory, { iova: iova * PAGE, bytes: 2 * PAGE })).toThrow(
        /^the heap's bytes \d+ to \d+ are in another window in part/,
      );
    memoryFile(native, memory, { iova: 6 * PAGE, bytes: PAGE });
    pinned(memory, { iova: 8 * PAGE, bytes: PAGE });
    for (const window of [
      { iova: 8 * PAGE, bytes: PAGE },
      { iova: 7 * PAGE, bytes: 3 * PAGE },
    ])
      expect(() => memoryFile(native, memory, window)).toThrow(/are pinned by a device already: open devices of other/);
    // A device that pins what is backed already changes nothing; another heap has its own windows.
    pinned(memory, { iova: 6 * PAGE, bytes: PAGE });
    memoryFile(native, memory, { iova: 6 * PAGE, bytes: PAGE });
    memoryFile(native, heap(MIB), { iova: 8 * PAGE, bytes: PAGE });
  });

  test("nobody who has the file can cut it off below us", () => {
    const program = `
      const { loadNative } = await import("./drivers/vfio/native.ts");
      const fs = await import("node:fs");
      const native = loadNative(${JSON.stringify(nativeFile())});
      const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
      native.back(new Uint8Array(memory.buffer), false);
      const target = (fd) => { try { return fs.readlinkSync("/proc/self/fd/" + fd); } catch { return ""; } };
      const fd = Number(fs.readdirSync("/proc/self/fd").find((fd) => target(fd).includes("samara-heap")));
      for (const bytes of [0, 65536, 1 << 20])
        try { fs.ftruncateSync(fd, bytes); console.log("cut"); } catch (error) { console.log(error.code); }`;
    const run = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
      cwd: ROOT,
      encoding: "utf8",
    });
    expect(run.stdout).toBe("EPERM\nEPERM\nEPERM\n");
  });

  test("huge pages, or the reason why there are none; the bytes stay either way", () => {
    const memory = heap(8 * MIB);
    const all = new Uint8Array(memory).fill(3);
    expect(hugePages(native, memory, { iova: PAGE, bytes: MIB })).toEqual({
      bytes: 0,
      reason: `the heap's bytes ${PAGE} to ${PAGE + MIB} hold no whole huge page of 2 MiB`,
    });
    const free = Number(/HugePages_Free: +(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
    const had = hugePages(native, memory, { iova: PAGE, bytes: 8 * MIB - PAGE });
    if (free >= 3)
      expect(had).toEqual({ bytes: 6 * MIB, reason: `${2 * MIB - PAGE} bytes lie outside of whole huge pages` });
    else {
      expect(had.bytes).toBe(0);
      expect(had.reason).toMatch(
        /^E[A-Z]+: \d+ bytes of hugepage memory: .*; (transparent huge pages instead|E[A-Z]+: )/,
      );
    }
    expect(all.every((byte) => byte === 3)).toBe(true);
    memoryFile(native, memory, { iova: 0, bytes: PAGE });
    expect(hugePages(native, memory, { iova: 0, bytes: 8 * MIB }).reason).toMatch(/are in use already$/);
  });
});
