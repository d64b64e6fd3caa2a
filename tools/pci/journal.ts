/**
 * The journal: which driver each device had before Samara took it, so that it gets it back.
 *
 * Invariant: an entry is on disk before the first write to /sys that it is about, and leaves it after the last. A boot
 * gives every device its first driver again: entries of an earlier boot are worth nothing and are not read.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { PciError, type Machine } from "./machine.ts";

const FOLDER = "/run/samara";
const FILE = `${FOLDER}/pci.json`;

export interface Entry {
  readonly address: string;
  /** Null: none was bound. */
  readonly driver: string | null;
  /** What its driver_override said. */
  readonly override: string | null;
  /** The process that gives it back when it ends; null: it stays until `unbind`. */
  readonly pid: number | null;
  /** When that process began, in ticks since boot: a pid may be another's by now. */
  readonly started: string | null;
}

interface Journal {
  readonly boot: string;
  readonly entries: readonly Entry[];
}

const bootId = (machine: Machine): string => machine.read("/proc/sys/kernel/random/boot_id") ?? "";

/** When a process began (field 22 of its stat), or null when there is none. */
export function startOf(machine: Machine, pid: number): string | null {
  const fields = /^[\s\S]*\) (.*)$/.exec(machine.read(`/proc/${pid}/stat`) ?? "")?.[1];
  return fields?.split(" ")[19] ?? null;
}

/** Whether the process that an entry waits for still runs. */
export function isHeld(machine: Machine, entry: Entry): boolean {
  return entry.pid !== null && startOf(machine, entry.pid) === entry.started && entry.started !== null;
}

const isEntry = (value: unknown): value is Entry => {
  const { address, driver, override, pid, started } = (value ?? {}) as Record<string, unknown>;
  const text = (v: unknown): boolean => v === null || (typeof v === "string" && /^[\w .:-]*$/.test(v));
  return (
    typeof address === "string" &&
    /^[0-9a-f]{4,}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/.test(address) &&
    [driver, override, started].every(text) &&
    (pid === null || (typeof pid === "number" && Number.isInteger(pid)))
  );
};

/**
 * Entries of this boot, oldest first.
 * @throws PciError when the file is not one of ours
 */
export function readJournal(machine: Machine): readonly Entry[] {
  let text: string;
  try {
    text = readFileSync(machine.path(FILE), "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return [];
    throw new PciError(`${FILE} cannot be read: ${code}`);
  }
  let journal: Journal | null = null;
  try {
    journal = JSON.parse(text) as Journal | null;
  } catch {
    // Reported below, like one with other contents.
  }
  if (typeof journal?.boot !== "string" || !Array.isArray(journal.entries) || !journal.entries.every(isEntry))
    throw new PciError(`${FILE} is no journal of Samara's; look at it, then remove it`);
  return journal.boot === bootId(machine) ? journal.entries : [];
}

function save(machine: Machine, entries: readonly Entry[]): void {
  const path = machine.path(FILE);
  try {
    mkdirSync(machine.path(FOLDER), { recursive: true, mode: 0o755 });
    const temporary = `${path}.${process.pid}`;
    const file = openSync(temporary, "w", 0o644);
    writeSync(file, `${JSON.stringify({ boot: bootId(machine), entries } satisfies Journal)}\n`);
    fsyncSync(file);
    closeSync(file);
    renameSync(temporary, path);
  } catch (error) {
    throw new PciError(`${FILE} cannot be written: ${(error as NodeJS.ErrnoException).code}; run this as root`);
  }
}

/** Notes a device, before it is touched. Of one that is noted already, the first driver is the one that counts. */
export function remember(machine: Machine, entry: Entry): void {
  const entries = readJournal(machine);
  const known = entries.find((other) => other.address === entry.address);
  const others = entries.filter((other) => other !== known);
  save(machine, [...others, { ...entry, ...(known && { driver: known.driver, override: known.override }) }]);
}

/** Takes a device out that has its driver again. */
export function forget(machine: Machine, address: string): void {
  const entries = readJournal(machine);
  const left = entries.filter((entry) => entry.address !== address);
  if (left.length < entries.length) save(machine, left);
}
