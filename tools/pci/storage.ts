/**
 * What a disk is used for: mounts, swap, RAID, device mapper, LVM, ZFS, or somebody who holds it for himself.
 *
 * Invariant: a doubt counts as a use. Looked at are the disk, each partition, and everything that is built on them, in
 * turn (`holders` in sysfs); and, because neither ZFS nor other mount namespaces show there, the kernel is asked for
 * each one exclusively.
 */
import type { Machine } from "./machine.ts";

const BLOCK = "/sys/class/block";

/** A disk, a partition, or what is built on one. */
export interface Layer {
  readonly name: string;
  /** How it comes to be part of this: `nvme0n1p2 → md0`. */
  readonly chain: string;
  /** Disks and partitions, whose own bytes say what they are. */
  readonly physical: boolean;
}

/** Partitions of a disk. */
export function partitions(machine: Machine, disk: string): string[] {
  return machine
    .list(`${BLOCK}/${disk}`)
    .filter((name) => name.startsWith(disk) && machine.exists(`${BLOCK}/${disk}/${name}/partition`));
}

/** The disk, its partitions, and all that hold them, each once. */
export function layers(machine: Machine, disk: string): Layer[] {
  const found = new Map<string, Layer>();
  const add = (name: string, chain: string, physical: boolean): void => {
    if (found.has(name)) return;
    found.set(name, { name, chain, physical });
    for (const holder of machine.list(`${BLOCK}/${name}/holders`)) add(holder, `${chain} → ${holder}`, false);
  };
  add(disk, disk, true);
  for (const part of partitions(machine, disk)) add(part, part, true);
  return [...found.values()];
}

/** Octal escapes of /proc/self/mountinfo and /proc/swaps. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-7]{3})/g, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 8)));

/** The kernel's name of the device that a path such as /dev/mapper/root leads to. */
function deviceName(machine: Machine, path: string): string {
  const real = machine.real(path) ?? path;
  return real.startsWith("/dev/") ? real.slice("/dev/".length) : real;
}

interface Mount {
  /** `259:1`; btrfs has a number of its own there. */
  readonly device: string;
  readonly source: string;
  readonly point: string;
}

/** Source: proc_pid_mountinfo(5). */
function mounts(machine: Machine): Mount[] {
  return (machine.read("/proc/self/mountinfo") ?? "").split("\n").flatMap((line) => {
    const [before = "", after = ""] = line.split(" - ");
    const [, , device, , point] = before.split(" ");
    const [, source] = after.split(" ");
    if (device === undefined || point === undefined || source === undefined) return [];
    return [{ device, source: deviceName(machine, unescaped(source)), point: unescaped(point) }];
  });
}

/** Names of devices that are swap. Source: proc_swaps(5). */
function swaps(machine: Machine): string[] {
  const [, ...lines] = (machine.read("/proc/swaps") ?? "").split("\n");
  return lines.map((line) => deviceName(machine, unescaped(line.split(/\s/)[0]!)));
}

/** Names of devices that ZFS says it uses. */
function zfsDevices(machine: Machine): string[] {
  if (!machine.exists("/sys/module/zfs")) return [];
  const status = machine.run("zpool", ["status", "-LP"]);
  return [...(status?.out ?? "").matchAll(/^\s+(\/dev\/\S+)/gm)].map((match) => deviceName(machine, match[1]!));
}

/** What a holder is, by its name and, for the device mapper, by its uuid. */
function holderKind(machine: Machine, name: string): string {
  if (name.startsWith("md")) return `the RAID array ${name} (md)`;
  if (name.startsWith("bcache")) return `the cache ${name} (bcache)`;
  if (!name.startsWith("dm-")) return name;
  const uuid = machine.read(`${BLOCK}/${name}/dm/uuid`) ?? "";
  const called = machine.read(`${BLOCK}/${name}/dm/name`) ?? name;
  if (uuid.startsWith("LVM-")) return `the logical volume ${called} (LVM)`;
  if (uuid.startsWith("CRYPT-")) return `the encrypted volume ${called} (dm-crypt)`;
  return `${called} (device mapper)`;
}

/**
 * Why a disk is not free, one sentence for each use; empty when it is.
 * @param disk name such as `nvme0n1`
 */
export function usesOf(machine: Machine, disk: string): string[] {
  const reasons: string[] = [];
  const [mounted, swap, zfs] = [mounts(machine), swaps(machine), zfsDevices(machine)];
  for (const layer of layers(machine, disk)) {
    const { name, chain } = layer;
    const number = machine.read(`${BLOCK}/${name}/dev`);
    const points = mounted.filter((m) => m.source === name || (number !== null && m.device === number));
    for (const { point } of points) reasons.push(`${chain} is mounted at ${point}`);
    if (swap.includes(name)) reasons.push(`${chain} is swap`);
    if (zfs.includes(name)) reasons.push(`${chain} is part of a ZFS pool`);
    for (const holder of machine.list(`${BLOCK}/${name}/holders`))
      reasons.push(`${chain} is part of ${holderKind(machine, holder)}`);
  }
  if (reasons.length > 0) return [...new Set(reasons)];
  for (const { name, physical } of layers(machine, disk)) {
    if (physical && machine.claim(`/dev/${name}`) === "busy")
      reasons.push(`${name} is held by the kernel or another program (an exclusive open is refused)`);
  }
  return reasons;
}
