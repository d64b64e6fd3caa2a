/**
 * Ready threads, by priority, and first in first out within one.
 *
 * Invariant: no thread starves: each STARVATION-th choice begins at another level than the highest, all levels in turn.
 */
import { PRIORITIES, ThreadList, type Thread } from "./thread.ts";

const STARVATION = 8;

export class ReadyQueue {
  /** The last is for threads that are to be unwound. */
  readonly #levels = Array.from({ length: PRIORITIES + 1 }, () => new ThreadList());
  #size = 0;
  #choices = 0;

  get size(): number {
    return this.#size;
  }

  push(thread: Thread): void {
    this.#levels[thread.unwinding ? PRIORITIES : thread.priority]!.push(thread);
    this.#size++;
  }

  remove(thread: Thread): void {
    thread.list!.remove(thread);
    this.#size--;
  }

  shift(): Thread | null {
    if (this.#size === 0) return null;
    const choice = ++this.#choices;
    const start = choice % STARVATION === 0 ? (choice / STARVATION) % PRIORITIES : PRIORITIES;
    for (let i = 0; ; i++) {
      const thread = this.#levels[(start - i + PRIORITIES + 1) % (PRIORITIES + 1)]!.shift();
      if (thread === null) continue;
      this.#size--;
      return thread;
    }
  }
}
