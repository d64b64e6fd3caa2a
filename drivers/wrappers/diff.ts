/**
 * Two records side by side: the first difference, with what led there.
 *
 * Invariant: two records of a driver that did the same with a device that answered the same are equal, wherever their
 * queues and buffers lay and whenever it was.
 */
import { meaningsOf } from "./format.ts";
import { ADDRESSES } from "./nvme-memory.ts";
import { formatEvent, isAccess, type DeviceRecord, type RecordEvent } from "./record.ts";
import { formatRecorded } from "./replay.ts";

export interface Difference {
  /** Of the file, of the first event that differs. */
  readonly line: number;
  /** The events before it, the same in both. */
  readonly before: readonly string[];
  /** What comes then in each; null where the record ends. */
  readonly first: string | null;
  readonly second: string | null;
}

const CONTEXT = 5;

/** The line without what may differ: addresses of queues and of data. */
function essence(event: RecordEvent | undefined): string {
  if (event === undefined) return "";
  if (event.kind === "command") {
    const bytes = Uint8Array.from(event.bytes).fill(0, ...ADDRESSES);
    return formatEvent({ ...event, bytes });
  }
  const address = isAccess(event) && event.kind === "write" && event.bar === 0 && event.offset >= 0x28;
  return address && event.offset < 0x38 ? formatEvent({ ...event, value: 0 }) : formatEvent(event);
}

/** The first difference, or null when there is none. */
export function compareRecords(first: DeviceRecord, second: DeviceRecord): Difference | null {
  const length = Math.max(first.events.length, second.events.length);
  const [a, b] = [meaningsOf(first.header.identity), meaningsOf(second.header.identity)];
  const before: string[] = [];
  for (let i = 0; i < length; i++) {
    const [one, other] = [first.events[i], second.events[i]];
    const texts = [one && formatRecorded(one, a), other && formatRecorded(other, b)] as const;
    if (essence(one) !== essence(other))
      return { line: i + 2, before, first: texts[0] ?? null, second: texts[1] ?? null };
    before.push(texts[0]!);
    if (before.length > CONTEXT) before.shift();
  }
  return null;
}
