/**
 * Errors of the exchange heap. Codes are stable: the kernel, tests and docs match on them, never on the text.
 *
 * Whoever catches one decides who is to blame: an operation that throws has changed nothing.
 */
export type HeapErrorCode =
  | "range" // index 0 or beyond the ledger; slot, offset or length beyond the object
  | "stale" // the generation is not the object's: moved, taken or freed since
  | "not-owner" // the object, at this generation, belongs to somebody else or to nobody
  | "lent" // the operation needs the exclusive right, and the object is borrowed
  | "not-lent" // giving back what nobody borrowed
  | "wrong-type" // the slot, container or operation is for another type
  | "occupied" // put into a slot that holds an object
  | "empty" // peek into a slot that holds none
  | "cycle" // an object cannot be put into itself
  | "bad-owner" // nobody who could hold an object: OWNER_NONE, OWNER_CONTAINED, or no owner id at all
  | "corrupt" // a slot, head or length word in the heap contradicts the ledger: only a device can have written it
  | "not-allocated" // no block begins at this address
  | "conflict" // a type key with two different definitions
  | "exhausted" // no room for one more type
  | "config"; // sizes, arenas or definitions that cannot be

/** An operation on the exchange heap was refused; nothing was changed. */
export class HeapError extends Error {
  readonly code: HeapErrorCode;
  /** The operation that was refused, such as "put". */
  readonly operation: string;
  constructor(code: HeapErrorCode, operation: string, detail: string) {
    super(`${operation}: ${code}: ${detail}`);
    this.name = "HeapError";
    this.code = code;
    this.operation = operation;
  }
}
