/**
 * Tests that continuous integration may skip: full name → reason.
 *
 * Invariant: a skipped test that is not here fails the CI run, so that nothing goes untested unnoticed.
 */
export const SKIPS: Readonly<Record<string, string>> = {};
