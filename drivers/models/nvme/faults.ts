/**
 * Faults on demand: what a device does when it is broken, and which command it happens to.
 *
 * Invariant: without an armed fault the model is after its specification; an armed one happens so many times and is
 * gone. What is random in it comes from the seed.
 */
import type { Command } from "./queues.ts";

export const FAULT_KINDS = [
  "error",
  "lost-completion",
  "late-completion",
  "corrupt-completion",
  "hang",
  "removal",
  "power-cut",
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export const CORRUPT_FIELDS = ["cid", "sq", "head", "status"] as const;
export type CorruptField = (typeof CORRUPT_FIELDS)[number];
/** How a controller that hangs comes back: by CC.EN = 0, by a function level reset alone, or by nothing. */
export const HANG_UNTIL = ["reset", "function-reset", "never"] as const;
export type HangUntil = (typeof HANG_UNTIL)[number];

export interface NvmeFault {
  readonly kind: FaultKind;
  /** How many commands it happens to, and how many are let by first. */
  count: number;
  after: number;
  /** Only to commands of this queue and opcode; -1: any. Without a queue: I/O queues. */
  readonly queue: number;
  readonly opcode: number;
  /** error: the 15 bits of the status. */
  readonly status: number;
  /** late-completion: milliseconds. */
  readonly delayMs: number;
  /** late-completion: it comes even after a reset. 1: yes. */
  readonly stubborn: boolean;
  readonly field: CorruptField;
  readonly until: HangUntil;
  /** power-cut, corrupt-completion. */
  readonly seed: number;
}

/** Unrecovered Read Error, as `SCT << 8 | SC`. */
const DEFAULT_STATUS = 0x281;
const NUMBERS: { readonly [key: string]: readonly [number, number] } = {
  count: [1, 1_000_000],
  after: [0, 1_000_000_000],
  queue: [0, 65535],
  opcode: [0, 255],
  status: [1, 0x7fff],
  delayMs: [0, 600_000],
  stubborn: [0, 1],
  seed: [0, 0xffff_ffff],
};
const WORDS: { readonly [key: string]: readonly string[] } = { field: CORRUPT_FIELDS, until: HANG_UNTIL };
/** Which keys mean something, by kind; `count`, `after`, `queue` and `opcode` choose commands. */
const CHOICE = ["count", "after", "queue", "opcode"];
const KEYS: { readonly [kind in FaultKind]: readonly string[] } = {
  error: [...CHOICE, "status"],
  "lost-completion": CHOICE,
  "late-completion": [...CHOICE, "delayMs", "stubborn"],
  "corrupt-completion": [...CHOICE, "field", "seed"],
  hang: ["after", "queue", "opcode", "until"],
  removal: ["after", "queue", "opcode"],
  "power-cut": ["after", "queue", "opcode", "seed"],
};

/**
 * @param text `KIND` or `KIND:key=value,key=value`, numbers also in hexadecimal: "error:status=0x281,count=3"
 * @throws Error that names what is wrong and what is known
 */
export function parseFault(text: string): NvmeFault {
  const [kind = "", rest = ""] = text.split(/:(.*)/s);
  if (!(FAULT_KINDS as readonly string[]).includes(kind))
    throw new Error(`unknown fault ${JSON.stringify(kind)}; there are ${FAULT_KINDS.join(", ")}`);
  const keys = KEYS[kind as FaultKind];
  const given: Record<string, number | string> = {};
  for (const part of rest.split(",").filter((p) => p !== "")) {
    const [key = "", value = ""] = part.split(/=(.*)/s);
    if (!keys.includes(key))
      throw new Error(`${kind}: unknown key ${JSON.stringify(key)}; there are ${keys.join(", ")}`);
    given[key] = parseValue(kind, key, value);
  }
  const { stubborn = 0, ...others } = given;
  const first = { count: 1, after: 0, queue: -1, opcode: -1, status: DEFAULT_STATUS, delayMs: 50, seed: 1 };
  const words = { field: "cid", until: "reset" } as const;
  return { ...first, ...words, ...others, kind: kind as FaultKind, stubborn: stubborn === 1 };
}

function parseValue(kind: string, key: string, value: string): number | string {
  const words = WORDS[key];
  if (words !== undefined) {
    if (!words.includes(value)) throw new Error(`${kind}: ${key}: one of ${words.join(", ")}, not ${value}`);
    return value;
  }
  const [low, high] = NUMBERS[key]!;
  const number = /^(0x[0-9a-f]+|[0-9]+)$/i.test(value) ? Number(value) : Number.NaN;
  if (!(number >= low && number <= high)) throw new Error(`${kind}: ${key}: ${low} to ${high}, not ${value}`);
  return number;
}

/** The faults that wait for their command. */
export class Faults {
  readonly #armed: NvmeFault[] = [];
  /** Whether any does: looked at for each command. */
  any = false;

  arm(fault: NvmeFault): void {
    this.#armed.push(fault);
    this.any = true;
  }

  /** @returns the fault that happens to this command, one of its times used up */
  take(command: Command): NvmeFault | undefined {
    for (const [i, fault] of this.#armed.entries()) {
      if (fault.queue < 0 ? command.sq.id === 0 : command.sq.id !== fault.queue) continue;
      if (fault.opcode >= 0 && command.opcode !== fault.opcode) continue;
      if (fault.after > 0) {
        fault.after--;
        continue;
      }
      if (--fault.count === 0) this.#armed.splice(i, 1);
      this.any = this.#armed.length > 0;
      return fault;
    }
    return undefined;
  }
}
