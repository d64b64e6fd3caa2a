/**
 * Whether this machine has what Samara needs: to run at all, to drive real devices, to be fast. For each thing its
 * state and, where something lacks, the command that helps.
 *
 * Invariant: only reads; a machine without a device, or without /sys, gets answers and no errors.
 */
import { nativeMissing } from "../native/build.ts";
import { isHeld, readJournal } from "./journal.ts";
import type { Machine } from "./machine.ts";
import { iommuHelp, iommuIsOn, samara, vfioIsLoaded } from "./rules.ts";

export interface Finding {
  readonly name: string;
  /** What it is needed for. */
  readonly for: "everything" | "devices" | "speed";
  readonly ok: boolean;
  /** What there is. */
  readonly state: string;
  /** The command that helps; null when nothing lacks, or nothing helps. */
  readonly fix: string | null;
}

const MIB = 1 << 20;
/** What a device's arenas and the kernel's own pins may come to. */
const LOCKED_BYTES = 64 * MIB;
/** Two mappings for each thread and each memory; Linux' default. */
const MAPS = 65_530;
const CAP_IPC_LOCK = 14;

/** Soft limit in bytes (or whatever its unit is); null: unlimited, or not known. Source: proc_pid_limits(5). */
function limitOf(machine: Machine, name: string): number | null {
  const line = (machine.read("/proc/self/limits") ?? "").split("\n").find((text) => text.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  return soft === undefined || soft === "unlimited" ? null : Number(soft);
}

const mib = (bytes: number): string => `${Math.floor(bytes / MIB)} MiB`;

function addressSpace(machine: Machine): Finding {
  const limit = limitOf(machine, "Max address space");
  const state = limit === null ? "unlimited" : `limited to ${mib(limit)}; each memory of a domain reserves 8 GiB of it`;
  const fix = limit === null ? null : "ulimit -v unlimited";
  return { name: "address space (ulimit -v)", for: "everything", ok: limit === null, state, fix };
}

function mapCount(machine: Machine): Finding {
  const text = machine.read("/proc/sys/vm/max_map_count");
  const count = Number(text);
  const ok = text === null || count >= MAPS;
  const state =
    text === null ? "not known on this system" : `${count}${ok ? "" : "; threads and memories take two each"}`;
  return {
    name: "vm.max_map_count",
    for: "everything",
    ok,
    state,
    fix: ok ? null : "sudo sysctl -w vm.max_map_count=262144",
  };
}

function iommu(machine: Machine): Finding {
  const ok = iommuIsOn(machine);
  const groups = machine.list("/sys/kernel/iommu_groups").length;
  const state = ok ? `on, ${groups} groups` : "off: no real device can be kept to its own memory";
  return { name: "IOMMU", for: "devices", ok, state, fix: ok ? null : iommuHelp(machine) };
}

function modules(machine: Machine): Finding[] {
  const loaded = vfioIsLoaded(machine);
  const found: Finding[] = [
    {
      name: "vfio modules",
      for: "devices",
      ok: loaded,
      state: loaded ? "vfio-pci is there" : "vfio-pci is not loaded",
      fix: loaded ? null : "sudo modprobe vfio-pci && echo vfio-pci | sudo tee /etc/modules-load.d/vfio-pci.conf",
    },
  ];
  const unsafe: readonly (readonly [string, string])[] = [
    ["vfio/parameters/enable_unsafe_noiommu_mode", "vfio works without an IOMMU: a device can reach all memory"],
    ["vfio_iommu_type1/parameters/allow_unsafe_interrupts", "interrupts are not remapped: a device can forge them"],
  ];
  for (const [path, state] of unsafe) {
    if (machine.read(`/sys/module/${path}`) !== "Y") continue;
    const fix = `echo N | sudo tee /sys/module/${path}`;
    found.push({ name: "vfio safety", for: "devices", ok: false, state, fix });
  }
  return found;
}

/** /dev/vfio/vfio is everybody's; a group's file belongs to who may drive the group. */
function permissions(machine: Machine): Finding[] {
  const files = machine.list("/dev/vfio").filter((name) => name === "vfio" || /^(noiommu-)?\d+$/.test(name));
  if (files.length === 0) {
    const state = "there are none: no device is bound to vfio-pci (`npm run samara -- devices` shows what may be)";
    return [{ name: "/dev/vfio", for: "devices", ok: true, state, fix: null }];
  }
  return files.map((name) => {
    const file = `/dev/vfio/${name}`;
    const ok = machine.usable(file);
    const fix = name === "vfio" ? `sudo chmod 666 ${file}` : `sudo chown "$USER" ${file}`;
    const state = ok ? "this user may open it" : "this user may not open it";
    return { name: file, for: "devices", ok, state, fix: ok ? null : fix };
  });
}

function lockedMemory(machine: Machine): Finding {
  const limit = limitOf(machine, "Max locked memory");
  const capabilities = /^CapEff:\s*([0-9a-f]+)/m.exec(machine.read("/proc/self/status") ?? "")?.[1] ?? "0";
  const exempt = ((BigInt(`0x${capabilities}`) >> BigInt(CAP_IPC_LOCK)) & 1n) === 1n;
  const ok = exempt || limit === null || limit >= LOCKED_BYTES;
  const size = limit === null ? "unlimited" : mib(limit);
  const state = exempt
    ? `${size}, which does not bind this user`
    : `${size}${ok ? "" : `; arenas need ${mib(LOCKED_BYTES)}`}`;
  const fix =
    'echo "$USER - memlock unlimited" | sudo tee /etc/security/limits.d/samara.conf, then log in again ' +
    "(for this shell: sudo prlimit --memlock=unlimited --pid $$)";
  return { name: "locked memory (ulimit -l)", for: "devices", ok, state, fix: ok ? null : fix };
}

function hugepages(machine: Machine): Finding {
  const info = machine.read("/proc/meminfo") ?? "";
  const value = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(info)?.[1] ?? 0);
  const [all, free, size] = [value("HugePages_Total"), value("HugePages_Free"), value("Hugepagesize")];
  const ok = free > 0;
  const state =
    all === 0 ? "none: the exchange heap has ordinary pages" : `${free} of ${all} free, of ${size} KiB each`;
  const fix = ok ? null : "echo 64 | sudo tee /proc/sys/vm/nr_hugepages";
  return { name: "hugepages", for: "speed", ok, state, fix };
}

function native(): Finding {
  const missing = nativeMissing();
  const state = missing ?? "there, or can be built";
  return { name: "native library", for: "devices", ok: missing === null, state, fix: null };
}

/** Devices that a system took and did not give back, because it was killed together with its guard. */
function leftOver(machine: Machine): Finding[] {
  let journal;
  try {
    journal = readJournal(machine);
  } catch (error) {
    const fix = "look at it, then remove it: `samara devices` says what is bound to vfio-pci";
    return [{ name: "journal", for: "devices", ok: false, state: (error as Error).message, fix }];
  }
  const entries = journal.filter((entry) => entry.pid !== null && !isHeld(machine, entry));
  return entries.map(({ address, driver }) => ({
    name: address,
    for: "devices",
    ok: false,
    state: `a system that has ended did not give it back to ${driver ?? "nobody"}`,
    fix: samara("unbind --all"),
  }));
}

/** Every finding, what everything needs first. */
export function examine(machine: Machine): Finding[] {
  return [
    addressSpace(machine),
    mapCount(machine),
    iommu(machine),
    ...modules(machine),
    ...permissions(machine),
    lockedMemory(machine),
    native(),
    ...leftOver(machine),
    hugepages(machine),
  ];
}
