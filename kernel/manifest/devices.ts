/**
 * The part of a manifest that is about devices: arenas of the exchange heap, and what each device may reach.
 *
 * Invariant: every arena that a device or a domain names exists, and what is left of the heap for everybody else is a
 * page at least. Which back ends exist, and which options they know, the host program decides.
 */
import type { ResolvedArena, ResolvedDevice } from "./manifest.ts";
import { suggestion } from "./nearest.ts";
import { show, type Dict, type Report } from "./report.ts";

const PAGE = 65_536;
/** The arena of those who name none. */
const GENERAL = "main";
const MAX_ARENAS = 16;
const MAX_DEVICES = 64;
const MAX_SERIAL = 20;
const BACKEND = /^[a-z][a-z0-9-]*:[!-~]+$/;

/** `heap.arenas`: bytes by name. The heap's first page is nobody's, and the general arena has one at least. */
export function checkArenas(report: Report, value: unknown, heapBytes: unknown): ResolvedArena[] {
  const entries = Object.entries(report.dict(value, true));
  const room = typeof heapBytes === "number" ? heapBytes - 2 * PAGE : 0;
  let sum = 0;
  if (entries.length > MAX_ARENAS) report.add(`has ${entries.length} arenas, at most ${MAX_ARENAS}`);
  for (const [name, bytes] of entries) {
    const at = report.at(name);
    at.name(name);
    if (name === GENERAL) at.add("is the name of the general arena");
    at.integer(bytes, PAGE, 2 ** 31);
    if (typeof bytes !== "number") continue;
    if (bytes % PAGE !== 0) at.add(`must be a multiple of ${PAGE}, is ${bytes}`);
    sum += bytes;
  }
  if (sum > room) report.add(`have ${sum} bytes together, but heap.bytes leaves room for ${Math.max(0, room)}`);
  return entries.map(([name, bytes]) => ({ name, bytes: bytes as number }));
}

/** A name of an arena; absent where that is allowed. */
export function checkArena(report: Report, value: unknown, arenas: readonly ResolvedArena[]): string | undefined {
  if (value === undefined) return undefined;
  const names = arenas.map((a) => a.name);
  if (typeof value !== "string") report.add(`must name an arena of the heap, is ${show(value)}`);
  else if (!names.includes(value)) report.add(`"${value}" names no arena of the heap${suggestion(value, names)}`);
  else return value;
  return undefined;
}

/** `devices`. */
export function checkDevices(report: Report, value: unknown, arenas: readonly ResolvedArena[]): ResolvedDevice[] {
  const entries = Object.entries(report.dict(value, true));
  if (entries.length > MAX_DEVICES) report.add(`has ${entries.length} devices, at most ${MAX_DEVICES}`);
  return entries.map(([name, entry]) => checkDevice(report.at(name), name, report.at(name).dict(entry), arenas));
}

function checkDevice(report: Report, name: string, entry: Dict, arenas: readonly ResolvedArena[]): ResolvedDevice {
  report.name(name);
  report.keys(entry, ["backend", "options", "arenas", "writable"]);
  const { backend, writable } = entry;
  if (typeof backend !== "string" || !BACKEND.test(backend))
    report.at("backend").add(`must be "KIND:WHICH", as "model:nvme" or "vfio:0000:00:04.0", is ${show(backend)}`);
  const options = report.at("options").dict(entry.options, true);
  for (const [key, option] of Object.entries(options))
    if (!["string", "number", "boolean"].includes(typeof option))
      report.at(`options.${key}`).add(`must be text, a number or a boolean, is ${show(option)}`);
  const serial = typeof writable === "string" && writable.trim() !== "" && writable.length <= MAX_SERIAL;
  if (writable !== undefined && !serial)
    report.at("writable").add(`must be the serial number of the device, is ${show(writable)}`);
  return {
    name,
    backend: backend as string,
    options: options as ResolvedDevice["options"] & {},
    arenas: checkReach(report.at("arenas"), entry.arenas, arenas),
    ...(serial ? { writable } : {}),
  };
}

function checkReach(report: Report, value: unknown, arenas: readonly ResolvedArena[]): string[] {
  if (!Array.isArray(value) || value.length === 0) {
    report.add(`must list the arenas that the device may reach, is ${show(value)}`);
    return [];
  }
  value.forEach((name: unknown, i) => {
    checkArena(report.at(String(i)), name ?? null, arenas);
    if (value.indexOf(name) !== i) report.at(String(i)).add(`${show(name)} stands there twice`);
  });
  return value as string[];
}
