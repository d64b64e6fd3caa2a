/**
 * Commands that were fetched and take their time: carried out when they are due.
 *
 * Invariant: in the order of `due`, and in the order of arrival among equals.
 */
import type { Command, SubmissionQueue } from "./queues.ts";

/** Time of transfers and latencies, from the options. */
export class Timing {
  readonly #readMs: number;
  readonly #writeMs: number;
  readonly #msPerByte: number;
  /** Until when the medium's channel is taken. */
  #taken = 0;
  /** Every command is carried out at once. */
  readonly none: boolean;

  constructor(options: { readUs: number; writeUs: number; megabytesPerSecond: number }) {
    this.#readMs = options.readUs / 1000;
    this.#writeMs = options.writeUs / 1000;
    this.#msPerByte = options.megabytesPerSecond === 0 ? 0 : 1 / (options.megabytesPerSecond * 1000);
    this.none = this.#readMs === 0 && this.#writeMs === 0 && this.#msPerByte === 0;
  }

  /** @returns when a command is done that comes now and moves `bytes` */
  due(now: number, write: boolean, bytes: number): number {
    this.#taken = Math.max(now, this.#taken) + bytes * this.#msPerByte;
    return this.#taken + (write ? this.#writeMs : this.#readMs);
  }
}

export class Pending {
  readonly #commands: Command[] = [];

  get size(): number {
    return this.#commands.length;
  }

  /** When the first is due, or Infinity. */
  get next(): number {
    return this.#commands[0]?.due ?? Number.POSITIVE_INFINITY;
  }

  add(command: Command): void {
    let at = this.#commands.length;
    while (at > 0 && this.#commands[at - 1]!.due > command.due) at--;
    this.#commands.splice(at, 0, command);
  }

  /** Takes out one that is due. */
  take(now: number): Command | undefined {
    return this.next <= now ? this.#commands.shift() : undefined;
  }

  /** Takes out the command that somebody aborts. */
  abort(sqId: number, cid: number): Command | undefined {
    const index = this.#commands.findIndex((c) => c.sq.id === sqId && c.cid === cid && !c.stubborn && !c.sq.gone);
    return index < 0 ? undefined : this.#commands.splice(index, 1)[0];
  }

  /** Takes out all of a queue, or all there are; but for those that nothing stops. */
  drop(sq: SubmissionQueue | null): Command[] {
    const dropped = this.#commands.filter((c) => (sq === null || c.sq === sq) && !c.stubborn);
    const kept = this.#commands.filter((c) => !dropped.includes(c));
    this.#commands.splice(0, this.#commands.length, ...kept);
    return dropped;
  }
}
