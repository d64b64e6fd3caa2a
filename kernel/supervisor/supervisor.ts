/**
 * Restart policies: which dead domain lives again, and when.
 *
 * Invariant: a domain that keeps dying is restarted ever more slowly, and no more at all once it has used up its
 * restarts; the count is of restarts within a sliding window, so a domain that ran well for long starts afresh.
 */
import type { Domain } from "../domain/domain.ts";
import type { FaultKind } from "../domain/fault.ts";

export interface SupervisorKernel {
  /** Milliseconds, monotonic. */
  now(): number;
  /** Calls once, later, with no frame on the stack; the result takes it back. */
  after(ms: number, call: () => void): () => void;
  /** Begins the next life of a dead domain; how that ends is reported as any death. */
  revive(domain: Domain): void;
}

/** More would be infinite, and zero times infinity no number. */
const MAX_DOUBLINGS = 30;

interface History {
  /** When it was restarted, oldest first, within the window. */
  readonly times: number[];
  cancel: (() => void) | null;
}

export class Supervisor {
  readonly #kernel: SupervisorKernel;
  readonly #histories = new Map<Domain, History>();
  #stopped = false;

  constructor(kernel: SupervisorKernel) {
    this.#kernel = kernel;
  }

  /** A domain was buried. @returns whether it shall live again at once */
  buried(domain: Domain, kind: FaultKind): boolean {
    const { restart } = domain.entry;
    if (this.#stopped || restart === undefined || restart.policy === "never") return false;
    if (restart.policy === "on-fault" && kind === "killed") return false;
    const history = this.#historyOf(domain);
    const now = this.#kernel.now();
    while (history.times.length > 0 && history.times[0]! <= now - restart.withinMs) history.times.shift();
    const count = history.times.length;
    if (count >= restart.limit) return false;
    const delay =
      count === 0 ? 0 : Math.min(restart.maxBackoffMs, restart.backoffMs * 2 ** Math.min(count - 1, MAX_DOUBLINGS));
    history.times.push(now + delay);
    if (delay === 0) return true;
    history.cancel = this.#kernel.after(delay, () => {
      history.cancel = null;
      this.#kernel.revive(domain);
    });
    return false;
  }

  /** Whether a restart of the dead domain is under way. */
  waiting(domain: Domain): boolean {
    return (this.#histories.get(domain)?.cancel ?? null) !== null;
  }

  /** Somebody else decided what comes next: takes back what was under way, and the count. */
  forget(domain: Domain): void {
    this.#histories.get(domain)?.cancel?.();
    this.#histories.delete(domain);
  }

  /** From here on nobody is restarted. */
  stop(): void {
    this.#stopped = true;
    for (const { cancel } of this.#histories.values()) cancel?.();
    this.#histories.clear();
  }

  #historyOf(domain: Domain): History {
    let history = this.#histories.get(domain);
    if (history === undefined) this.#histories.set(domain, (history = { times: [], cancel: null }));
    return history;
  }
}
