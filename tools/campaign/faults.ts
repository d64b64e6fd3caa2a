/**
 * The faults of the campaign: what kinds there are, and how one is put into a running driver.
 *
 * Invariant: the fault of a number is the same in every set-up: it depends on the seed and on its number only.
 */
import type { FaultInjectionClient } from "../../build/gen/host/fault-injection.ts";
import { parseModule } from "#kernel/wasm/module.ts";
import { Op } from "#kernel/wasm/opcodes.ts";
import { Reader } from "#kernel/wasm/reader.ts";
import { Writer } from "#kernel/wasm/writer.ts";
import { MUTATIONS, type Mutation, type Mutator } from "./mutate.ts";
import { fork, type Random } from "./random.ts";

/** In the order of the enum in test/domains/lying-disk, from 1. */
export const LIES = [
  "wrong data",
  "stale data",
  "misplaced read",
  "lost write",
  "misplaced write",
  "torn write",
  "spoilt request",
  "false error",
  "strange status",
  "strange tag",
  "other block",
  "hang",
  "false capacity",
] as const;
type Lie = (typeof LIES)[number];

export const FAULT_GROUPS = ["memory", "code", "result"] as const;
export type FaultGroup = (typeof FAULT_GROUPS)[number];
/** Where bits are flipped. */
const AREAS = ["variables", "static data"] as const;
/** A lie told once, or by each life of the driver anew. */
const EACH_LIFE = ", in each life";
export type FaultKind =
  | `memory: ${(typeof AREAS)[number]}`
  | `code: ${Mutation}`
  | `result: ${Lie}`
  | `result: ${Lie}${typeof EACH_LIFE}`;

/** All kinds, in the order of the table. */
export const FAULT_KINDS: readonly FaultKind[] = [
  ...AREAS.map((area) => `memory: ${area}` as const),
  ...MUTATIONS.map((m) => `code: ${m}` as const),
  ...LIES.flatMap((lie) => [`result: ${lie}`, `result: ${lie}${EACH_LIFE}`] as const),
];

/** Numbers of the faults of each group: a third each. */
export function numbersOf(group: FaultGroup, faults: number): number[] {
  const all = Array.from({ length: faults }, (_, i) => i);
  return all.filter((i) => FAULT_GROUPS[i % FAULT_GROUPS.length] === group);
}

export interface Fault {
  readonly number: number;
  readonly kind: FaultKind;
  readonly random: Random;
}

export function faultOf(number: number, seed: number): Fault {
  const random = fork(seed, number);
  const group = FAULT_GROUPS[number % FAULT_GROUPS.length]!;
  // Most flips where the driver's state lies: static data are read when something is wrong already.
  if (group === "memory") return { number, kind: `memory: ${AREAS[random(4) === 0 ? 1 : 0]}`, random };
  if (group === "code") return { number, kind: `code: ${MUTATIONS[random(MUTATIONS.length)]!}`, random };
  const lie = `result: ${LIES[random(LIES.length)]!}` as const;
  return { number, kind: random(2) === 0 ? lie : `${lie}${EACH_LIFE}`, random };
}

/** Whether the fault is another module in the driver's place, and outlives the driver's restarts. */
export function isModule({ kind }: Fault): boolean {
  return kind.startsWith("code") || kind.endsWith(EACH_LIFE);
}

/**
 * Flips a bit of a driver's private memory, somewhere in what it has used.
 * @param border where its static data end
 * @returns where
 */
export function flipBit(memory: Uint8Array, border: number, { kind, random }: Fault): string {
  let used = memory.length;
  while (used > 1 && memory[used - 1] === 0) used--;
  const first = Math.min(border, used - 1);
  const at = kind === "memory: variables" ? first + random(used - first) : random(first);
  const bit = random(8);
  memory[at] = memory[at]! ^ (1 << bit);
  return `bit ${bit} of byte ${at}`;
}

/** Most requests to which a lie may apply before it is told: fewer than are in flight. */
const MOST = 8;

/** As the lying driver understands it: lie × 256 + which request. */
function order({ kind, random }: Fault): number {
  const name = kind.slice("result: ".length).replace(EACH_LIFE, "");
  const lie = LIES.indexOf(name as Lie) + 1;
  return lie * 256 + (name === "false capacity" ? 1 : 1 + random(MOST));
}

/** Tells a lying driver which lie to tell, and about which request from now. @returns when */
export function orderLie(client: FaultInjectionClient, fault: Fault): string {
  const after = order(fault);
  if (!client.arm(after).ok) throw new Error("the lying driver cannot be told what to do");
  return `request ${after & 255}`;
}

/** `i32.const 0x5eed1e00`, `global.set`: the driver's first code, no orders. Elsewhere it only compares with it. */
const NO_ORDERS = new Writer(8).u8(Op.i32Const).s32(0x5eed1e00).u8(Op.globalSet).view().slice();

/** The lying driver with orders in its module: each life lies. */
export function stubbornLiar(liar: Uint8Array, fault: Fault): { bytes: Uint8Array<ArrayBuffer>; what: string } {
  const bytes = new Uint8Array(liar);
  const at = bytes.findIndex((_, i) => NO_ORDERS.every((byte, k) => bytes[i + k] === byte));
  if (at < 0) throw new Error("the lying driver has no place for orders");
  const after = order(fault);
  // The same length, so that nothing shifts.
  for (let i = 1; i <= 5; i++) bytes[at + i] = ((after >>> (7 * (i - 1))) & 0x7f) | (i < 5 ? 0x80 : 0);
  return { bytes, what: `request ${after & 255}` };
}

/** Where the data segments of a compiled domain end. */
export function staticEnd(bytes: Uint8Array): number {
  const { segments } = parseModule(bytes);
  return Math.max(
    0,
    ...segments.map(({ offset, start, end }) => {
      if (offset === null) return 0;
      const reader = new Reader(bytes, offset.start, offset.end);
      return reader.next() === Op.i32Const ? reader.a + end - start : 0;
    }),
  );
}

/** Draws mutants until `put` takes one. @returns what was done to the code */
export async function putMutant(
  mutator: Mutator,
  { kind, random }: Fault,
  put: (bytes: Uint8Array<ArrayBuffer>) => Promise<boolean>,
): Promise<{ what: string; refused: number }> {
  for (let refused = 0; ; refused++) {
    const { bytes, what } = mutator.mutate(kind.slice("code: ".length) as Mutation, random);
    if (await put(bytes)) return { what, refused };
  }
}
