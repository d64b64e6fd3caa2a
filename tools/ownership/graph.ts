/**
 * The program that is checked: a function as a graph of blocks whose operations move, lend and give up objects.
 *
 * A *place* is what can hold an object (a local, a parameter, the value of a result, what an expression answers) or the
 * outcome of a call. Invariant: a place's number indexes `places`; blocks are linked by their ends alone.
 */
import type { Node } from "./compiler.ts";

/** How a call ended. For a function that answers a bool, `true` is OK and `false` is REFUSED. */
export const OK = 1;
export const ERROR = 2;
export const CRASHED = 4;
export const REFUSED = 8;
export const ANY_OUTCOME = OK | ERROR | CRASHED | REFUSED;

/** What a place may hold; several bits where paths differ. */
export const UNSET = 1;
export const NULL = 2;
export const OWNED = 4;
export const BORROWED = 8;
export const GONE = 16;
/** Moved by a call, unless that was refused: `Held.given` is the place of its result. */
export const GIVEN = 32;
/** A mistake was reported: no more about it. */
export const SPOILT = 64;

export type Mode = "borrow" | "move" | "give" | "none";

export interface Place {
  readonly kind: "object" | "outcome";
  /** As the source calls it: `request`, `answer.value`, "the object that `disk.read` answers". */
  name: string;
  /** Where it is declared or made. */
  readonly node: Node;
  /** Index of the parameter that it is; -1 otherwise. */
  readonly parameter: number;
  /** Has no name in the source. */
  readonly temporary: boolean;
  /** For the object of a result: the result's place and the getter. */
  readonly of: { readonly result: number; readonly field: string } | null;
  /** For a result: the places of its objects. */
  readonly objects: readonly number[];
  /** Name of the object's class. */
  readonly type: string;
}

/** How an object left its place, or what it is lent by; for messages. */
export type How =
  | { readonly kind: "freed" }
  | { readonly kind: "moved"; readonly to: string }
  | { readonly kind: "stored"; readonly by: string }
  | { readonly kind: "kept"; readonly in: string }
  | { readonly kind: "returned" }
  | { readonly kind: "chosen" }
  | { readonly kind: "assigned"; readonly to: string }
  | { readonly kind: "ended"; readonly by: string };

export type Op =
  /** A new object, null, or a loan comes to be in a place. */
  | { readonly op: "define"; readonly place: number; readonly bits: number; readonly node: Node; readonly from: string }
  /** It is looked at, written or lent. */
  | { readonly op: "use"; readonly place: number; readonly node: Node; readonly needs: "object" | "handle" }
  | { readonly op: "move"; readonly place: number; readonly node: Node; readonly how: How }
  /** From one place to another. */
  | { readonly op: "assign"; readonly from: number; readonly to: number; readonly node: Node; readonly how: How }
  /** A call that gives `gives`, and brings a result (-1: none that is tracked). */
  | {
      readonly op: "call";
      readonly result: number;
      readonly outcomes: number;
      readonly gives: readonly { readonly place: number; readonly node: Node }[];
      readonly node: Node;
      readonly name: string;
    }
  /** A result gets another name. */
  | { readonly op: "rename"; readonly from: number; readonly to: number; readonly node: Node }
  /** The object of a result is asked for. */
  | { readonly op: "open"; readonly place: number; readonly node: Node }
  /** An outcome is certain from here on. */
  | { readonly op: "assume"; readonly place: number; readonly outcomes: number }
  /** Loans of objects of this class end. */
  | { readonly op: "end"; readonly type: string; readonly node: Node; readonly by: string }
  /** No more is known, or said, about places. */
  | { readonly op: "forget"; readonly places: readonly number[] }
  /** Places go out of scope. */
  | { readonly op: "drop"; readonly places: readonly number[]; readonly node: Node }
  /** A mistake whatever the state. */
  | { readonly op: "refuse"; readonly node: Node; readonly message: string };

export type Test =
  | { readonly test: "null"; readonly place: number }
  | { readonly test: "outcome"; readonly place: number; readonly yes: number; readonly no: number }
  | { readonly test: "unknown" };

export type End =
  | { readonly end: "goto"; readonly to: Block }
  | { readonly end: "branch"; readonly test: Test; readonly yes: Block; readonly no: Block }
  /** `result`: the place of what is returned, when it is an outcome; `outcomes`: how it may have ended. */
  | {
      readonly end: "return";
      readonly node: Node;
      readonly result: number;
      readonly outcomes: number;
      readonly last: boolean;
    }
  /** The domain ends here. */
  | { readonly end: "stop" };

export class Block {
  readonly ops: Op[] = [];
  end: End = { end: "stop" };
}

export interface Graph {
  readonly name: string;
  readonly places: readonly Place[];
  readonly entry: Block;
  /** Places of the parameters by index; -1 for one that is not tracked. */
  readonly parameters: readonly number[];
  /** Classes whose loans a call of this function may end. */
  readonly ends: ReadonlySet<string>;
}
