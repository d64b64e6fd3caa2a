/**
 * Records of a device: the file that `recording.ts` writes, `replay.ts` answers from and `trace --diff` compares.
 *
 * One event a line: a letter and numbers, so that a person can read it and any tool compare it. Invariant: what is
 * written is read back as the same; a line that is none is an error with its number, never skipped.
 */
import type { PciIdentity } from "#kernel/device/backend.ts";
import type { AccessKind } from "./tracing.ts";

/** First line: what the device is. */
export interface RecordHeader {
  readonly format: "samara-device-record";
  readonly version: 1;
  readonly name: string;
  /** As of the back end. */
  readonly real: boolean;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
}

/** An access, and the like. */
export interface AccessEvent {
  readonly kind: AccessKind;
  readonly bar: number;
  readonly offset: number;
  readonly width: number;
  readonly value: number;
}

/** What passed through memory: a command that the device was given, its answer, and data that it wrote. */
export type MemoryEvent =
  | { readonly kind: "command"; readonly queue: number; readonly bytes: Uint8Array }
  | { readonly kind: "completion"; readonly queue: number; readonly bytes: Uint8Array }
  | { readonly kind: "data"; readonly queue: number; readonly command: number; readonly bytes: Uint8Array };

export type RecordEvent = AccessEvent | MemoryEvent;

export interface DeviceRecord {
  readonly header: RecordHeader;
  readonly events: readonly RecordEvent[];
  /** The record ends in the middle of a line: its writer was killed. */
  readonly torn: boolean;
}

/** A record that cannot be read; for people. */
export class RecordError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "RecordError";
  }
}

const LETTERS: Readonly<Record<RecordEvent["kind"], string>> = {
  read: "r",
  write: "w",
  "config-read": "c",
  "config-write": "C",
  interrupt: "i",
  start: "s",
  quiesce: "q",
  event: "e",
  vectors: "v",
  command: ">",
  completion: "<",
  data: "d",
};
const KIND_OF = new Map(Object.entries(LETTERS).map(([kind, letter]) => [letter, kind as RecordEvent["kind"]]));

const isMemory = (event: RecordEvent): event is MemoryEvent => "bytes" in event;

/** Whether an event is something that the driver did, and a replay waits for. */
export function isAccess(event: RecordEvent): event is AccessEvent {
  return !isMemory(event) && event.kind !== "interrupt" && event.kind !== "event";
}

/** A line of the file, without its end. */
export function formatEvent(event: RecordEvent): string {
  const letter = LETTERS[event.kind];
  if (!isMemory(event)) {
    const { bar, offset, width, value } = event;
    return `${letter} ${bar} ${offset.toString(16)} ${width} ${value.toString(16)}`;
  }
  const of = event.kind === "data" ? `${event.queue} ${event.command}` : String(event.queue);
  return `${letter} ${of} ${Buffer.from(event.bytes).toString("hex")}`;
}

const ACCESS = /^([a-zA-Z]) (\d{1,2}) ([0-9a-f]{1,8}) ([0124]) ([0-9a-f]{1,8})$/;
const MEMORY = /^([<>]) (\d{1,5}) ((?:[0-9a-f]{2})+)$/;
const DATA = /^d (\d{1,5}) (\d{1,5}) ((?:[0-9a-f]{2})*)$/;
const ENTRY_BYTES = { command: 64, completion: 16 } as const;

function parseEvent(line: string): RecordEvent | null {
  const data = DATA.exec(line);
  if (data !== null) {
    const [, queue, command, hex] = data;
    return { kind: "data", queue: Number(queue), command: Number(command), bytes: Buffer.from(hex!, "hex") };
  }
  const memory = MEMORY.exec(line);
  if (memory !== null) {
    const kind = memory[1] === ">" ? "command" : "completion";
    const bytes = Buffer.from(memory[3]!, "hex");
    return bytes.length === ENTRY_BYTES[kind] ? { kind, queue: Number(memory[2]), bytes } : null;
  }
  const access = ACCESS.exec(line);
  const kind = access === null ? undefined : KIND_OF.get(access[1]!);
  if (kind === undefined || kind === "command" || kind === "completion" || kind === "data") return null;
  const [bar, width] = [Number(access![2]), Number(access![4])];
  return { kind, bar, offset: Number.parseInt(access![3]!, 16), width, value: Number.parseInt(access![5]!, 16) };
}

const isHeader = (value: unknown): value is RecordHeader => {
  const { format, version, name, real, identity, bars } = (value ?? {}) as Record<string, unknown>;
  const numbers = (object: unknown): boolean =>
    typeof object === "object" && object !== null && Object.values(object).every(Number.isInteger);
  return (
    format === "samara-device-record" &&
    version === 1 &&
    typeof name === "string" &&
    typeof real === "boolean" &&
    numbers(identity) &&
    Array.isArray(bars) &&
    bars.every(numbers)
  );
};

/**
 * Reads a record.
 * @param path for messages
 * @throws RecordError naming the line
 */
export function parseRecord(text: string, path: string): DeviceRecord {
  const [first = "", ...lines] = text.split("\n");
  let header: unknown = null;
  try {
    header = JSON.parse(first);
  } catch {
    // Said below.
  }
  if (!isHeader(header)) throw new RecordError(`${path} is no record of a device (run --record makes one)`);
  // Behind the last line end: nothing, or what a writer that was killed had begun.
  const torn = lines.length > 0 && lines.pop() !== "";
  const events = lines.map((line, i) => {
    const event = parseEvent(line);
    if (event === null) throw new RecordError(`${path}:${i + 2}: "${line.slice(0, 60)}" is no line of a record`);
    return event;
  });
  return { header, events, torn };
}
