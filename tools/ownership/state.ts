/**
 * What is known at one point of a function: what each place may hold, and how each call may have ended.
 *
 * Invariants: joining only adds possibilities, so a loop comes to a fix point; a place that was given to a call and the
 * outcome of that call are looked at together, whichever is learned first.
 */
import type { Node } from "./compiler.ts";
import { GIVEN, GONE, NULL, OK, OWNED, REFUSED, SPOILT, UNSET, type How, type Place, type Test } from "./graph.ts";

/** Where and how an object left its place. */
export interface Event {
  readonly node: Node;
  readonly how: How;
}

export class State {
  /** Of an object what it may be, of an outcome how the call may have ended; 0 for an outcome that is not there. */
  readonly bits: Uint8Array;
  /** The outcome that decides about a place that was given; kept while both are what they were. */
  readonly given: Int32Array;
  readonly left: (Event | null)[];
  /** Where the object came to be owned. */
  readonly since: (Node | null)[];
  readonly #places: readonly Place[];

  constructor(places: readonly Place[], from: State | null = null) {
    this.#places = places;
    this.bits = from?.bits.slice() ?? new Uint8Array(places.length);
    this.given = from?.given.slice() ?? new Int32Array(places.length).fill(-1);
    this.left = from?.left.slice() ?? Array.from({ length: places.length }, () => null);
    this.since = from?.since.slice() ?? Array.from({ length: places.length }, () => null);
    if (from === null) places.forEach((place, i) => (this.bits[i] = place.kind === "object" ? UNSET : 0));
  }

  copy(): State {
    return new State(this.#places, this);
  }

  set(place: number, bits: number, since: Node | null): void {
    this.bits[place] = bits;
    this.given[place] = -1;
    this.left[place] = null;
    this.since[place] = since;
  }

  leave(place: number, bits: number, node: Node, how: How, given: number): void {
    this.bits[place] = bits;
    this.given[place] = given;
    this.left[place] = { node, how };
  }

  spoil(place: number): void {
    this.bits[place] = SPOILT;
    this.given[place] = -1;
  }

  /** What an outcome says about the places that depend on it. */
  settle(outcome: number): void {
    const mask = this.bits[outcome]!;
    for (let p = 0; p < this.bits.length; p++) {
      if (this.given[p] === outcome && (this.bits[p]! & GIVEN) !== 0) {
        if ((mask & REFUSED) === 0) this.bits[p] = (this.bits[p]! & ~GIVEN) | GONE;
        else if (mask === REFUSED) this.bits[p] = (this.bits[p]! & ~GIVEN) | OWNED;
      }
    }
    for (const p of this.#places[outcome]!.objects) {
      if ((this.bits[p]! & SPOILT) !== 0) continue;
      if ((mask & OK) === 0) this.bits[p] = NULL;
      else if (mask === OK && this.bits[p] !== NULL) this.bits[p]! &= ~NULL;
    }
  }

  /** A result's place is used again: what it said about others is not known any more. */
  forget(outcome: number): void {
    for (let p = 0; p < this.bits.length; p++) {
      if (this.given[p] !== outcome) continue;
      if ((this.bits[p]! & GIVEN) !== 0) this.bits[p] = (this.bits[p]! & ~GIVEN) | GONE | OWNED;
      this.given[p] = -1;
    }
  }

  /** What is known where the test came out as `yes` says; null when it cannot. */
  assume(test: Test, yes: boolean): State | null {
    if (test.test === "unknown") return this.copy();
    const before = this.bits[test.place]!;
    if ((before & SPOILT) !== 0 && test.test === "null") return this.copy();
    if (test.test === "null") {
      const keep = yes ? before & (NULL | GONE | GIVEN | UNSET) : before & ~NULL;
      if (keep === 0) return null;
      const next = this.copy();
      next.bits[test.place] = keep;
      return next;
    }
    const mask = before & (yes ? test.yes : test.no);
    if (mask === 0 && before !== 0) return null;
    const next = this.copy();
    next.bits[test.place] = mask;
    next.settle(test.place);
    return next;
  }

  /** Whether what a place holds follows from the outcome that it was given to. */
  #follows(place: number, outcome: number): boolean {
    const bits = this.bits[place]! & ~NULL;
    const mask = this.bits[outcome]!;
    if (this.given[place] !== outcome) return false;
    return bits === GIVEN || (bits === GONE && (mask & REFUSED) === 0) || (bits === OWNED && mask === REFUSED);
  }

  /** Adds what another path knows. @returns whether anything changed */
  join(other: State): boolean {
    let changed = false;
    const put = (p: number, bits: number, given: number): void => {
      if (bits === this.bits[p] && given === this.given[p]) return;
      this.bits[p] = bits;
      this.given[p] = given;
      changed = true;
    };
    // Before outcomes are joined: they say what the bits mean on each path.
    for (let p = 0; p < this.bits.length; p++) {
      if (this.#places[p]!.kind !== "object") continue;
      let mine = this.bits[p]!;
      let theirs = other.bits[p]!;
      const given = this.given[p]!;
      const same = given >= 0 && this.#follows(p, given) && other.#follows(p, given);
      // Of two ways of leaving, the one that is still open is the one to name.
      if ((theirs & GIVEN) !== 0 && (mine & GIVEN) === 0) this.left[p] = other.left[p]!;
      this.left[p] ??= other.left[p]!;
      this.since[p] ??= other.since[p]!;
      if (same && (mine & ~NULL) !== (theirs & ~NULL)) {
        put(p, GIVEN | ((mine | theirs) & NULL), given);
        continue;
      }
      let link =
        given === other.given[p] ? given : given >= 0 && other.given[p]! >= 0 ? -1 : Math.max(given, other.given[p]!);
      if (link === -1 && ((mine | theirs) & GIVEN) !== 0) {
        if ((mine & GIVEN) !== 0) mine = (mine & ~GIVEN) | GONE | OWNED;
        if ((theirs & GIVEN) !== 0) theirs = (theirs & ~GIVEN) | GONE | OWNED;
      }
      if (((mine | theirs) & GIVEN) === 0 && given !== other.given[p]) link = -1;
      put(p, mine | theirs, link);
    }
    for (let p = 0; p < this.bits.length; p++)
      if (this.#places[p]!.kind === "outcome") put(p, this.bits[p]! | other.bits[p]!, -1);
    return changed;
  }
}
