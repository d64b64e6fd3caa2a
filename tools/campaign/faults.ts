/**
 * The faults of the campaign: what kinds there are, and how one is put into a running driver.
 *
 * Invariant: the fault of a number is the same in every set-up: it depends on the seed and on its number only.
 */
import type { System } from "#runtime/node/system.ts";
import type { FaultInjectionClient } from "../../build/gen/host/fault-injection.ts";
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
export type FaultKind = "memory: bit flip" | `code: ${Mutation}` | `result: ${Lie}`;

/** All kinds, in the order of the table. */
export const FAULT_KINDS: readonly FaultKind[] = [
  "memory: bit flip",
  ...MUTATIONS.map((m) => `code: ${m}` as const),
  ...LIES.map((lie) => `result: ${lie}` as const),
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
  if (group === "memory") return { number, kind: "memory: bit flip", random };
  if (group === "code") return { number, kind: `code: ${MUTATIONS[random(MUTATIONS.length)]!}`, random };
  return { number, kind: `result: ${LIES[random(LIES.length)]!}`, random };
}

/** Flips a bit of the driver's private memory, somewhere in what it has used. @returns where */
export function flipBit(system: System, driver: string, { random }: Fault): string {
  const memory = new Uint8Array(system.kernel.domain(driver).memory!.buffer);
  let used = memory.length;
  while (used > 1 && memory[used - 1] === 0) used--;
  const at = random(used);
  const bit = random(8);
  memory[at] = memory[at]! ^ (1 << bit);
  return `bit ${bit} of byte ${at}`;
}

/** Most requests to which a lie may apply before it is told: fewer than are in flight. */
const MOST = 8;

/** Tells a lying driver which lie to tell, and about which request from now. @returns when */
export function orderLie(client: FaultInjectionClient, { kind, random }: Fault): string {
  const lie = LIES.indexOf(kind.slice("result: ".length) as Lie) + 1;
  const nth = kind === "result: false capacity" ? 1 : 1 + random(MOST);
  if (!client.arm(lie * 256 + nth).ok) throw new Error("the lying driver cannot be told what to do");
  return `request ${nth}`;
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
