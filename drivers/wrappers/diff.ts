/**
 * Two records side by side: the first difference, with what led there.
 *
 * Invariant: two records of a driver that did the same with a device that answered the same are equal, wherever their
 * queues and buffers lay and whenever it was. So addresses are left out, and what depends on time alone: reads that say
 * what the register said before (a driver that waits), and when interrupts came.
 */
import { meaningsOf, type Meanings } from "./format.ts";
import { ADDRESSES } from "./nvme-memory.ts";
import { formatEvent, isAccess, type DeviceRecord, type RecordEvent } from "./record.ts";
import { formatRecorded } from "./replay.ts";

export interface Difference {
  /** Lines of the files, of the first events that differ; behind the last one where a record ends. */
  readonly lines: readonly [number, number];
  /** The events before it, the same in both. */
  readonly before: readonly string[];
  /** What comes then in each; null where the record ends. */
  readonly first: string | null;
  readonly second: string | null;
}

const CONTEXT = 5;
/** ASQ and ACQ. */
const [FIRST_ADDRESS, LAST_ADDRESS] = [0x28, 0x37];

/** The line without what may differ: addresses of queues and of data. */
function essence(event: RecordEvent): string {
  if (event.kind === "command") {
    const bytes = Uint8Array.from(event.bytes).fill(0, ...ADDRESSES);
    return formatEvent({ ...event, bytes });
  }
  const register = isAccess(event) && event.kind === "write" && event.bar === 0;
  const isAddress = register && event.offset >= FIRST_ADDRESS && event.offset <= LAST_ADDRESS;
  return formatEvent(isAddress ? { ...event, value: 0 } : event);
}

interface Line {
  readonly number: number;
  readonly essence: string;
  readonly event: RecordEvent;
}

/** The events that say something, with their lines. */
function* telling({ events }: DeviceRecord): Generator<Line> {
  const values = new Map<string, number>();
  for (const [i, event] of events.entries()) {
    if (event.kind === "interrupt") continue;
    if (event.kind === "read" || event.kind === "config-read") {
      const register = `${event.kind} ${event.bar} ${event.offset} ${event.width}`;
      if (values.get(register) === event.value) continue;
      values.set(register, event.value);
    }
    yield { number: i + 2, essence: essence(event), event };
  }
}

const shown = (line: Line | undefined, meanings: Meanings): string | null =>
  line === undefined ? null : formatRecorded(line.event, meanings);

/** The first difference, or null when there is none. */
export function compareRecords(first: DeviceRecord, second: DeviceRecord): Difference | null {
  const [lines, others] = [telling(first), telling(second)];
  const [names, otherNames] = [meaningsOf(first.header.identity), meaningsOf(second.header.identity)];
  const before: string[] = [];
  for (;;) {
    const [one, other] = [lines.next().value as Line | undefined, others.next().value as Line | undefined];
    if (one === undefined && other === undefined) return null;
    const texts = [shown(one, names), shown(other, otherNames)] as const;
    if (one?.essence !== other?.essence) {
      const numbers = [one?.number ?? first.events.length + 2, other?.number ?? second.events.length + 2] as const;
      return { lines: numbers, before, first: texts[0], second: texts[1] };
    }
    before.push(texts[0]!);
    if (before.length > CONTEXT) before.shift();
  }
}
