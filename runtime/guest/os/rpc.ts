/**
 * Results of calls: status words, result words and the fault names.
 *
 * Owns how a domain reads and writes its own eight result words, and the base classes of all generated result classes.
 * Invariant: a value is only reachable when the status says ok, and a fault only ever comes from the kernel.
 */

// @ts-ignore: decorator
@external("rpc", "get0") export declare function get0(): i32;
// @ts-ignore: decorator
@external("rpc", "get1") export declare function get1(): i32;
// @ts-ignore: decorator
@external("rpc", "get2") export declare function get2(): i32;
// @ts-ignore: decorator
@external("rpc", "get3") export declare function get3(): i32;
// @ts-ignore: decorator
@external("rpc", "get4") export declare function get4(): i32;
// @ts-ignore: decorator
@external("rpc", "get5") export declare function get5(): i32;
// @ts-ignore: decorator
@external("rpc", "get6") export declare function get6(): i32;
// @ts-ignore: decorator
@external("rpc", "get7") export declare function get7(): i32;
// @ts-ignore: decorator
@external("rpc", "set0") export declare function set0(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set1") export declare function set1(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set2") export declare function set2(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set3") export declare function set3(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set4") export declare function set4(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set5") export declare function set5(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set6") export declare function set6(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "set7") export declare function set7(value: i32): void;
// @ts-ignore: decorator
@external("rpc", "getf0") export declare function getf0(): f32;
// @ts-ignore: decorator
@external("rpc", "getf1") export declare function getf1(): f32;
// @ts-ignore: decorator
@external("rpc", "getf2") export declare function getf2(): f32;
// @ts-ignore: decorator
@external("rpc", "getf3") export declare function getf3(): f32;
// @ts-ignore: decorator
@external("rpc", "getf4") export declare function getf4(): f32;
// @ts-ignore: decorator
@external("rpc", "getf5") export declare function getf5(): f32;
// @ts-ignore: decorator
@external("rpc", "getf6") export declare function getf6(): f32;
// @ts-ignore: decorator
@external("rpc", "getf7") export declare function getf7(): f32;
// @ts-ignore: decorator
@external("rpc", "setf0") export declare function setf0(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf1") export declare function setf1(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf2") export declare function setf2(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf3") export declare function setf3(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf4") export declare function setf4(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf5") export declare function setf5(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf6") export declare function setf6(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "setf7") export declare function setf7(value: f32): void;
// @ts-ignore: decorator
@external("rpc", "getd0") export declare function getd0(): f64;
// @ts-ignore: decorator
@external("rpc", "getd2") export declare function getd2(): f64;
// @ts-ignore: decorator
@external("rpc", "getd4") export declare function getd4(): f64;
// @ts-ignore: decorator
@external("rpc", "getd6") export declare function getd6(): f64;
// @ts-ignore: decorator
@external("rpc", "setd0") export declare function setd0(value: f64): void;
// @ts-ignore: decorator
@external("rpc", "setd2") export declare function setd2(value: f64): void;
// @ts-ignore: decorator
@external("rpc", "setd4") export declare function setd4(value: f64): void;
// @ts-ignore: decorator
@external("rpc", "setd6") export declare function setd6(value: f64): void;

/** What only the kernel can answer instead of the method; `None` when it answered nothing of the kind. */
export enum Fault {
  None = 0,
  /** The callee was dead before the call; the arguments are still the caller's. */
  Dead = 256,
  /** The callee crashed, or broke a rule, during the call; what was moved to it is gone. */
  Crashed = 257,
  /** A text or bytes value is longer than declared, or the callee has no room for it. */
  TooLarge = 258,
  /** The capability was revoked. */
  Revoked = 259,
  /** No room for one more crossing or capability. */
  Exhausted = 260,
  /** The callee has as many threads as it may have. */
  Busy = 261,
  TimedOut = 262,
  /** An async method was called where this domain cannot be suspended: it was itself entered by a plain call. */
  CannotSuspend = 263,
  /** The waiting thread was cancelled by another one of its domain. */
  Cancelled = 264,
  /** The wait would never have ended: those that it waits for wait for it. */
  Deadlock = 265,
}

