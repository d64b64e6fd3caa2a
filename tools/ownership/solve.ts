/**
 * Runs a function's graph until nothing new is learned, then says what is wrong.
 *
 * Invariant: messages come from the last round only, when every block's state holds for all paths into it.
 */
import type { Node } from "./compiler.ts";
import { BORROWED, GIVEN, GONE, NULL, OK, OWNED, REFUSED, SPOILT, UNSET, type Graph } from "./graph.ts";
import type { End, How, Mode, Op, Place, Block } from "./graph.ts";
import * as say from "./messages.ts";
import { State, type Event } from "./state.ts";

export interface Finding {
  readonly node: Node;
  readonly message: string;
}

/** A handle that was proved to be owned, or lent, where it is used. */
export interface Fact {
  readonly node: Node;
  readonly place: string;
  readonly state: "owned" | "borrowed";
}

type Return = Extract<End, { end: "return" }>;

export interface Exit {
  readonly end: Return;
  readonly state: State;
}

export class Solver {
  readonly #graph: Graph;
  readonly #places: readonly Place[];
  readonly #modes: readonly Mode[];
  readonly #entry = new Map<Block, State>();
  readonly findings: Finding[] = [];
  readonly facts: Fact[] = [];
  readonly exits: Exit[] = [];
  readonly #found: (Finding & { readonly place: number; readonly leak: boolean })[] = [];
  /** Places about which was said what happened after they were left there. */
  readonly #told = new Map<Node, Set<number>>();
  #report = false;

  /** @param modes of the parameters; with `null` each is owned, and its end is not looked at (inference). */
  constructor(graph: Graph, modes: readonly Mode[] | null) {
    this.#graph = graph;
    this.#places = graph.places;
    this.#modes = modes ?? [];
    const start = new State(graph.places);
    graph.parameters.forEach((place, i) => {
      if (place < 0) return;
      const lent = modes !== null && modes[i] === "borrow";
      start.set(place, (lent ? BORROWED : OWNED) | NULL, graph.places[place]!.node);
    });
    this.#entry.set(graph.entry, start);
    this.#run();
    if (modes === null) return;
    this.#report = true;
    for (const [block, state] of this.#entry) this.#block(block, state.copy());
    this.#conclude();
  }

  #run(): void {
    const waiting = [this.#graph.entry];
    while (waiting.length > 0) {
      const block = waiting.shift()!;
      const state = this.#entry.get(block)!.copy();
      for (const op of block.ops) this.#apply(op, state);
      for (const [next, reached] of this.#successors(block.end, state)) {
        const known = this.#entry.get(next);
        if (known === undefined) this.#entry.set(next, reached);
        else if (!known.join(reached)) continue;
        if (!waiting.includes(next)) waiting.push(next);
      }
    }
    for (const [block, entry] of this.#entry) {
      if (block.end.end !== "return") continue;
      const state = entry.copy();
      for (const op of block.ops) this.#apply(op, state);
      this.exits.push({ end: block.end, state });
    }
  }

  #successors(end: End, state: State): [Block, State][] {
    if (end.end === "goto") return [[end.to, state]];
    if (end.end !== "branch") return [];
    const yes = state.assume(end.test, true);
    const no = state.assume(end.test, false);
    const reached: [Block, State][] = [];
    if (yes !== null) reached.push([end.yes, yes]);
    if (no !== null) reached.push([end.no, no]);
    return reached;
  }

