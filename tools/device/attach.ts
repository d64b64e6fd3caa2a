/**
 * Devices of a system that `run` boots: their back ends, records and replays, and the host's own devices, which are
 * taken from it for as long as the system runs.
 *
 * Invariant: whatever ends the system, a device of the host's gets its former driver back; when this process is killed,
 * by its guard.
 */
import { DeviceSet, vfioAddresses, type DeviceEntry } from "#drivers/backends.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { suggestion } from "#kernel/manifest/nearest.ts";
import { UsageError, type Arguments } from "../lib/command.ts";
import { buildNative } from "../native/build.ts";
import { keep, type Keeper } from "../pci/guard.ts";
import { Machine } from "../pci/machine.ts";

export const DEVICE_OPTIONS = {
  record: { type: "string" },
  replay: { type: "string" },
  device: { type: "string" },
} as const;

export interface Attached {
  readonly set: DeviceSet;
  /** Ends records, says what replays found, gives devices back. The system has stopped. @returns the exit code */
  close(): Promise<number>;
}

/** `DEVICE=FILE` of an option, checked against the devices that there are. */
function assignment(option: string, text: unknown, entries: readonly DeviceEntry[]): Map<string, string> {
  if (typeof text !== "string") return new Map();
  const [, name = "", file = ""] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
  if (file === "") throw new UsageError(`run: --${option} takes DEVICE=FILE`);
  known(option, name, entries);
  return new Map([[name, file]]);
}

type Value = string | number | boolean;

/** `DEVICE.OPTION=VALUE,…`: what back ends are given besides, or instead of, what the manifest says. */
function settings(texts: unknown, entries: readonly DeviceEntry[]): Map<string, Record<string, Value>> {
  const found = new Map<string, Record<string, Value>>();
  for (const text of typeof texts === "string" ? texts.split(",") : []) {
    const [, name = "", option = "", value = ""] = /^([^.=]+)\.([^.=]+)=(.*)$/s.exec(text) ?? [];
    if (option === "") throw new UsageError(`run: --device takes DEVICE.OPTION=VALUE, not ${JSON.stringify(text)}`);
    known("device", name, entries);
    found.set(name, { ...found.get(name), [option]: optionValue(value) });
  }
  return found;
}

/** What looks like a number or a truth value is one. */
export function optionValue(text: string): Value {
  if (text === "true" || text === "false") return text === "true";
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** @throws UsageError when the system has no device of this name */
function known(option: string, name: string, entries: readonly DeviceEntry[]): void {
  const names = entries.map((entry) => entry.name);
  if (names.includes(name)) return;
  const hint = suggestion(name, names) || (names.length === 0 ? "; it has none" : `; there is ${names.join(", ")}`);
  throw new UsageError(`run: --${option}: the system has no device "${name}"${hint}`);
}

/**
 * Prepares for a system with these devices.
 * @throws UsageError, PciError: before anything was done
 */
export async function attach(
  entries: readonly DeviceEntry[],
  { options }: Pick<Arguments, "options">,
  print: (line: string) => void,
): Promise<Attached> {
  const record = assignment("record", options.record, entries);
  const replay = assignment("replay", options.replay, entries);
  const set = new DeviceSet({
    record,
    replay,
    settings: settings(options.device, entries),
    native: () => loadNative(buildNative(print)),
  });
  const wanted = vfioAddresses(entries.filter((entry) => !replay.has(entry.name)));
  const keeper: Keeper | null = wanted.length === 0 ? null : await keep(new Machine(), wanted, print);
  for (const address of keeper?.taken ?? []) print(`${address} is the system's for as long as it runs`);
  return { set, close: () => close(set, keeper, print) };
}

async function close(set: DeviceSet, keeper: Keeper | null, print: (line: string) => void): Promise<number> {
  set.close();
  await keeper?.release();
  const differences = [...set.differences()];
  for (const [name, difference] of differences) print(`${name}: ${difference ?? "everything as in the record"}`);
  return differences.every(([, difference]) => difference === null) ? 0 : 1;
}
