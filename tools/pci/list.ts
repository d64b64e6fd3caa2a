/**
 * What `devices` says of the machine: each PCI function with what stands between it and use.
 */
import { className, isBridge, readFunctions, type PciFunction } from "./functions.ts";
import type { Machine } from "./machine.ts";
import { obstacles, type Obstacle } from "./rules.ts";

export interface Listed extends Omit<PciFunction, "path"> {
  readonly class: string;
  /** Name of the device, when the host has a list of them. */
  readonly name: string | null;
  readonly obstacles: readonly Obstacle[];
}

const hex4 = (n: number): string => n.toString(16).padStart(4, "0");

/** `1b36:0010` */
export const formatId = ({ vendor, device }: { vendor: number; device: number }): string =>
  `${hex4(vendor)}:${hex4(device)}`;

const LISTS = ["/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids"];

/** Vendor and device names out of pci.ids, or a function that knows none. Source: pci.ids(5). */
function names(machine: Machine): (device: PciFunction) => string | null {
  const text = LISTS.map((path) => machine.read(path)).find((read) => read !== null) ?? "";
  return ({ vendor, device }) => {
    const start = text.indexOf(`\n${hex4(vendor)}  `);
    if (start < 0) return null;
    const rest = text.slice(start + 1, start + 200_000);
    const own = rest.slice(0, /\n[0-9a-f]{4} {2}/.exec(rest)?.index);
    const maker = own.slice(6, own.indexOf("\n"));
    const model = new RegExp(`^\\t${hex4(device)}  (.*)$`, "m").exec(own)?.[1];
    return model === undefined ? maker : `${maker} ${model}`;
  };
}

/** Every function of the machine; bridges have no obstacles, for they are never used. */
export function listDevices(machine: Machine): Listed[] {
  const nameOf = names(machine);
  return readFunctions(machine).map((device) => {
    const { path: _, ...shown } = device;
    return {
      ...shown,
      class: className(device.classCode),
      name: nameOf(device),
      obstacles: obstacles(machine, device),
    };
  });
}

const BAR_UNITS: readonly (readonly [number, string])[] = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
  [1, "B"],
];

function shownBytes(bytes: number): string {
  const [unit, name] = BAR_UNITS.find(([size]) => bytes >= size && bytes % size === 0) ?? [1, "B"];
  return `${bytes / unit} ${name}`;
}

/** What is true of one device beside its state: ` driver nvme, group 5, nvme0n1`. */
function facts(device: Listed): string {
  const { driver, group, numa, bars, disks, interfaces } = device;
  return [
    driver === null ? "no driver" : `driver ${driver}`,
    ...(group === null ? [] : [`group ${group}`]),
    ...(numa === null ? [] : [`node ${numa}`]),
    ...bars.map(({ bar, bytes }) => `BAR${bar} ${shownBytes(bytes)}`),
    ...disks,
    ...interfaces,
  ].join(", ");
}

/**
 * A device as text: one line, one for its properties, and one or two for each thing in its way.
 * @param waits whether the machine itself lacks something
 */
function formatDevice(device: Listed, waits: boolean): string {
  const name = device.name === null ? "" : ` ${device.name}`;
  const title = `${device.address}  ${device.class} ${formatId(device)}${name}`;
  const state = device.obstacles.flatMap(({ what, help }) => [
    `    ${what}`,
    ...(help === null ? [] : [`      ${help}`]),
  ]);
  const ready = state.length === 0 && !isBridge(device) ? [`    ${waits ? "waits for the above" : "ready"}`] : [];
  return [title, `    ${facts(device)}`, ...state, ...ready].join("\n");
}

/** What the machine lacks, and every device. */
export function formatList(lacks: readonly Obstacle[], devices: readonly Listed[]): string {
  if (devices.length === 0) return "this machine shows no PCI devices (/sys/bus/pci is empty)";
  const machine = lacks.map(({ what, help }) => `${what}\n  ${help}`);
  return [...machine, ...devices.map((device) => formatDevice(device, lacks.length > 0))].join("\n");
}
