/** Seeded bugs in the ownership check of domains: what it would no longer find, or reject wrongly. */
import type { Mutant } from "./mutant.ts";

const SOLVE = "tools/ownership/solve.ts";
const STATE = "tools/ownership/state.ts";
const PROGRAMS = "test/ownership/programs.test.ts";

export const OWNERSHIP_MUTANTS: readonly Mutant[] = [
  {
    name: "moved-is-still-there",
    file: SOLVE,
    find: "state.leave(op.place, GONE, op.node, op.how, -1)",
    replace: "state.leave(op.place, OWNED, op.node, op.how, -1)",
    why: "what was moved or freed may be used",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "refused-is-gone",
    file: STATE,
    find: "else if (mask === REFUSED) this.bits[p] = (this.bits[p]! & ~GIVEN) | OWNED;",
    replace: "else if (mask === REFUSED) this.bits[p] = (this.bits[p]! & ~GIVEN) | GONE;",
    why: "an object that a refused call left to the caller may be lost, and must not be freed",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "paths-forget",
    file: STATE,
    find: "put(p, mine | theirs, link);",
    replace: "put(p, mine, link);",
    why: "of two paths that meet only the first is known",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "failure-carries-object",
    file: STATE,
    find: "if ((mask & OK) === 0) this.bits[p] = NULL;",
    replace: "if ((mask & OK) === 0) this.bits[p] = OWNED;",
    why: "an answer that failed has no object to free",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "loan-outlives-take",
    file: "tools/ownership/calls.ts",
    find: 'c.emit({ op: "end", type, node, by: name });',
    replace: "",
    why: "a loan of what lies in a place is good after it was taken",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "recursion-believed",
    file: "tools/ownership/summaries.ts",
    find: "if (!open.asked || round === ROUNDS || sameForCallers(summary, guess))",
    replace: "if (round >= 1)",
    why: "what a function that calls itself does is what was guessed",
    killers: [PROGRAMS],
    modes: "any",
  },
  {
    name: "override-promises-nothing",
    file: "tools/ownership/modes.ts",
    find: "if (base !== null) {",
    replace: "if (base !== null && base === of) {",
    why: "an override may free what its callers only lend",
    killers: [PROGRAMS],
    modes: "any",
  },
];
