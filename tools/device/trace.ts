/**
 * What `trace` prints of devices: the accesses of a running system, a record, the first difference of two.
 *
 * Invariant: each access is printed once, in order; what was lost in between is said.
 */
import { readFileSync } from "node:fs";
import { compareRecords } from "#drivers/wrappers/diff.ts";
import { formatTraced, meaningsOf, type Meanings } from "#drivers/wrappers/format.ts";
import { parseRecord, RecordError, type DeviceRecord } from "#drivers/wrappers/record.ts";
import { formatRecorded } from "#drivers/wrappers/replay.ts";
import type { ControlClient } from "#runtime/control/client.ts";
import type { Arguments } from "../lib/command.ts";
import { show } from "../lib/remote.ts";
import { untilInterrupt } from "../lib/terminal.ts";
import type { MmioAnswer } from "./handlers.ts";

const PERIOD_MS = 50;

/**
 * Prints each access to a device from now on, until Ctrl-C.
 * @param limit ends it after so many; undefined: never
 */
export async function followMmio(
  client: ControlClient,
  args: Arguments,
  device: string,
  limit?: number,
): Promise<void> {
  let since: number | undefined;
  let left = limit ?? Infinity;
  let meanings: Meanings | undefined;
  const { promise: enough, resolve: stop } = Promise.withResolvers<void>();
  const look = async (): Promise<void> => {
    const request = since === undefined ? { device } : { device, since };
    const { identity, accesses, last, lost } = await client.request<MmioAnswer>("mmio", request);
    since = last;
    const names = (meanings ??= meaningsOf(identity));
    if (lost > 0) show({ lost }, args, () => `${lost} accesses were too many to keep`);
    for (const access of accesses.slice(0, left)) show(access, args, () => formatTraced(access, names));
    left -= accesses.length;
    if (left <= 0) stop();
  };
  await untilInterrupt(PERIOD_MS, look, enough);
}

function load(path: string): DeviceRecord {
  try {
    return parseRecord(readFileSync(path, "utf8"), path);
  } catch (error) {
    if (error instanceof RecordError) throw error;
    throw new RecordError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
  }
}

/** Prints a record, a line for each event. @returns the exit code */
export function showRecord(args: Arguments, path: string): number {
  const { header, events, torn } = load(path);
  const meanings = meaningsOf(header.identity);
  show(header, args, () => `${header.name}, ${events.length} events${torn ? "; the last one is torn" : ""}`);
  for (const [i, event] of events.entries())
    show(event, args, () => `${String(i + 2).padStart(8)}  ${formatRecorded(event, meanings)}`);
  return 0;
}

/** Prints where two records differ first. @returns the exit code: 0 when they do not, as diff(1) */
export function showDifference(args: Arguments, first: string, second: string): number {
  const difference = compareRecords(load(first), load(second));
  show({ difference }, args, () => {
    if (difference === null) return "no difference";
    const { lines, before, first: one, second: other } = difference;
    const end = "(the record ends)";
    return [
      `line ${lines[0]} of ${first}, line ${lines[1]} of ${second}:`,
      ...before.map((text) => `  ${text}`),
      `- ${one ?? end}`,
      `+ ${other ?? end}`,
    ].join("\n");
  });
  return difference === null ? 0 : 1;
}
