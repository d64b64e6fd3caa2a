/**
 * Objects that go to a device and come back from it as numbers.
 *
 * Owns the steps between an object and the handle in a command or a completion. Invariant: it is no trust: a handle
 * that is not the domain's own, or too small for what is read, ends the domain at the first access.
 */
import { Borrow } from "heap/modes";

/** The handle of an object that goes into a command: from here on the command has it, until `objectOf`. */
// @ts-ignore: decorator
@inline
export function handleOf<T>(object: T): u32 {
  return changetype<u32>(object);
}

/** What a command has, to look at. */
// @ts-ignore: decorator
@inline
export function lookAt<T>(handle: u32): Borrow<T> {
  return changetype<T>(handle);
}

/** The object behind a handle, taken out of a command or a completion; 0 is the null object. */
// @ts-ignore: decorator
@inline
export function objectOf<T>(handle: u32): T {
  return changetype<T>(handle);
}
