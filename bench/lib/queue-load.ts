/**
 * The cases of the benchmarks of queues: an operation, an order, a depth, a batch, and where the driver is.
 *
 * Invariant: a request that failed, or came back with another block's contents, ends the benchmark.
 */
import type { System } from "#runtime/node/system.ts";
import { BlockOperation } from "../../build/gen/host/block-device.ts";
import { LoadPattern, type QueueLoadClient } from "../../build/gen/host/block-load.ts";

export const PLACES = ["linked", "domain", "shadow"] as const;
/** The driver in the client's own domain, in one of its own, or there behind a shadow. */
export type Place = (typeof PLACES)[number];

export const CHECKS: { readonly [place in Place]: string } = {
  linked: "Load and driver are one domain: no crossing between them.",
  domain: "One proxy between load and driver: two crossings for each batch, submit and poll.",
  shadow: "The same with a shadow between, which restarts the driver and submits again what it had: four crossings.",
};

export interface QueueCase {
  readonly operation: "read" | "write";
  readonly pattern: "rand" | "seq";
  readonly depth: number;
  readonly batch: number;
}

/** `read-rand-qd32`; with a batch that is not the largest that fits, `-b1`. */
export function caseName({ operation, pattern, depth, batch }: QueueCase): string {
  return `${operation}-${pattern}-qd${depth}${batch === Math.min(depth, 32) ? "" : `-b${batch}`}`;
}

/** The load of one place, ready to run. */
export class QueueLoad {
  readonly #client: QueueLoadClient;
  readonly #place: Place;

  constructor(system: System, place: Place) {
    this.#place = place;
    this.#client = system.client<QueueLoadClient>(`load-${place}.load`);
  }

  /**
   * @param known whether the disk holds nothing but zeros and what this load wrote
   * @returns whether the disk is ready
   */
  open(known = true): boolean {
    return this.#client.open(known).ok;
  }

  /** `count` requests. @throws Error when one failed, or had the wrong contents */
  run({ operation, pattern, depth, batch }: QueueCase, count: number): void {
    const which = operation === "read" ? BlockOperation.Read : BlockOperation.Write;
    const order = pattern === "rand" ? LoadPattern.Random : LoadPattern.Sequential;
    const answer = this.#client.run(which, order, depth, batch, count);
    if (!answer.ok) throw new Error(`load-${this.#place}: ${JSON.stringify(answer)}`);
  }
}