  #block(block: Block, state: State): void {
    for (const op of block.ops) this.#apply(op, state);
    if (block.end.end === "return") this.#leave(block.end, state);
  }

  /** A mistake about a place; what is lost after one is its consequence, and not said. */
  #find(p: number, node: Node, message: string, leak = false): void {
    if (this.#report) this.#found.push({ node, message, place: p, leak });
  }

  #conclude(): void {
    const blamed = new Set(this.#found.filter(({ leak }) => !leak).map(({ place }) => place));
    this.findings.push(...this.#found.filter(({ leak, place }) => !leak || !blamed.has(place)));
  }

  // ── operations ───────────────────────────────────────────────────────────────────────────────────────────────────

  #apply(op: Op, state: State): void {
    switch (op.op) {
      case "define":
        this.#replace(op.place, op.node, state);
        return state.set(op.place, op.bits, op.node);
      case "use":
        return this.#use(op.place, op.node, op.needs, state);
      case "move":
        if (this.#movable(op.place, op.node, op.how, state)) state.leave(op.place, GONE, op.node, op.how, -1);
        return;
      case "assign":
        return this.#assign(op, state);
      case "call":
        return this.#call(op, state);
      case "rename":
        return this.#rename(op, state);
      case "open":
        return this.#open(op.place, op.node, state);
      case "assume":
        state.bits[op.place]! &= op.outcomes;
        return state.settle(op.place);
      case "end":
        return this.#end(op, state);
      case "drop":
        for (const place of op.places) {
          this.#dropped(place, op.node, state);
          if (this.#places[place]!.kind === "object") state.set(place, UNSET, null);
        }
        return;
      case "forget":
        for (const place of op.places) state.spoil(place);
        return;
      case "refuse":
        return this.#find(-1, op.node, op.message);
    }
  }

  /** Whether a place can be used; reports why not. */
  #live(p: number, node: Node, again: How | null, state: State): boolean {
    const bits = state.bits[p]!;
    if ((bits & SPOILT) !== 0) return false;
    const left = state.left[p] ?? null;
    if ((bits & (GONE | GIVEN)) !== 0 && left !== null) this.#dead(p, node, again, left, bits);
    else if ((bits & UNSET) !== 0) this.#find(p, node, say.unset(this.#places[p]!));
    else return true;
    return false;
  }

  /** Something was done with a place that had lost its object; said once for each way of losing it. */
  #dead(p: number, node: Node, again: How | null, left: Event, bits: number): void {
    const place = this.#places[p]!;
    const told = this.#told.get(left.node) ?? new Set<number>();
    if (told.has(p)) return;
    if (this.#report) this.#told.set(left.node, told.add(p));
    const certain = (bits & ~(GONE | GIVEN | NULL | UNSET)) === 0;
    let message: string;
    if (again !== null && left.node === node) message = say.aroundLoop(place, again, left);
    else if ((bits & GIVEN) !== 0)
      message = again === null ? say.usedGiven(place, left, node) : say.againGiven(place, again, left, node);
    else if (again !== null) message = say.againAfter(place, again, left, node, certain);
    else message = certain ? say.usedAfter(place, left, node) : say.usedMaybe(place, left, node);
    this.#find(p, node, message);
  }

  #use(p: number, node: Node, needs: "object" | "handle", state: State): void {
    if (!this.#live(p, node, null, state) || needs === "handle") return;
    // Whoever uses null has ended, so it is none from here on.
    if (state.bits[p] === NULL) this.#find(p, node, say.isNull(this.#places[p]!));
    state.bits[p]! &= ~NULL;
    this.#prove(p, node, state);
  }

  #prove(p: number, node: Node, state: State): void {
    const bits = state.bits[p]!;
    if (!this.#report || (bits !== OWNED && bits !== BORROWED)) return;
    this.facts.push({ node, place: this.#places[p]!.name, state: bits === OWNED ? "owned" : "borrowed" });
  }

  /** Whether an object can leave its place; reports why not. */
  #movable(p: number, node: Node, how: How, state: State): boolean {
    const live = this.#live(p, node, how, state);
    const bits = state.bits[p]!;
    if (!live) {
      // What was done twice is done: the first time is what later messages name.
      if ((bits & (GONE | GIVEN)) !== 0) state.bits[p] = GONE;
      return false;
    }
    const needed = how.kind === "freed" || how.kind === "moved" || how.kind === "stored";
    if ((bits & BORROWED) !== 0) this.#find(p, node, say.borrowed(this.#places[p]!, how));
    else if (bits === NULL && needed) this.#find(p, node, say.isNull(this.#places[p]!));
    else {
      this.#prove(p, node, state);
      return true;
    }
    return false;
  }

  /** Something else comes into a place: what it owned is lost. */
  #replace(p: number, node: Node, state: State): void {
    const place = this.#places[p]!;
    if (place.kind !== "object") return;
    if ((state.bits[p]! & GIVEN) !== 0) this.#unsure(p, node, state);
    if ((state.bits[p]! & OWNED) === 0) return;
    if (place.temporary) this.#find(p, place.node, say.leaksUnnamed(place), true);
    else this.#find(p, node, say.overwritten(place, state.since[p]!, node), true);
  }

  #assign(op: Extract<Op, { op: "assign" }>, state: State): void {
    const bits = state.bits[op.from]!;
    const from = this.#places[op.from]!;
    const lends = (bits & BORROWED) !== 0;
    const moves = (bits & SPOILT) === 0 && !lends && this.#movable(op.from, op.node, op.how, state);
    const named = !from.temporary && from.of === null && op.how.kind === "assigned";
    if (moves && named) this.#find(op.from, op.node, say.copied(from.name, this.#places[op.to]!.name));
    this.#replace(op.to, op.node, state);
    if (!(moves || (lends && this.#live(op.from, op.node, null, state))) || (moves && named)) return state.spoil(op.to);
    state.set(op.to, bits, state.since[op.from] ?? op.node);
    if (!lends) state.leave(op.from, GONE, op.node, op.how, -1);
  }

  #call(op: Extract<Op, { op: "call" }>, state: State): void {
    const how: How = { kind: "moved", to: op.name };
    const given = op.gives.filter(({ place, node }) => this.#movable(place, node, how, state));
    if (op.result >= 0) this.#renew(op.result, op.node, state);
    for (const { place, node } of given) {
      const refusable = op.result >= 0 && (op.outcomes & REFUSED) !== 0;
      const bits = op.outcomes === REFUSED ? OWNED : refusable ? GIVEN : GONE;
      state.leave(place, bits, node, how, op.result);
    }
    if (op.result < 0) return;
    state.bits[op.result] = op.outcomes;
    for (const p of this.#places[op.result]!.objects) state.set(p, OWNED, op.node);
    state.settle(op.result);
  }

  /** A result's place gets a new answer: an object in the old one is lost. */
  #renew(result: number, node: Node, state: State): void {
    this.#dropped(result, node, state);
    state.forget(result);
  }

  #rename(op: Extract<Op, { op: "rename" }>, state: State): void {
    this.#renew(op.to, op.node, state);
    const from = this.#places[op.from]!.objects;
    state.bits[op.to] = state.bits[op.from]!;
    this.#places[op.to]!.objects.forEach((p, i) => {
      state.bits[p] = state.bits[from[i]!]!;
      state.left[p] = state.left[from[i]!]!;
      state.since[p] = state.since[from[i]!]!;
      state.given[p] = state.given[from[i]!]!;
      state.set(from[i]!, UNSET, null);
    });
    for (let p = 0; p < state.given.length; p++) if (state.given[p] === op.from) state.given[p] = op.to;
    state.bits[op.from] = 0;
  }

  #open(p: number, node: Node, state: State): void {
    const { result } = this.#places[p]!.of!;
    const mask = state.bits[result]!;
    if ((mask & ~OK) === 0 || (state.bits[p]! & SPOILT) !== 0) return;
    this.#find(p, node, say.unexamined(this.#places[p]!, this.#places[result]!));
    state.spoil(p);
  }

  #end(op: Extract<Op, { op: "end" }>, state: State): void {
    this.#places.forEach((place, p) => {
      if (place.kind !== "object" || place.parameter >= 0 || place.type !== op.type) return;
      if (state.bits[p] === BORROWED || state.bits[p] === (BORROWED | NULL))
        state.leave(p, GONE, op.node, { kind: "ended", by: op.by }, -1);
    });
  }

  // ── the end of a place ───────────────────────────────────────────────────────────────────────────────────────────

  /** A place is no more: whether something is lost with it. */
  #dropped(p: number, node: Node, state: State): void {
    const place = this.#places[p]!;
    if (place.kind === "outcome") {
      if ((state.bits[p]! & OK) === 0) return;
      for (const object of place.objects) this.#lost(object, node, state);
    } else if (place.of === null) this.#lost(p, node, state);
  }

  #lost(p: number, node: Node, state: State): void {
    const bits = state.bits[p]!;
    if ((bits & OWNED) !== 0) {
      const [at, message] = this.#leak(p, node, state);
      this.#find(p, at, message, true);
    } else if ((bits & GIVEN) !== 0) this.#unsure(p, node, state);
  }

  /** Lost where the call that it was given to did not take it. */
  #unsure(p: number, node: Node, state: State): void {
    const answer = this.#places[state.given[p]!]!;
    const place = this.#places[p]!;
    const left = state.left[p]!;
    if ((state.bits[state.given[p]!]! & REFUSED) === 0) return;
    const offered = answer.type === "bool";
    if (offered && answer.temporary) this.#find(p, left.node, say.offered(place, left), true);
    else if (offered) this.#find(p, node, say.leaksOffered(place, left, node), true);
    else if (place.temporary) this.#find(p, left.node, say.refusedUnnamed(place, left), true);
    else this.#find(p, node, say.leaksRefused(place, left, node), true);
  }

  #leak(p: number, node: Node, state: State): [Node, string] {
    const place = this.#places[p]!;
    if (place.of !== null) {
      const result = this.#places[place.of.result]!;
      if (result.temporary) return [result.node, say.ignored(result.name, place.of.field)];
    }
    if (place.temporary) return [place.node, say.leaksUnnamed(place)];
    const left = state.left[p];
    const moved = (state.bits[p]! & GONE) !== 0 && left !== null && left !== undefined;
    if (moved && place.parameter >= 0) return [node, say.mixed(place, left, node, this.#graph.name)];
    return [node, say.leaks(place, state.since[p]!, node)];
  }

  #leave(end: Return, state: State): void {
    for (let p = 0; p < this.#places.length; p++) {
      const place = this.#places[p]!;
      if (place.kind !== "object") continue;
      if (place.of !== null) {
        if (place.of.result !== end.result && (state.bits[place.of.result]! & OK) !== 0) this.#lost(p, end.node, state);
      } else if (place.parameter < 0 || this.#modes[place.parameter] !== "give") this.#lost(p, end.node, state);
      else this.#giveBack(p, end, state);
    }
  }

  /** A parameter that the caller owns still exactly where the answer says so. */
  #giveBack(p: number, end: Return, state: State): void {
    const verdict = keepsPromise(p, end, state);
    if (verdict === "kept") this.#lost(p, end.node, state);
    if (verdict !== "moved") return;
    this.#find(p, end.node, say.broken(this.#places[p]!, this.#graph.name, state.left[p]!, end.node));
  }
}

/**
 * Whether a parameter of mode "give" is what the answer says.
 * @returns "kept": owned, though the answer says that it was taken; "moved": the other way round
 */
export function keepsPromise(p: number, end: Return, state: State): "good" | "kept" | "moved" {
  const bits = state.bits[p]! & ~NULL;
  if ((bits & SPOILT) !== 0 || bits === 0) return "good";
  const outcomes = end.result >= 0 ? state.bits[end.result]! : end.outcomes;
  if (end.result >= 0 && state.given[p] === end.result && (bits & GIVEN) !== 0)
    return bits === GIVEN ? "good" : "moved";
  if ((outcomes & REFUSED) === 0) return (bits & (OWNED | GIVEN)) === 0 ? "good" : "kept";
  if (outcomes === REFUSED && (bits & (GONE | GIVEN)) === 0) return "good";
  return (bits & GONE) !== 0 ? "moved" : "kept";
}
