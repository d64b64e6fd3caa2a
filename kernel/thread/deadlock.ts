/**
 * Deadlocks: whether a wait would never end, told before it begins.
 *
 * Only waits without a time-out count: a ring with one that ends by itself is none. Invariant: what counts never forms
 * a ring, because the wait that would close it is refused; so the walk ends.
 */
import type { Domain } from "../domain/domain.ts";
import { STEP, STEP_SIGNATURE } from "../wasm/intrinsics.ts";
import { Thread } from "./thread.ts";

/**
 * A thread waits for one that it joins, and for the method that it calls.
 * @returns the ring that would be closed, as text, or null
 */
export function findRing(thread: Thread, target: Thread): string | null {
  const labels = [thread.label];
  for (let t = target; t !== thread; t = t.waitsFor) {
    labels.push(t.label);
    if (t.state !== "waiting" || t.deadline !== Infinity || !(t.waitsFor instanceof Thread)) return null;
  }
  return [...labels, thread.label].join(" waits for ");
}

/**
 * Whether the running thread is the last of its domain that could set an event, and nobody else's code can: nothing
 * outside can call a domain that provides no object and makes no capability, and the loop only one that polls.
 */
export function isLast(thread: Thread): boolean {
  const { threads } = thread.domain;
  return threads.stuck + 1 === threads.live.size && isClosed(thread.domain);
}

function isClosed(domain: Domain): boolean {
  return (
    domain.entry.provides.length === 0 &&
    domain.function(STEP, STEP_SIGNATURE) === null &&
    !domain.admitted!.imports.some(({ name }) => name === "mint")
  );
}
