/**
 * Gives devices to vfio-pci and back: which writes to /sys, in which order, and the journal around them.
 *
 * Invariants: nothing is written before every rule was kept for every device of the step (`rules.ts`); a step that
 * fails half-way is undone; a dry run makes the same plan and writes nothing.
 * Source: Linux, Documentation/ABI/testing/sysfs-bus-pci (driver_override, drivers_probe, bind, unbind).
 */
import { linkName, PciError, type Machine } from "./machine.ts";
import { PCI, readFunction, type PciFunction } from "./functions.ts";
import { forget, isHeld, readJournal, remember, startOf, type Entry } from "./journal.ts";
import { machineObstacles, refusals, vfioObstacles, VFIO } from "./rules.ts";

/** One write to a file of /sys. */
export interface Write {
  readonly path: string;
  readonly text: string;
}

export const shownWrite = ({ path, text }: Write): string => `echo ${text === "" ? '""' : text} > ${path}`;

/** Makes a device vfio-pci's. */
export function bindWrites(device: Pick<PciFunction, "address" | "driver">): Write[] {
  const { address, driver } = device;
  const unbind = { path: `${PCI}/drivers/${driver}/unbind`, text: address };
  return [
    { path: `${PCI}/devices/${address}/driver_override`, text: VFIO },
    ...(driver === null ? [] : [unbind]),
    { path: `${PCI}/drivers_probe`, text: address },
  ];
}

/**
 * Gives a device back.
 * @param now the driver that it has
 */
export function restoreWrites(entry: Pick<Entry, "address" | "driver" | "override">, now: string | null): Write[] {
  const { address, driver, override } = entry;
  return [
    { path: `${PCI}/devices/${address}/driver_override`, text: override ?? "" },
    ...(now === VFIO ? [{ path: `${PCI}/drivers/${VFIO}/unbind`, text: address }] : []),
    ...(driver === null || now === driver ? [] : [{ path: `${PCI}/drivers/${driver}/bind`, text: address }]),
  ];
}

const driverOf = (machine: Machine, address: string): string | null =>
  linkName(machine, `${PCI}/devices/${address}/driver`);

/** Every reason for which a step must not be taken, each with its device. */
export function refusalsOf(
  machine: Machine,
  devices: readonly PciFunction[],
  unseen: boolean,
): { device: PciFunction; reasons: string[] }[] {
  const together = devices.map((device) => device.address);
  return devices.flatMap((device) => {
    const lacking = device.driver === VFIO ? [] : [...machineObstacles(machine), ...vfioObstacles(machine, device)];
    const reasons = [
      ...lacking.map(({ what, help }) => (help === null ? what : `${what}; ${help}`)),
      ...refusals(machine, device, { together, unseen }),
    ];
    return reasons.length > 0 ? [{ device, reasons }] : [];
  });
}

export interface BindOptions {
  readonly dryRun?: boolean;
  readonly unseen?: boolean;
  /** The process that keeps them, and gives them back when it ends. */
  readonly pid?: number;
  readonly print: (line: string) => void;
}

function perform(machine: Machine, writes: readonly Write[], options: Pick<BindOptions, "dryRun" | "print">): void {
  for (const write of writes) {
    if (options.dryRun === true) options.print(shownWrite(write));
    else machine.write(write.path, write.text);
  }
}

function bindOne(machine: Machine, device: PciFunction, options: BindOptions): void {
  const { address, driver, override } = device;
  if (options.dryRun !== true) {
    const pid = options.pid ?? null;
    const started = pid === null ? null : startOf(machine, pid);
    remember(machine, { address, driver, override, pid, started });
  }
  perform(machine, bindWrites(device), options);
  if (options.dryRun === true) return;
  const now = driverOf(machine, address);
  if (now !== VFIO) throw new PciError(`${address}: vfio-pci did not take it (driver now: ${now ?? "none"})`);
}

