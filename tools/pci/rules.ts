/**
 * Whether a device may be taken from the host, and what stands between it and use.
 *
 * Invariant: `refusals` fails closed: a device is given away only when every rule was looked at and none spoke against
 * it. `obstacles` gives for each thing in the way the command that helps.
 */
import { isBridge, isStorage, readFunction, type PciFunction } from "./functions.ts";
import { linkName, type Machine } from "./machine.ts";
import { neededInterfaces } from "./network.ts";
import { signaturesOf } from "./signatures.ts";
import { usesOf } from "./storage.ts";

export const VFIO = "vfio-pci";
/** Drivers of group mates that leave the group to vfio. Source: Linux, Documentation/driver-api/vfio.rst. */
const HARMLESS_DRIVERS = new Set([VFIO, "pci-stub", "pcieport"]);

export interface RuleOptions {
  /** Others that are bound in the same step, so that they are not cut off by it. */
  readonly together?: readonly string[];
  /** The person says that a disk whose bytes nobody can look at holds nothing. */
  readonly unseen?: boolean;
}

function storageReasons(machine: Machine, device: PciFunction, unseen: boolean): string[] {
  const used = device.disks.flatMap((disk) => usesOf(machine, disk));
  // What is in use has a signature anyway: one reason is enough.
  if (used.length > 0) return used;
  const shared = sharedFolders(machine, device);
  if (shared !== null) return [shared];
  const carried = device.disks.flatMap((disk) => signaturesOf(machine, disk));
  const { driver } = device;
  if (unseen || !isStorage(device) || device.disks.length > 0 || driver === VFIO) return carried;
  if (driver !== null)
    return [`its driver ${driver} shows no disk of it; say --unseen when you know that it holds nothing`];
  return [
    "no driver is bound to it, so nobody can see what is on it; " +
      `let its own have it first (echo ${device.address} | sudo tee /sys/bus/pci/drivers_probe), ` +
      "or say --unseen when you know that it holds nothing",
  ];
}

/** A virtio device through which folders of another machine are mounted has no disk, and may carry everything. */
function sharedFolders(machine: Machine, { path }: PciFunction): string | null {
  const drivers = machine.list(path).map((entry) => linkName(machine, `${path}/${entry}/driver`));
  const found = drivers.find((driver) => driver === "virtiofs" || driver === "9pnet_virtio");
  return found === undefined ? null : `folders of the host of this virtual machine come through it (${found})`;
}

function networkReasons(machine: Machine, device: PciFunction): string[] {
  if (device.interfaces.length === 0) return [];
  return neededInterfaces(machine)
    .filter((needed) => device.interfaces.includes(needed.interface))
    .map(({ interface: name, what }) => `its interface ${name} carries ${what}`);
}

/** Mates with a driver of the host's lose it, or keep the group from being used at all. */
function cutOff(machine: Machine, device: PciFunction, together: readonly string[]): PciFunction[] {
  return device.mates
    .filter((mate) => !together.includes(mate))
    .map((mate) => readFunction(machine, mate))
    .filter((mate) => mate.driver !== null && !HARMLESS_DRIVERS.has(mate.driver));
}

function mateReasons(machine: Machine, device: PciFunction, together: readonly string[]): string[] {
  const mates = cutOff(machine, device, together);
  if (mates.length === 0) return [];
  const names = mates.map((mate) => `${mate.address} (${mate.driver})`).join(", ");
  const all = [...new Set([device.address, ...together, ...mates.map((mate) => mate.address)])].join(" ");
  return [
    `its IOMMU group ${device.group} also holds ${names}, which would be cut off; ` +
      `when none of them is needed, bind all at once: ${samara(`bind ${all}`)}`,
  ];
}

/** A command as a person types it. */
export const samara = (rest: string): string => `sudo npm run samara -- ${rest}`;

/**
 * Why a device must not be taken from the host; empty when it may.
 * One that vfio-pci has already is nobody else's: nothing speaks against it.
 */
export function refusals(machine: Machine, device: PciFunction, options: RuleOptions = {}): string[] {
  if (device.driver === VFIO) return [];
  if (isBridge(device)) return ["it is a bridge: other devices are behind it"];
  return [
    ...storageReasons(machine, device, options.unseen ?? false),
    ...networkReasons(machine, device),
    ...mateReasons(machine, device, options.together ?? []),
  ];
}

export interface Obstacle {
  readonly what: string;
  /** The command that helps, or null when none does. */
  readonly help: string | null;
}

/** How the IOMMU is switched on, on this machine's kind of processor. */
export function iommuHelp(machine: Machine): string {
  const cpu = machine.read("/proc/cpuinfo") ?? "";
  if (!/GenuineIntel|AuthenticAMD/.test(cpu)) return "switch the SMMU on in the firmware's setup, then reboot";
  if (cpu.includes("AuthenticAMD"))
    return "switch AMD-Vi (IOMMU) on in the firmware's setup, take amd_iommu=off off the kernel's command line, reboot";
  return (
    "switch VT-d on in the firmware's setup; then " +
    `sudo sed -i 's/^GRUB_CMDLINE_LINUX="/&intel_iommu=on iommu=pt /' /etc/default/grub && ` +
    "sudo update-grub && sudo reboot"
  );
}

export const iommuIsOn = (machine: Machine): boolean => machine.list("/sys/kernel/iommu_groups").length > 0;
export const vfioIsLoaded = (machine: Machine): boolean => machine.exists(`/sys/bus/pci/drivers/${VFIO}`);

/** What the machine lacks for any device. */
export function machineObstacles(machine: Machine): Obstacle[] {
  const found: Obstacle[] = [];
  if (!iommuIsOn(machine)) found.push({ what: "the IOMMU is off", help: iommuHelp(machine) });
  if (!vfioIsLoaded(machine)) found.push({ what: "the module vfio-pci is not loaded", help: "sudo modprobe vfio-pci" });
  return found;
}

/** What keeps a device of the host's from vfio-pci, whoever wants it. */
export function vfioObstacles(machine: Machine, device: PciFunction): Obstacle[] {
  if (device.group !== null || !iommuIsOn(machine)) return [];
  return [{ what: "it is in no IOMMU group: the IOMMU does not cover it", help: null }];
}

/** What stands between a device and use, the machine's own lacks apart; bridges are never used. */
export function obstacles(machine: Machine, device: PciFunction): Obstacle[] {
  if (isBridge(device)) return [];
  const found = vfioObstacles(machine, device);
  if (device.driver === VFIO) {
    const file = `/dev/vfio/${device.group}`;
    const others = cutOff(machine, device, []);
    if (others.length > 0) {
      const names = others.map((mate) => `${mate.address} (${mate.driver})`).join(", ");
      const all = others.map((mate) => mate.address).join(" ");
      found.push({ what: `its group ${device.group} is shared with ${names}`, help: samara(`bind ${all}`) });
    }
    if (device.group !== null && !machine.usable(file))
      found.push({ what: `this user may not open ${file}`, help: `sudo chown "$USER" ${file}` });
    return found;
  }
  const reasons = refusals(machine, device);
  for (const what of reasons) found.push({ what, help: null });
  if (reasons.length === 0) {
    const what = device.driver === null ? "no driver is bound" : `it is bound to another driver, ${device.driver}`;
    found.push({ what, help: samara(`bind ${device.address}`) });
  }
  return found;
}
