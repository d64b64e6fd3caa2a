/**
 * What the bytes of a disk say: file systems, partition tables, RAID, encryption, volume managers, swap.
 *
 * Invariant: a disk counts as empty only when no magic number of the table is in its place *and* libblkid's low-level
 * probe, where the host has it, finds nothing either. What cannot be read is not empty.
 *
 * Magic numbers: each format's documentation, as util-linux' libblkid (libblkid/src) collects their places.
 */
import { type Machine, PciError } from "./machine.ts";
import { partitions } from "./storage.ts";

const KIB = 1024;
const SECTOR = 512;

interface Magic {
  readonly what: string;
  /** Byte offsets; negative ones count from the end. */
  readonly at: readonly number[];
  /** Text, one byte a character. */
  readonly magic: string;
}

const PAGE_SIZES = [4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB];
/** Of ZFS's four labels, two at each end, the ring of uberblocks behind their first 128 KiB. */
const ZFS_LABELS = [0, 256 * KIB, -512 * KIB, -256 * KIB];
const UBERBLOCKS = 128;
const BCACHE = "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
const BCACHEFS = "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef";

const MAGICS: readonly Magic[] = [
  // Partition tables, and boot code, which ends the same way.
  { what: "a GUID partition table", at: [SECTOR, 4 * KIB, -SECTOR, -4 * KIB], magic: "EFI PART" },
  { what: "a partition table or boot sector", at: [510], magic: "\x55\xaa" },
  { what: "a Sun partition table", at: [508], magic: "\xda\xbe" },
  { what: "a BSD disk label", at: [0, 64, SECTOR, SECTOR + 64], magic: "\x57\x45\x56\x82" },
  // File systems.
  { what: "an ext2, ext3 or ext4 file system", at: [KIB + 56], magic: "\x53\xef" },
  { what: "an XFS file system", at: [0], magic: "XFSB" },
  { what: "a Btrfs file system", at: [64 * KIB + 64], magic: "_BHRfS_M" },
  { what: "an F2FS file system", at: [KIB, 5 * KIB], magic: "\x10\x20\xf5\xf2" },
  { what: "an NTFS file system", at: [3], magic: "NTFS    " },
  { what: "an exFAT file system", at: [3], magic: "EXFAT   " },
  { what: "a FAT file system", at: [54, 82], magic: "FAT" },
  { what: "an ISO 9660 file system", at: [32 * KIB + 1], magic: "CD001" },
  { what: "a UDF file system", at: [32 * KIB + 1, 34 * KIB + 1, 36 * KIB + 1], magic: "NSR0" },
  { what: "a UDF file system", at: [32 * KIB + 1], magic: "BEA01" },
  { what: "a SquashFS file system", at: [0], magic: "hsqs" },
  { what: "an EROFS file system", at: [KIB], magic: "\xe2\xe1\xf5\xe0" },
  { what: "a bcachefs file system", at: [4 * KIB + 24], magic: BCACHEFS },
  { what: "a bcache device", at: [4 * KIB + 24], magic: BCACHE },
  { what: "a NILFS2 file system", at: [KIB + 6], magic: "\x34\x34" },
  { what: "a ReiserFS file system", at: [8 * KIB + 52, 64 * KIB + 52], magic: "ReIsEr" },
  { what: "a JFS file system", at: [32 * KIB], magic: "JFS1" },
  { what: "a GFS2 file system", at: [64 * KIB], magic: "\x01\x16\x19\x70" },
  { what: "an OCFS2 file system", at: [KIB, 2 * KIB, 4 * KIB, 8 * KIB], magic: "OCFSV2" },
  { what: "a UFS file system", at: [8 * KIB + 1372, 64 * KIB + 1372], magic: "\x54\x19\x01\x00" },
  { what: "an APFS container", at: [32], magic: "NXSB" },
  { what: "an HFS+ file system", at: [KIB], magic: "H+\0" },
  { what: "an HFS+ file system", at: [KIB], magic: "HX\0" },
  { what: "a VMFS volume", at: [1024 * KIB, 2048 * KIB], magic: "\x0d\xd0\x01\xc0" },
  // Swap: its signature ends the first page, whatever size that had.
  { what: "a swap area", at: PAGE_SIZES.map((size) => size - 10), magic: "SWAPSPACE2" },
  { what: "a swap area", at: PAGE_SIZES.map((size) => size - 10), magic: "SWAP-SPACE" },
  { what: "a hibernation image", at: PAGE_SIZES.map((size) => size - 10), magic: "S1SUSPEND" },
  // Encryption.
  { what: "a LUKS volume", at: [0], magic: "LUKS\xba\xbe" },
  {
    what: "a LUKS2 volume (its second header)",
    at: [16, 32, 64, 128, 256, 512, 1024, 2048, 4096].map((n) => n * KIB),
    magic: "SKUL\xba\xbe",
  },
  { what: "a BitLocker volume", at: [3], magic: "-FVE-FS-" },
  // Volume managers and RAID.
  { what: "an LVM physical volume", at: [0, SECTOR, 2 * SECTOR, 3 * SECTOR], magic: "LABELONE" },
  { what: "a Stratis pool member", at: [SECTOR + 4, 9 * SECTOR + 4], magic: "!Stra0tis\x86\xff\x02^\x41rh" },
  { what: "a RAID member (md 1.1 or 1.2)", at: [0, 4 * KIB], magic: "\xfc\x4e\x2b\xa9" },
  { what: "a RAID member (Intel Matrix Storage)", at: [-2 * SECTOR], magic: "Intel Raid ISM Cfg Sig. " },
  { what: "a RAID member (SNIA DDF)", at: [-SECTOR, -257 * SECTOR], magic: "\xde\x11\xde\x11" },
  { what: "a Ceph BlueStore device", at: [0], magic: "bluestore block device" },
];
const MD = "\xfc\x4e\x2b\xa9";
const UBERBLOCK_LITTLE = "\x0c\xb1\xba\x00\x00\x00\x00\x00";
const UBERBLOCK_BIG = "\x00\x00\x00\x00\x00\xba\xb1\x0c";

