/**
 * What callers know of each function: what happens to its arguments, and how it may end.
 *
 * A domain's own functions are looked into when the first caller asks. Invariant: what is believed of a function that
 * calls itself, while it is looked into, is what is then found; else it is looked into again.
 */
import type { Class, Function, Program } from "./compiler.ts";
import { lowerFunction } from "./functions.ts";
import { ANY_OUTCOME, Block, ERROR, GONE, NULL, OK, SPOILT, type Graph, type Mode } from "./graph.ts";
import { ownerOf, type Kinds } from "./kinds.ts";
import { isTrustedFunction, type Services } from "./lowering.ts";
import { lends, promisedModes, trustedModes } from "./modes.ts";
import { keepsPromise, Solver, type Exit } from "./solve.ts";

export interface Summary {
  readonly modes: readonly Mode[];
  /** What it answers is only lent. */
  readonly lends: boolean;
  /** How a result that it answers may have ended. */
  readonly outcomes: number;
  /** False: it ends the domain on every path. */
  readonly returns: boolean;
  /** Classes whose loans a call may end. */
  readonly ends: ReadonlySet<string>;
}

/** A domain's own function: what it promises, and how its body keeps that. */
export interface Checked {
  readonly graph: Graph;
  readonly summary: Summary;
  readonly solver: Solver;
}

const NOTHING: ReadonlySet<string> = new Set();

export class Summaries implements Services {
  readonly kinds: Kinds;
  readonly program: Program;
  readonly checked = new Map<Function, Checked>();
  readonly #trusted = new Map<Function, Summary>();
  /** Functions that are being looked into, with what is believed of them meanwhile. */
  readonly #open = new Map<Function, { readonly summary: Summary; asked: boolean }>();

  constructor(kinds: Kinds) {
    this.kinds = kinds;
    this.program = kinds.program;
  }

  summaryOf(callee: Function): Summary {
    const of = callee.original;
    if (isTrustedFunction(of)) {
      let summary = this.#trusted.get(of);
      if (summary === undefined) this.#trusted.set(of, (summary = this.#library(of)));
      return summary;
    }
    const open = this.#open.get(of);
    if (open === undefined) return this.check(of).summary;
    open.asked = true;
    return open.summary;
  }

  #library(of: Function): Summary {
    const { kinds } = this;
    const returnsResult = kinds.of(of.signature.returnType) === "result";
    const made = returnsResult && !kinds.isInterfaceCall(of) ? { ok: OK, err: ERROR }[of.name] : undefined;
    return {
      modes: trustedModes(kinds, of),
      lends: lends(of.prototype),
      outcomes: made ?? this.#answers(of),
      returns: true,
      ends: this.#taken(of),
    };
  }

  /** How a call may end: without errors of its own a method answers no error. */
  #answers(of: Function): number {
    const result = of.signature.returnType.getClass();
    if (result === null || this.kinds.of(of.signature.returnType) !== "result") return ANY_OUTCOME;
    return this.kinds.hasErrors(result) ? ANY_OUTCOME : ANY_OUTCOME & ~ERROR;
  }

  /** Taking an object out of a place ends the loans of what lay there; which place it was is not known. */
  #taken(of: Function): ReadonlySet<string> {
    const owner: Class | null = ownerOf(of);
    if (of.name !== "take" || owner === null || !this.kinds.isCell(owner)) return NOTHING;
    const inner = owner.typeArguments?.[0]?.getClass() ?? null;
    return inner === null ? NOTHING : new Set([inner.name]);
  }

  /** Looks into a domain's own function. */
  check(of: Function): Checked {
    const known = this.checked.get(of);
    if (known !== undefined) return known;
    const promised = promisedModes(this.kinds, of, (base) => this.summaryOf(base).modes);
    const hasBody = of.prototype.bodyNode !== null;
    let guess: Summary = {
      modes: promised.map((mode) => mode ?? "borrow"),
      lends: lends(of.prototype),
      outcomes: this.#answers(of),
      returns: true,
      ends: NOTHING,
    };
    if (!hasBody) return this.#keep(of, { graph: nothing(of), summary: guess, solver: new Solver(nothing(of), []) });
    for (let round = 1; ; round++) {
      const before = this.checked.size;
      const open = { summary: guess, asked: false };
      this.#open.set(of, open);
      const checked = this.#look(of, promised, guess);
      this.#open.delete(of);
      const { summary } = checked;
      if (!open.asked || round === ROUNDS || sameForCallers(summary, guess)) return this.#keep(of, checked);
      // What was found out on the way believed the guess.
      for (const other of [...this.checked.keys()].slice(before)) this.checked.delete(other);
      guess = { ...summary, outcomes: guess.outcomes, returns: true };
    }
  }

  #keep(of: Function, checked: Checked): Checked {
    this.checked.set(of, checked);
    return checked;
  }

  #look(of: Function, promised: readonly (Mode | null)[], guess: Summary): Checked {
    const graph = lowerFunction(this, of);
    const modes = promised.includes(null) ? infer(graph, promised) : guess.modes;
    const solver = new Solver(graph, modes);
    let outcomes = 0;
    for (const { end, state } of solver.exits) outcomes |= end.result < 0 ? end.outcomes : state.bits[end.result]!;
    const summary = { ...guess, modes, outcomes, returns: solver.exits.length > 0, ends: graph.ends };
    return { graph, summary, solver };
  }
}

/** How often a function that calls itself is looked into. */
const ROUNDS = 4;

function sameForCallers(a: Summary, b: Summary): boolean {
  return a.modes.join() === b.modes.join() && [...a.ends].toSorted().join() === [...b.ends].toSorted().join();
}

/** The graph of a function without a body. */
const nothing = (of: Function): Graph => ({
  name: of.name,
  places: [],
  entry: new Block(),
  parameters: [],
  ends: NOTHING,
});

/** Finds out what a body does with the parameters about which nothing is said. */
function infer(graph: Graph, promised: readonly (Mode | null)[]): Mode[] {
  const { exits } = new Solver(graph, null);
  const leaves = givenAway(graph);
  return promised.map((mode, i) => {
    if (mode !== null) return mode;
    const place = graph.parameters[i]!;
    if (!leaves.has(place)) return "borrow";
    if (exits.every((exit) => isGone(place, exit))) return "move";
    return exits.every(({ end, state }) => keepsPromise(place, end, state) === "good") ? "give" : "move";
  });
}

function isGone(place: number, { state }: Exit): boolean {
  const bits = state.bits[place]! & ~NULL;
  return (bits & SPOILT) !== 0 || (bits & ~GONE) === 0;
}

/** Places that anything is moved out of, on any path. */
function givenAway(graph: Graph): ReadonlySet<number> {
  const found = new Set<number>();
  const seen = new Set<Block>();
  const visit = (block: Block): void => {
    if (seen.has(block)) return;
    seen.add(block);
    for (const op of block.ops) {
      if (op.op === "move") found.add(op.place);
      else if (op.op === "assign") found.add(op.from);
      else if (op.op === "call") for (const { place } of op.gives) found.add(place);
    }
    if (block.end.end === "goto") visit(block.end.to);
    if (block.end.end !== "branch") return;
    visit(block.end.yes);
    visit(block.end.no);
  };
  visit(graph.entry);
  return found;
}
