/**
 * Objects that come back from a device as numbers.
 *
 * Owns the step from a handle in a completion to the object. Invariant: it is no trust: a handle that is not the
 * domain's own, or too small for what is read, ends the domain at the first access.
 */

/** The object behind a handle; 0 is the null object. */
// @ts-ignore: decorator
@inline
export function objectOf<T>(handle: u32): T {
  return changetype<T>(handle);
}