/**
 * Binds devices to vfio-pci, all or none.
 * @returns addresses of those that were bound now; the others were already
 * @throws PciError with every reason, when one is refused; or with the write that failed, when all was undone
 */
export function bind(machine: Machine, addresses: readonly string[], options: BindOptions): string[] {
  const devices = [...new Set(addresses)].map((address) => readFunction(machine, address));
  const refused = refusalsOf(machine, devices, options.unseen ?? false);
  if (refused.length > 0) {
    const lines = refused.flatMap(({ device, reasons }) => reasons.map((reason) => `${device.address}: ${reason}`));
    throw new PciError(`refused:\n  ${lines.join("\n  ")}`);
  }
  const fresh = devices.filter((device) => device.driver !== VFIO);
  const begun: PciFunction[] = [];
  try {
    for (const device of fresh) {
      begun.push(device);
      bindOne(machine, device, options);
    }
  } catch (error) {
    const failed = begun.toReversed().flatMap((device) => tryRestore(machine, device.address) ?? []);
    throw new PciError([(error as Error).message, "all was undone", ...failed].join("; "));
  }
  return fresh.map((device) => device.address);
}

/** Restores a device. @returns why that failed, or null */
function tryRestore(machine: Machine, address: string): string | null {
  try {
    restore(machine, address, { print: () => {} });
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Processes that have a VFIO group open: the kernel would wait for them, without end. */
export function holders(machine: Machine, group: number | null): number[] {
  if (group === null) return [];
  const file = `/dev/vfio/${group}`;
  return machine
    .list("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => machine.list(`/proc/${pid}/fd`).some((fd) => machine.real(`/proc/${pid}/fd/${fd}`) === file))
    .map(Number);
}

/**
 * Gives a device its former driver back, as the journal has it; one that is not in it goes to whatever driver matches.
 * @returns the driver that it has then
 * @throws PciError when a process still uses it, or a write fails
 */
export function restore(
  machine: Machine,
  address: string,
  options: Pick<BindOptions, "dryRun" | "print">,
): string | null {
  const entry = readJournal(machine).find((each) => each.address === address);
  const device = readFunction(machine, address);
  if (device.driver === VFIO) {
    const [pid] = holders(machine, device.group);
    if (pid !== undefined)
      throw new PciError(`${address}: process ${pid} uses its group ${device.group}; end it first`);
  }
  const writes =
    entry === undefined
      ? [
          ...restoreWrites({ address, driver: null, override: null }, device.driver),
          { path: `${PCI}/drivers_probe`, text: address },
        ]
      : restoreWrites(entry, device.driver);
  perform(machine, writes, options);
  if (options.dryRun === true) return entry?.driver ?? null;
  const now = driverOf(machine, address);
  if (entry !== undefined && entry.driver !== null && now !== entry.driver)
    throw new PciError(`${address}: ${entry.driver} did not take it back (driver now: ${now ?? "none"})`);
  forget(machine, address);
  return now;
}

export interface Restored {
  readonly address: string;
  /** The driver that it has again, or null for none. */
  readonly driver: string | null;
  /** Why it could not be done; the journal keeps it then. */
  readonly error: string | null;
}

/**
 * Gives back everything in the journal that nobody who runs still uses.
 * @param pid only what this process kept, because it has ended
 */
export function restoreAll(machine: Machine, options: Pick<BindOptions, "dryRun" | "print">, pid?: number): Restored[] {
  return readJournal(machine)
    .filter((entry) => pid === undefined || entry.pid === pid)
    .map((entry) => {
      const { address } = entry;
      if (pid === undefined && isHeld(machine, entry))
        return { address, driver: null, error: `${address}: the running system of process ${entry.pid} keeps it` };
      if (!machine.exists(`${PCI}/devices/${address}`)) {
        if (options.dryRun !== true) forget(machine, address);
        return { address, driver: null, error: null };
      }
      try {
        return { address, driver: restore(machine, address, options), error: null };
      } catch (error) {
        return { address, driver: null, error: (error as Error).message };
      }
    });
}
