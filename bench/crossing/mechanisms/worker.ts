/**
 * A round trip between two worker threads of this process, over a SharedArrayBuffer.
 *
 * Invariant: both sides use the same primitive, and the row says which. The time is the caller's, from request to
 * answer. A peer that does not answer for two seconds fails the case instead of hanging the run.
 */
import { Worker } from "node:worker_threads";
import { loopSubject, type Subject } from "../../lib/sample.ts";
import type { Mechanism } from "../mechanism.ts";

/** Words of the shared buffer, a cache line apart. A request is a number, its answer the same number. */
const REQUEST = 0;
const ANSWER = 16;
const END = -1;
const PATIENCE_MS = 2000;

function serverSource(idle: string): string {
  return `
    const { workerData: words } = require("node:worker_threads");
    for (let seen = 0; ; ) {
      ${idle}
      const next = Atomics.load(words, ${REQUEST});
      if (next === ${END}) break;
      if (next === seen) continue;
      seen = next;
      Atomics.store(words, ${ANSWER}, seen);
      Atomics.notify(words, ${ANSWER});
    }`;
}

function tooLate(): never {
  throw new Error(`the other thread did not answer for ${PATIENCE_MS} ms`);
}

/** One pair of threads; `idle` is how the server waits, `wait` how the caller does. */
function pair(name: string, idle: string, wait: (words: Int32Array, before: number) => void): Subject {
  const words = new Int32Array(new SharedArrayBuffer(128));
  const worker = new Worker(serverSource(idle), { eval: true, workerData: words });
  let sent = 0;
  const run = (n: number): void => {
    for (let i = 0; i < n; i++) {
      const before = sent++;
      Atomics.store(words, REQUEST, sent);
      Atomics.notify(words, REQUEST);
      wait(words, before);
    }
  };
  return {
    ...loopSubject(name, run, null, { atLeast: 32 }),
    async close() {
      Atomics.store(words, REQUEST, END);
      Atomics.notify(words, REQUEST);
      await worker.terminate();
    },
  };
}

function waitAsleep(words: Int32Array, before: number): void {
  while (Atomics.load(words, ANSWER) === before)
    if (Atomics.wait(words, ANSWER, before, PATIENCE_MS) === "timed-out") tooLate();
}

function waitSpinning(words: Int32Array, before: number): void {
  // A look at the clock costs as much as the trip: only every so many turns.
  let limit = Infinity;
  for (let turns = 1; Atomics.load(words, ANSWER) === before; turns++) {
    if (turns % 100_000 !== 0) continue;
    const now = performance.now();
    limit = Math.min(limit, now + PATIENCE_MS);
    if (now > limit) tooLate();
  }
}

export const mechanism: Mechanism = {
  name: "worker",
  cases: ["peer-worker", "peer-worker-spin"],
  order: 70,
  checks:
    "Separate JavaScript heaps and stacks in one address space; the buffer is shared, its words are atomic. Not " +
    "checked: whether the other thread is alive, what the words mean, ownership of the buffer.",
  available: async () => null,
  async measure(context) {
    if (context.wants("peer-worker")) {
      const idle = `Atomics.wait(words, ${REQUEST}, seen);`;
      const note = "Atomics.wait and Atomics.notify on both sides: the system switches threads twice";
      context.subject(pair("peer-worker", idle, waitAsleep), { note });
    }
    if (context.wants("peer-worker-spin")) {
      const note = "Atomics.load in a loop on both sides: needs two idle cores, and burns both";
      context.subject(pair("peer-worker-spin", "", waitSpinning), { note });
    }
  },
};