/** Name of a fault, for messages. */
export function faultName(fault: Fault): string {
  if (fault == Fault.None) return "none";
  if (fault == Fault.Dead) return "dead";
  if (fault == Fault.Crashed) return "crashed";
  if (fault == Fault.TooLarge) return "too large";
  if (fault == Fault.Revoked) return "revoked";
  if (fault == Fault.Exhausted) return "exhausted";
  if (fault == Fault.Busy) return "busy";
  if (fault == Fault.TimedOut) return "timed out";
  if (fault == Fault.CannotSuspend) return "cannot suspend";
  if (fault == Fault.Cancelled) return "cancelled";
  if (fault == Fault.Deadlock) return "deadlock";
  return "unknown";
}

/** Whether a call with this status did not take place, so that what was to be moved is still the caller's. */
// @ts-ignore: decorator
@inline
export function isRefused(status: i32): bool {
  if (status < Fault.Dead || status == Fault.Crashed) return false;
  return status <= Fault.Busy || status == Fault.CannotSuspend;
}

/** Ends the domain: somebody asked a failed result for its value. */
export function noValue(status: i32): void {
  if (status >= 256) abort("this result has no value: the call met a fault: " + faultName(status));
  abort("this result has no value: the method answered an error");
}

/** Ends the domain: somebody asked a result for its error that has none. */
export function noError(): void {
  abort("this result has no error");
}

/** Ends the domain: it returned, or passed, more bytes than the interface allows. */
export function tooLong(): void {
  abort("text or bytes longer than the interface declares");
}

/** Ends the domain: a call for an object that was never provided. Only a broken kernel or manifest leads here. */
export function noObject(name: string): void {
  abort(name + ": no such object: call provide() in this order before it is used");
}

/** Result of a method without a value: `this` IS the status. */
// @ts-ignore: decorator
@unmanaged
export class Status {
  protected constructor() {}

  @inline get status(): i32 {
    return changetype<i32>(this);
  }

  @inline get ok(): bool {
    return changetype<i32>(this) == 0;
  }

  /** Whether the method answered a member of its error enum. */
  @inline get isError(): bool {
    return changetype<u32>(this) - 1 < 255;
  }

  @inline get fault(): Fault {
    return changetype<i32>(this) >= 256 ? <Fault>changetype<i32>(this) : Fault.None;
  }

  /** Whether the call did not take place: what was to be moved is still the caller's. */
  @inline get refused(): bool {
    return isRefused(changetype<i32>(this));
  }
}

/** Result of a method whose value is one object or capability: `this` IS the status, or that value. */
// @ts-ignore: decorator
@unmanaged
export class Direct {
  protected constructor() {}

  @inline get status(): i32 {
    return changetype<u32>(this) < 1024 ? changetype<i32>(this) : 0;
  }

  @inline get ok(): bool {
    return changetype<u32>(this) >= 1024;
  }

  /** Whether the method answered a member of its error enum. */
  @inline get isError(): bool {
    return changetype<u32>(this) - 1 < 255;
  }

  @inline get fault(): Fault {
    return changetype<u32>(this) - 256 < 768 ? <Fault>changetype<i32>(this) : Fault.None;
  }

  /** Whether the call did not take place: what was to be moved is still the caller's. */
  @inline get refused(): bool {
    return isRefused(this.status);
  }
}

/**
 * Result with values, in static storage: one for each method, so nothing is allocated. It is valid until the domain
 * calls, or answers, the same method again.
 */
// @ts-ignore: decorator
@unmanaged
export class Stored {
  status: i32;

  protected constructor() {}

  @inline get ok(): bool {
    return this.status == 0;
  }

  /** Whether the method answered a member of its error enum. */
  @inline get isError(): bool {
    return <u32>this.status - 1 < 255;
  }

  @inline get fault(): Fault {
    return this.status >= 256 ? <Fault>this.status : Fault.None;
  }

  /** Whether the call did not take place: what was to be moved is still the caller's. */
  @inline get refused(): bool {
    return isRefused(this.status);
  }
}