/** Reads `length` bytes at an offset; fewer where the disk ends. */
export type Reader = (offset: number, length: number) => Uint8Array;

const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1");

/** The two places of an md superblock that depend on the size. Source: Linux, Documentation/admin-guide/md.rst. */
function mdAtEnd(size: number): { what: string; at: number }[] {
  const aligned = size - (size % (64 * KIB));
  const sectors = Math.floor(size / SECTOR);
  return [
    { what: "a RAID member (md 0.90)", at: aligned - 64 * KIB },
    { what: "a RAID member (md 1.0)", at: (sectors - 16 - ((sectors - 16) % 8)) * SECTOR },
  ].filter(({ at }) => at >= 0);
}

/** Source: OpenZFS, On-Disk Format, chapter 1: labels are aligned to their size at the end of the disk. */
function hasUberblock(size: number, read: Reader): boolean {
  const end = size - (size % (256 * KIB));
  return ZFS_LABELS.some((label) => {
    const start = (label < 0 ? end + label : label) + 128 * KIB;
    if (start < 0 || start >= size) return false;
    const ring = latin(read(start, UBERBLOCKS * KIB));
    for (let at = 0; at < ring.length; at += KIB) {
      if (ring.startsWith(UBERBLOCK_LITTLE, at) || ring.startsWith(UBERBLOCK_BIG, at)) return true;
    }
    return false;
  });
}

/**
 * What the magic numbers of a disk say, each finding once.
 * @param size in bytes
 */
export function magicsOf(size: number, read: Reader): string[] {
  const found = new Set<string>();
  const look = (what: string, at: number, magic: string): void => {
    const from = at < 0 ? size + at : at;
    if (from >= 0 && from + magic.length <= size && latin(read(from, magic.length)) === magic) found.add(what);
  };
  for (const { what, at, magic } of MAGICS) for (const offset of at) look(what, offset, magic);
  for (const { what, at } of mdAtEnd(size)) look(what, at, MD);
  if (hasUberblock(size, read)) found.add("a ZFS label");
  return [...found];
}

/** What libblkid's low-level probe says; nothing where the host has no such program. */
function blkid(machine: Machine, name: string): string[] {
  const answer = machine.run("blkid", ["-p", "-o", "export", machine.path(`/dev/${name}`)]);
  // 2: nothing found. 8: more than one thing, which cannot both be true. Source: blkid(8).
  if (answer === null || answer.code === 2) return [];
  if (answer.code === 8) return ["several signatures at once (blkid)"];
  const kinds = [...answer.out.matchAll(/^(?:TYPE|PTTYPE)=(.+)$/gm)].map((match) => `${match[1]} (blkid)`);
  // The entry of the disk's table that a partition has says nothing about what is in it.
  return answer.code === 0 ? kinds : [];
}

/** Sectors of 512 bytes, whatever the disk's own; regular files (of a copied tree) have their size. */
function sizeOf(machine: Machine, name: string): number {
  const sectors = Number(machine.read(`/sys/class/block/${name}/size`) ?? 0);
  return sectors > 0 ? sectors * SECTOR : machine.sizeOf(`/dev/${name}`);
}

/**
 * What a disk and its partitions carry, one sentence for each finding; empty when nothing does.
 * @param disk name such as `nvme0n1`
 */
export function signaturesOf(machine: Machine, disk: string): string[] {
  return [disk, ...partitions(machine, disk)].flatMap((name) => {
    const size = sizeOf(machine, name);
    try {
      if (!machine.exists(`/dev/${name}`)) throw new PciError(`/dev/${name} cannot be read: there is no such file`);
      const own = magicsOf(size, (offset, length) => machine.bytes(`/dev/${name}`, offset, length, size));
      const found = own.length > 0 ? own : blkid(machine, name);
      return found.map((what) => `${name} carries ${what}`);
    } catch (error) {
      if (!(error instanceof PciError)) throw error;
      return [`${error.message}, so nobody knows what is on it; run this as root`];
    }
  });
}
