/**
 * Signatures of disks: made by the real tools where the machine has them, else written as each format lays them out.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Machine } from "#tools/pci/machine.ts";
import { magicsOf, signaturesOf } from "#tools/pci/signatures.ts";
import { PaperMachine } from "./host.ts";

const folder = mkdtempSync(join(tmpdir(), "samara-signatures-"));
const host = new PaperMachine();
host.function("0000:00:04.0", { driver: "nvme" });
afterAll(() => {
  rmSync(folder, { recursive: true });
  host.remove();
});

const MIB = 1 << 20;
const magics = (image: Uint8Array): string[] =>
  magicsOf(image.length, (offset, length) => image.subarray(offset, offset + length));

/** An empty disk with a few bytes written to it. */
function crafted(size: number, at: number, magic: string | readonly number[]): string[] {
  const image = new Uint8Array(size);
  image.set(typeof magic === "string" ? Buffer.from(magic, "latin1") : magic, at < 0 ? size + at : at);
  return magics(image);
}

test("an empty disk, and one of noise without a magic number", () => {
  expect(magics(new Uint8Array(MIB))).toEqual([]);
  expect(magics(new Uint8Array(MIB).fill(0xa5))).toEqual([]);
  expect(magics(new Uint8Array(0))).toEqual([]);
  expect(magics(new Uint8Array(512))).toEqual([]);
});

describe("as the formats' documents have it", () => {
  test.each<[string, number, string | readonly number[]]>([
    ["a GUID partition table", 512, "EFI PART"],
    ["a GUID partition table", -512, "EFI PART"],
    ["a GUID partition table", 4096, "EFI PART"],
    ["a partition table or boot sector", 510, [0x55, 0xaa]],
    ["an ext2, ext3 or ext4 file system", 1080, [0x53, 0xef]],
    ["an XFS file system", 0, "XFSB"],
    ["a Btrfs file system", 0x10040, "_BHRfS_M"],
    ["an F2FS file system", 1024, [0x10, 0x20, 0xf5, 0xf2]],
    ["an NTFS file system", 3, "NTFS    "],
    ["a FAT file system", 82, "FAT32   "],
    ["an ISO 9660 file system", 0x8001, "CD001"],
    ["a swap area", 4086, "SWAPSPACE2"],
    ["a swap area", 65526, "SWAPSPACE2"],
    ["a LUKS volume", 0, "LUKS\xba\xbe"],
    ["a LUKS2 volume (its second header)", 0x4000, "SKUL\xba\xbe"],
    ["a BitLocker volume", 3, "-FVE-FS-"],
    ["an LVM physical volume", 512, "LABELONE"],
    ["a RAID member (md 1.1 or 1.2)", 4096, [0xfc, 0x4e, 0x2b, 0xa9]],
    ["a RAID member (md 1.1 or 1.2)", 0, [0xfc, 0x4e, 0x2b, 0xa9]],
    // The last 64 KiB that begin at a multiple of 64 KiB; and 8 KiB from the end, at a multiple of 4 KiB.
    ["a RAID member (md 0.90)", MIB - 0x10000, [0xfc, 0x4e, 0x2b, 0xa9]],
    ["a RAID member (md 1.0)", MIB - 0x2000, [0xfc, 0x4e, 0x2b, 0xa9]],
    ["a RAID member (Intel Matrix Storage)", -1024, "Intel Raid ISM Cfg Sig. "],
    ["a RAID member (SNIA DDF)", -512, [0xde, 0x11, 0xde, 0x11]],
    ["a bcache device", 4120, "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"],
    // One uberblock in any of the 128 places, in any of the four labels, of either byte order.
    ["a ZFS label", 0x20000, [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]],
    ["a ZFS label", 0x20000 + 77 * 1024, [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0]],
    ["a ZFS label", MIB - 0x40000 + 0x20000, [0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c]],
  ])("%s at %i", (what, at, magic) => expect(crafted(MIB, at, magic)).toEqual([what]));

  test("places at the end count from the disk's own end", () => {
    const odd = MIB + 3 * 4096 + 512;
    expect(crafted(odd, MIB - 0x10000, [0xfc, 0x4e, 0x2b, 0xa9])).toEqual(["a RAID member (md 0.90)"]);
    expect(crafted(odd, odd - 512 - 8192, [0xfc, 0x4e, 0x2b, 0xa9])).toEqual(["a RAID member (md 1.0)"]);
    expect(crafted(odd, -512, "EFI PART")).toEqual(["a GUID partition table"]);
  });
});

/** Images by programs that most machines have, some only CI's; those that are missing have their rows above. */
const TOOLS: readonly (readonly [string, readonly string[], string, string])[] = [
  ["mkfs.ext4", ["-q", "-F"], "an ext2, ext3 or ext4 file system", "ext4"],
  ["mkfs.btrfs", ["-q", "-f"], "a Btrfs file system", "btrfs"],
  ["mkfs.xfs", ["-q", "-f"], "an XFS file system", "xfs"],
  ["mkfs.vfat", [], "a FAT file system", "vfat"],
  ["mkswap", ["-q"], "a swap area", "swap"],
];
const has = (program: string): boolean =>
  spawnSync(program, ["-V"], { env: { PATH: `${process.env.PATH}:/usr/sbin:/sbin` } }).error === undefined;

describe("as the tools write them", () => {
  const made = TOOLS.filter(([program]) => has(program));
  test("there are tools to compare with", () => expect(made.length).toBeGreaterThan(0));
  test.each(made)("%s", (program, args, what) => {
    const file = join(folder, program);
    writeFileSync(file, "");
    truncateSync(file, 320 * MIB);
    const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
    const run = spawnSync(program, [...args, file], { env, encoding: "utf8" });
    expect(run.status, run.stderr).toBe(0);
    const { size } = statSync(file);
    const here = new Machine();
    expect(magicsOf(size, (offset, length) => here.bytes(file, offset, length, size))).toContain(what);
  });
});

describe("a disk of a machine", () => {
  test("each partition is looked at, and named", () => {
    host.disk("0000:00:04.0", "nvme0n1", { partitions: 2 });
    const image = new Uint8Array(MIB);
    image.set(Buffer.from("LABELONE"), 512);
    host.file("/dev/nvme0n1p2", image);
    expect(signaturesOf(host, "nvme0n1")).toEqual(["nvme0n1p2 carries an LVM physical volume"]);
  });
  test("what only libblkid knows counts; a disk that is two things at once does, too", () => {
    host.disk("0000:00:04.0", "nvme0n2");
    host.programs.set("blkid", { code: 0, out: "DEVNAME=/dev/nvme0n2\nTYPE=minix\nUSAGE=filesystem\n" });
    expect(signaturesOf(host, "nvme0n2")).toEqual(["nvme0n2 carries minix (blkid)"]);
    host.programs.set("blkid", { code: 8, out: "" });
    expect(signaturesOf(host, "nvme0n2")).toEqual(["nvme0n2 carries several signatures at once (blkid)"]);
    host.programs.set("blkid", { code: 2, out: "" });
    expect(signaturesOf(host, "nvme0n2")).toEqual([]);
    host.programs.set("blkid", null);
    expect(signaturesOf(host, "nvme0n2")).toEqual([]);
  });
});
