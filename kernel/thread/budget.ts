/**
 * Budgets of the whole process: what V8 aborts for instead of throwing is counted here, and refused before.
 *
 * A thread's stack and a memory cost two maps of the address space each. Invariant: `used` never exceeds `limit`.
 */
export class Budget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get available(): boolean {
    return this.#used < this.limit;
  }

  take(): boolean {
    if (!this.available) return false;
    this.#used++;
    return true;
  }

  give(): void {
    this.#used--;
  }
}

export interface Budgets {
  readonly threads: Budget;
  readonly memories: Budget;
}
