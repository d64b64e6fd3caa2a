/**
 * What a signature says about an object beside its type; the build's ownership check reads it.
 *
 * Invariant: these are other names for the type itself: nothing of them is left in the binary. A parameter of an
 * object's plain type is moved to a function of a library or an interface; for a domain's own functions the check finds
 * out from the body.
 */

/** Lent: the caller owns it still, afterwards too. As the type of a return value: it stays where it lies. */
export type Borrow<T> = T;

/** Moved when the answer is true; otherwise the caller owns it still. */
export type Offer<T> = T;
