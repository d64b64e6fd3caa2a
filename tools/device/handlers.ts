/**
 * The control socket's commands about devices: what a system has, each access to one, faults on demand.
 *
 * Invariant: a name that is not there is answered with those that are; nothing here changes what a device does, but
 * `fault`, which is for that.
 */
import type { DeviceSet } from "#drivers/backends.ts";
import type { Access, TracingBackend } from "#drivers/wrappers/tracing.ts";
import type { PciIdentity } from "#kernel/device/backend.ts";
import { suggestion } from "#kernel/manifest/nearest.ts";
import type { Arguments, Handler } from "#runtime/control/server.ts";
import { ControlError } from "#runtime/control/socket.ts";

/** What the kernel knows of a device. */
export interface DriverState {
  readonly name: string;
  /** `open`, … */
  readonly state: string;
  readonly gone: boolean;
  /** The domain that has it open, or null. */
  readonly driver: string | null;
  readonly writable: boolean;
  /** How often it did what it should not have done. */
  readonly faults: number;
  /** Commands under way. */
  readonly outstanding: number;
}

export interface RunningDevice extends DriverState {
  readonly backend: string;
  readonly real: boolean;
  readonly identity: PciIdentity;
  /** What it did by itself last, for people, or null. */
  readonly event: string | null;
}

export interface DevicesAnswer {
  readonly devices: readonly RunningDevice[];
}

export interface MmioAnswer {
  readonly identity: PciIdentity;
  readonly accesses: readonly Access[];
  /** Number of the last one, to go on from. */
  readonly last: number;
  /** How many there were that nobody can show any more. */
  readonly lost: number;
}

export interface FaultAnswer {
  readonly device: string;
  readonly fault: string;
}

const MAX_ACCESSES = 4096;
const MAX_TEXT = 256;

/**
 * Handlers by command, for `ControlServer`.
 * @param states what the kernel knows of each device (`System.devices`)
 */
export function deviceHandlers(
  set: Pick<DeviceSet, "devices">,
  states: () => readonly DriverState[],
): Map<string, Handler> {
  const find = (args: Arguments): [string, TracingBackend] => {
    const wanted = args.device;
    if (typeof wanted !== "string" || wanted === "") throw new ControlError('"device" is missing, or no text');
    const found = set.devices.get(wanted);
    if (found !== undefined) return [wanted, found];
    const names = [...set.devices.keys()];
    if (names.length === 0) throw new ControlError(`there is no device "${wanted}": this system has none`);
    const hint = suggestion(wanted, names) || `; there is ${names.join(", ")}`;
    throw new ControlError(`there is no device "${wanted}"${hint}`);
  };
  return new Map<string, Handler>([
    ["devices", (): DevicesAnswer => ({ devices: states().flatMap((state) => about(state, set.devices) ?? []) })],
    ["mmio", (args): MmioAnswer => mmio(find(args)[1], args)],
    ["fault", (args): FaultAnswer => fault(...find(args), args)],
  ]);
}

function about(state: DriverState, devices: DeviceSet["devices"]): RunningDevice | null {
  const { name, state: phase, gone, driver, writable, faults, outstanding } = state;
  const device = devices.get(name);
  if (device === undefined) return null;
  const { name: backend, real, identity, lastEvent } = device;
  const event = lastEvent === null ? null : `${lastEvent.kind}: ${lastEvent.text}`;
  return { name, state: phase, gone, driver, writable, faults, outstanding, backend, real, identity, event };
}

function mmio(device: TracingBackend, args: Arguments): MmioAnswer {
  const { since } = args;
  if (since !== undefined && (typeof since !== "number" || !Number.isSafeInteger(since) || since < 0))
    throw new ControlError('"since" is the number of an access');
  return { identity: device.identity, ...device.accesses(since, MAX_ACCESSES) };
}

function fault(name: string, device: TracingBackend, { fault: text }: Arguments): FaultAnswer {
  if (typeof text !== "string" || text.length > MAX_TEXT) throw new ControlError('"fault" is missing, or no text');
  try {
    device.inject(text);
  } catch (error) {
    throw new ControlError(`${name}: ${(error as Error).message}`);
  }
  return { device: name, fault: text };
}
