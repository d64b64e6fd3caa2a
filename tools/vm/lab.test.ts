/**
 * The parts of the VM lab that need no guest: where it lies, what it says when it cannot be had, what QEMU is told.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { mirror } from "./apt.ts";
import { bdf, nvme, vfioUser } from "./devices.ts";
import { uncompressedKernel } from "./kernel.ts";
import { CONTENTS, isReady, labPaths, obstacle } from "./lab.ts";
import { setup } from "./setup.ts";

test("the lab lies in the cache folder of who runs it, or where they say", () => {
  expect(labPaths({ SAMARA_VM_CACHE: "/a", XDG_CACHE_HOME: "/b" }).dir).toBe("/a");
  expect(labPaths({ XDG_CACHE_HOME: "/b" }).dir).toBe("/b/samara/vm");
  // As the XDG specification has it, a relative one is ignored.
  expect(labPaths({ XDG_CACHE_HOME: "b" }).dir).toMatch(/^\/.*\/\.cache\/samara\/vm$/);
});

test("a lab of other contents is none, one with the right stamp costs nothing", async () => {
  const dir = mkdtempSync(join(tmpdir(), "samara-lab-"));
  try {
    const lab = labPaths({ SAMARA_VM_CACHE: dir });
    writeFileSync(lab.stamp, "of another time");
    expect(isReady(lab)).toBe(false);
    writeFileSync(lab.stamp, CONTENTS);
    const said: string[] = [];
    if (obstacle(lab) === null) expect(await setup((line) => said.push(line), lab)).toBe(lab);
    expect(said).toEqual([]);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("a machine that cannot run guests is told why", async () => {
  const lab = labPaths({ SAMARA_VM_CACHE: "/nowhere" });
  expect(obstacle(lab, "darwin", "arm64")).toBe("the VM lab runs on Linux on x86-64, not on darwin arm64");
  if (obstacle(lab) !== null) return;
  const unwritable = labPaths({ SAMARA_VM_CACHE: "/dev/null/samara" });
  await expect(setup(() => {}, unwritable)).rejects.toThrow(/cannot make its folder: .*SAMARA_VM_CACHE names another/);
  expect(mirror({ SAMARA_VM_MIRROR: "http://mirror.test/debian" })).toBe("http://mirror.test/debian");
});

test("a kernel is found behind what looks like one, and what follows it is left away", async () => {
  const zstd = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);
  const elf = Buffer.concat([Buffer.from("\x7fELF", "latin1"), Buffer.alloc(100_000, 7)]);
  const image = Buffer.concat([Buffer.from("setup"), zstd, zstdCompressSync("no ELF"), zstdCompressSync(elf)]);
  expect((await uncompressedKernel(Buffer.concat([image, Buffer.from("rest")]))).equals(elf)).toBe(true);
  await expect(uncompressedKernel(Buffer.from("nothing"))).rejects.toThrow("holds no kernel");
});

test("a device names its slot, and commas in values do not end them", () => {
  expect(bdf(20)).toBe("0000:00:14.0");
  expect(nvme({ slot: 20, file: "/a,b", serial: "S", properties: ["mdts=2"] }).args).toEqual([
    "-drive",
    "file=/a,,b,if=none,format=raw,id=disk20,discard=unmap",
    "-device",
    "nvme,drive=disk20,serial=S,addr=14,mdts=2",
  ]);
  const [, device] = vfioUser(5, "/a,b").args;
  expect(JSON.parse(device!)).toEqual({ driver: "vfio-user-pci", addr: "5", socket: { path: "/a,b", type: "unix" } });
});
