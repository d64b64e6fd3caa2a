/**
 * PCI functions as /sys/bus/pci shows them, and what hangs below each: disks and network interfaces.
 *
 * Invariant: only reads. A function without a file that an old kernel lacks reads as one without that property.
 * Source: Linux, Documentation/ABI/testing/sysfs-bus-pci.
 */
import { linkName, type Machine, PciError } from "./machine.ts";

export const PCI = "/sys/bus/pci";

export interface PciFunction {
  /** `0000:00:04.0` */
  readonly address: string;
  readonly vendor: number;
  readonly device: number;
  /** Base class, subclass and interface: 24 bits. */
  readonly classCode: number;
  readonly driver: string | null;
  readonly override: string | null;
  /** Whether it is an endpoint: header type 0. Bridges cannot be given away. */
  readonly endpoint: boolean;
  readonly group: number | null;
  /** Other functions of its IOMMU group. */
  readonly mates: readonly string[];
  readonly numa: number | null;
  /** Sizes of the regions that are there, by number. */
  readonly bars: readonly { readonly bar: number; readonly bytes: number }[];
  /** Its folder below /sys/devices. */
  readonly path: string;
  readonly disks: readonly string[];
  readonly interfaces: readonly string[];
}

/** Domains above ffff are Linux's own numbers, for what lies behind a volume management device. */
const ADDRESS = /^(?:([0-9a-f]{4,}):)?([0-9a-f]{2}:[0-1][0-9a-f]\.[0-7])$/i;
const REGIONS = 6;
const IORESOURCE_UNSET = 0x2000_0000n;

/**
 * `04:00.0` → `0000:04:00.0`
 * @throws PciError when the text is no address
 */
export function fullAddress(text: string): string {
  const match = ADDRESS.exec(text);
  if (match === null) throw new PciError(`"${text}" is no PCI address; write it like 0000:04:00.0`);
  return `${match[1] ?? "0000"}:${match[2]}`.toLowerCase();
}

/** Addresses of all functions, in order. */
export function listFunctions(machine: Machine): string[] {
  return machine.list(`${PCI}/devices`).filter((name) => ADDRESS.test(name));
}

const hex = (text: string | null): number => {
  const value = Number(text ?? "0");
  return Number.isInteger(value) && value >= 0 ? value : 0;
};

function readBars(machine: Machine, folder: string): { bar: number; bytes: number }[] {
  const lines = (machine.read(`${folder}/resource`) ?? "").split("\n").slice(0, REGIONS);
  return lines.flatMap((line, bar) => {
    const match = /^0x([0-9a-f]+) 0x([0-9a-f]+) 0x([0-9a-f]+)$/.exec(line.trim());
    if (match === null) return [];
    const [start, end, flags] = match.slice(1).map((text) => BigInt(`0x${text}`)) as [bigint, bigint, bigint];
    if (flags === 0n || (flags & IORESOURCE_UNSET) !== 0n || end < start) return [];
    return [{ bar, bytes: Number(end - start) + 1 }];
  });
}

/** Of the configuration header: byte 0Eh, without the bit for several functions. */
function headerType(machine: Machine, folder: string): number {
  try {
    return (machine.bytes(`${folder}/config`, 0x0e, 1, 64)[0] ?? 0) & 0x7f;
  } catch {
    return 0;
  }
}

/** Subsystems whose controllers lie below `path`: their namespaces have a folder apart (multipath). */
function subsystems(machine: Machine, path: string): string[] {
  const base = "/sys/class/nvme-subsystem";
  return machine.list(base).flatMap((name) => {
    const real = machine.real(`${base}/${name}`);
    if (real === null) return [];
    const controllers = machine.list(real).filter((entry) => /^nvme\d+$/.test(entry));
    return controllers.some((c) => machine.real(`${real}/${c}`)?.startsWith(`${path}/`) === true) ? [real] : [];
  });
}

/** Whole disks of a function. Hidden ones are paths to a namespace that has another name. */
function disksBelow(machine: Machine, path: string): string[] {
  const roots = [path, ...subsystems(machine, path)];
  return machine.list("/sys/class/block").filter((name) => {
    const real = machine.real(`/sys/class/block/${name}`);
    if (real === null || !roots.some((root) => real.startsWith(`${root}/`))) return false;
    return !machine.exists(`${real}/partition`) && machine.read(`${real}/hidden`) !== "1";
  });
}

function interfacesBelow(machine: Machine, path: string): string[] {
  return machine
    .list("/sys/class/net")
    .filter((name) => machine.real(`/sys/class/net/${name}`)?.startsWith(`${path}/`) === true);
}

/**
 * Reads one function.
 * @param address in full
 * @throws PciError when there is none
 */
export function readFunction(machine: Machine, address: string): PciFunction {
  const folder = `${PCI}/devices/${address}`;
  const path = machine.real(folder);
  if (path === null)
    throw new PciError(`there is no PCI function ${address}; \`npm run samara -- devices\` lists them`);
  const group = linkName(machine, `${folder}/iommu_group`);
  const numa = Number(machine.read(`${folder}/numa_node`) ?? -1);
  const override = machine.read(`${folder}/driver_override`);
  return {
    address,
    vendor: hex(machine.read(`${folder}/vendor`)),
    device: hex(machine.read(`${folder}/device`)),
    classCode: hex(machine.read(`${folder}/class`)),
    driver: linkName(machine, `${folder}/driver`),
    override: override === "(null)" || override === "" ? null : override,
    endpoint: headerType(machine, folder) === 0,
    group: group === null ? null : Number(group),
    mates: machine.list(`${folder}/iommu_group/devices`).filter((mate) => mate !== address && ADDRESS.test(mate)),
    numa: numa >= 0 ? numa : null,
    bars: readBars(machine, folder),
    path,
    disks: disksBelow(machine, path),
    interfaces: interfacesBelow(machine, path),
  };
}

/** Every function of the machine. */
export const readFunctions = (machine: Machine): PciFunction[] =>
  listFunctions(machine).map((address) => readFunction(machine, address));

/** Base class and subclass, as PCI Code and ID Assignment names them; what people meet. */
const CLASSES: Readonly<Record<number, string>> = {
  0x0101: "IDE controller",
  0x0104: "RAID controller",
  0x0106: "SATA controller",
  0x0107: "SAS controller",
  0x0108: "NVMe controller",
  0x0180: "storage controller",
  0x0200: "Ethernet controller",
  0x0280: "network controller",
  0x0300: "VGA controller",
  0x0302: "3D controller",
  0x0403: "audio device",
  0x0600: "host bridge",
  0x0601: "ISA bridge",
  0x0604: "PCI bridge",
  0x0880: "system peripheral",
  0x0c03: "USB controller",
  0x0c05: "SMBus controller",
};

/** What a class code means, for people. */
export function className(classCode: number): string {
  return CLASSES[classCode >>> 8] ?? `class ${classCode.toString(16).padStart(6, "0")}`;
}

/** Base class 01h: mass storage. */
export const isStorage = (device: Pick<PciFunction, "classCode">): boolean => device.classCode >>> 16 === 0x01;
/** Base class 06h. */
export const isBridge = (device: Pick<PciFunction, "classCode" | "endpoint">): boolean =>
  device.classCode >>> 16 === 0x06 || !device.endpoint;
