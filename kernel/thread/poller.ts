/**
 * A domain that polls: it exports `step`, which the loop calls again and again.
 *
 * `step` answers > 0: it did work, call again at once; 0: idle, call after a rest that grows while it stays idle;
 * < 0: sleep until `thread.notify`. Invariant: it is hot, or in the timer heap, or asleep.
 */
import type { Domain } from "../domain/domain.ts";
import type { Timed } from "./timers.ts";

const FIRST_REST_MS = 0.125;
const LONGEST_REST_MS = 8;

export class Poller implements Timed {
  readonly domain: Domain;
  readonly step: () => number;
  /** In the loop's round. */
  hot = false;
  /** `thread.notify` was called while `step` ran. */
  notified = false;
  idleMs = 0;
  deadline = 0;
  heapIndex = -1;

  constructor(domain: Domain, step: () => number) {
    this.domain = domain;
    this.step = step;
  }

  /** One more idle round: sets when it is called again. */
  rest(now: number): this {
    this.idleMs = Math.min(Math.max(this.idleMs * 2, FIRST_REST_MS), LONGEST_REST_MS);
    this.deadline = now + this.idleMs;
    return this;
  }
}
