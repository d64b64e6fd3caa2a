/** Seeded bugs in threads: calls and waits, the loop, budgets. Lowering makes no difference to them. */
import type { Mutant } from "./mutant.ts";

const THREADS = "kernel/thread/threads.ts";
const SCHEDULER = "kernel/thread/scheduler.ts";
const ASYNC = "test/proxy/async.test.ts";
const TESTS = "test/thread/threads.test.ts";
const APART = "test/thread/activations.test.ts";
const STRUCTURES = "kernel/thread/structures.test.ts";
const BUDGET = "test/thread/budget.test.ts";

type Seeded = Omit<Mutant, "modes">;

const CALLS: readonly Seeded[] = [
  {
    name: "suspended-in-a-plain-call",
    file: THREADS,
    find: "if (caller.id !== OWNER_HOST && !this.maySuspend(caller)) return RpcFault.cannotSuspend;",
    replace: "",
    why: "V8's error is thrown into a domain that nothing is wrong with",
    killers: [ASYNC],
  },
  {
    name: "more-calls-than-threads",
    file: THREADS,
    find: "if (callee.threads.full) return RpcFault.busy;",
    replace: "",
    why: "A1: a domain with a shadow stack gets a second suspended stack",
    killers: [ASYNC],
  },
  {
    name: "late-answer-to-another-wait",
    file: THREADS,
    find: "(waiting.waitsFor !== thread || !caller.alive)",
    replace: "!caller.alive",
    why: "the answer of a cancelled call ends a wait for something else",
    killers: [TESTS],
    only: "end by cancel",
  },
  {
    name: "result-bytes-taken-late",
    file: THREADS,
    find: "if (status === 0) keepTexts(thread, method);",
    replace: "",
    why: "two calls that end together both answer what the second wrote",
    killers: [APART],
  },
  {
    name: "delivered-bytes-not-kept",
    file: THREADS,
    find: "if (status === 0) keepTexts(waiting, method);",
    replace: "",
    why: "a thread finds the text that was delivered to another",
    killers: [APART],
  },
  {
    name: "words-not-put-back",
    file: SCHEDULER,
    find: "this.#kernel.ledger[at + i] = thread.words[i]!;",
    replace: "{}",
    why: "a thread that is woken reads result words of whoever ran last",
    killers: [APART],
  },
  {
    name: "dead-caller-waits-again",
    file: THREADS,
    find: "if (!caller.alive) throw this.#kernel.trap;",
    replace: "",
    why: "a domain that dies suspends itself once more and is never buried",
    killers: [TESTS],
    only: "between two jobs",
  },
];

const LOOP: readonly Seeded[] = [
  {
    name: "time-out-says-ok",
    file: "kernel/thread/calls.ts",
    find: "thread.timeOut = RpcFault.timedOut;",
    replace: "",
    why: "a thread whose time is up goes on as if it had what it waited for",
    killers: [TESTS],
    only: "waits",
  },
  {
    name: "low-priority-starves",
    file: "kernel/thread/ready.ts",
    find: "choice % STARVATION === 0 ?",
    replace: "choice < 0 ?",
    why: "a thread of low priority never runs beside one that is always ready",
    killers: [STRUCTURES],
  },
  {
    name: "poller-leaves-by-its-former-place",
    file: SCHEDULER,
    find: "this.#hot.splice(this.#hot.indexOf(poller), 1);",
    replace: "this.#hot.splice(this.#turn, 1);",
    why: "a step that ends another domain's poller takes a third one out of the round for ever",
    killers: ["test/thread/step.test.ts"],
    only: "takes nobody out",
  },
  {
    name: "ring-with-a-time-out",
    file: "kernel/thread/deadlock.ts",
    find: 't.state !== "waiting" || t.deadline !== Infinity ||',
    replace: 't.state !== "waiting" ||',
    why: "a wait that would end by itself is refused as a deadlock",
    killers: [TESTS],
    only: "deadlock",
  },
  {
    name: "argument-regions-overlap",
    file: "kernel/thread/arguments.ts",
    find: "if (ceiling - end >= bytes) return",
    replace: "if (ceiling > end) return",
    why: "the text of one async call is written over that of another",
    killers: [STRUCTURES],
  },
  {
    name: "budget-not-asked",
    file: THREADS,
    find: "if (!domain.alive || threads.full || !this.#kernel.budget.available) return null;",
    replace: "if (!domain.alive || threads.full) return null;",
    why: "the process runs out of maps, and V8 aborts it",
    killers: [BUDGET],
    only: "threads: spawn gives none",
  },
  {
    name: "budget-not-given-back",
    file: THREADS,
    find: "this.#kernel.budget.give();",
    replace: "",
    why: "after some thousand calls nobody can make another one",
    killers: [BUDGET],
    only: "threads: spawn gives none",
  },
];

export const THREAD_MUTANTS: readonly Mutant[] = [...CALLS, ...LOOP].map((mutant) => ({ ...mutant, modes: "any" }));
