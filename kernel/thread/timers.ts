/**
 * Time-outs: a binary heap by deadline, whose members know their places, so that each can be taken out.
 *
 * Invariant: `heapIndex` of a member is its place in the heap, and -1 of everybody else.
 */

export interface Timed {
  /** Milliseconds of the host's clock. Not changed while in the heap. */
  deadline: number;
  heapIndex: number;
}

export class Timers<T extends Timed> {
  readonly #heap: T[] = [];

  get first(): T | null {
    return this.#heap[0] ?? null;
  }

  add(item: T): void {
    this.#heap.push(item);
    this.#up(this.#heap.length - 1, item);
  }

  /** Takes an item out, if it is in. */
  remove(item: T): void {
    const at = item.heapIndex;
    if (at < 0) return;
    item.heapIndex = -1;
    const last = this.#heap.pop()!;
    if (last === item) return;
    this.#up(at, last);
    this.#down(last.heapIndex, last);
  }

  #up(start: number, item: T): void {
    let at = start;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.#heap[parent]!.deadline <= item.deadline) break;
      this.#put(at, this.#heap[parent]!);
      at = parent;
    }
    this.#put(at, item);
  }

  #down(start: number, item: T): void {
    const size = this.#heap.length;
    let at = start;
    for (let child = 2 * at + 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && this.#heap[child + 1]!.deadline < this.#heap[child]!.deadline) child++;
      if (this.#heap[child]!.deadline >= item.deadline) break;
      this.#put(at, this.#heap[child]!);
      at = child;
    }
    this.#put(at, item);
  }

  #put(at: number, item: T): void {
    this.#heap[at] = item;
    item.heapIndex = at;
  }
}
