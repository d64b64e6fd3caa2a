/**
 * Asynchronous events (NVMe 1.4, 5.2): what the controller tells unasked, and the requests that wait for it.
 *
 * Invariant: after an event was told, no other of its type is until the log page that it names has been read.
 */
import { ASYNC_EVENT_LIMIT } from "./identify.ts";
import type { Command } from "./queues.ts";
import { Log } from "./spec.ts";

/** Type, information and log page, figures 147 to 149. */
export interface AsyncEvent {
  readonly type: number;
  readonly info: number;
  readonly log: number;
}
export const WRITE_TO_INVALID_DOORBELL: AsyncEvent = { type: 0, info: 0x00, log: Log.ERROR };
export const INVALID_DOORBELL_VALUE: AsyncEvent = { type: 0, info: 0x01, log: Log.ERROR };
export const TEMPERATURE_EVENT: AsyncEvent = { type: 1, info: 0x01, log: Log.SMART };

export class AsyncEvents {
  readonly #requests: Command[] = [];
  /** At most one for each type: a later one of the same type says nothing new until the first was told. */
  readonly #events = new Map<number, AsyncEvent>();
  readonly #told = new Set<number>();

  /** @returns false: there are as many as the controller takes. */
  request(command: Command): boolean {
    if (this.#requests.length > ASYNC_EVENT_LIMIT) return false;
    this.#requests.push(command.copy());
    return true;
  }

  raise(event: AsyncEvent): void {
    if (!this.#events.has(event.type)) this.#events.set(event.type, event);
  }

  /** The log page `log` was read, and its events with it. */
  read(log: number): void {
    this.#told.delete(log === Log.ERROR ? 0 : log === Log.SMART ? 1 : -1);
  }

  /** @returns a request that can be completed now; its result is set. */
  next(): Command | undefined {
    if (this.#requests.length === 0) return undefined;
    for (const event of this.#events.values()) {
      if (this.#told.has(event.type)) continue;
      this.#events.delete(event.type);
      this.#told.add(event.type);
      const command = this.#requests.shift()!;
      command.result = event.type | (event.info << 8) | (event.log << 16);
      return command;
    }
    return undefined;
  }

  /** Takes out the request with this id, which somebody aborts. */
  abort(cid: number): Command | undefined {
    const index = this.#requests.findIndex((command) => command.cid === cid);
    return index < 0 ? undefined : this.#requests.splice(index, 1)[0];
  }

  reset(): void {
    this.#requests.length = 0;
    this.#events.clear();
    this.#told.clear();
  }
}
