/**
 * What a mutant is: one small, plausible mistake in one file of the trusted base, and the tests that must notice it.
 *
 * Invariant: `find` occurs in its file exactly as often as `nth` supposes, so that a mutant whose place has changed is
 * an error and never silently tests nothing.
 */
export interface Mutant {
  readonly name: string;
  /** Path from the root of the repository. */
  readonly file: string;
  /** Code to replace, in any layout; must occur once, unless `nth` says which occurrence is meant (from 1). */
  readonly find: string;
  readonly nth?: number;
  readonly replace: string;
  /** Which rule the mistake breaks. */
  readonly why: string;
  /** Test files, one of which must fail. They run the code in the process of the test. */
  readonly killers: readonly string[];
  /** Pattern of the names of the tests to run; for a mutant that makes other tests of the file run for ever. */
  readonly only?: string;
  /**
   * Modes of check removal in which it must be caught. "both" unless it is a mistake in the removal itself ("on"), or
   * in code that knows nothing of lowering, where the mode makes no difference ("any": run once).
   */
  readonly modes: "both" | "on" | "any";
}

/** A pattern for the same code in any layout: white space, and commas before a closing bracket, do not count. */
function anyLayout(code: string): RegExp {
  const characters = [...code.replace(/\s+/g, "")].map((c) => {
    const literal = c.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
    return c === ")" || c === "]" ? `,?\\s*${literal}` : literal;
  });
  return new RegExp(characters.join("\\s*"), "g");
}

/**
 * The text of `source` with the mutant in it.
 * @throws Error when `find` does not occur as it should
 */
export function mutate(source: string, { name, file, find, nth, replace }: Mutant): string {
  const places = [...source.matchAll(anyLayout(find))];
  const place = places[(nth ?? 1) - 1];
  if (place === undefined || (nth === undefined && places.length !== 1))
    throw new Error(`mutant ${name}: its text occurs ${places.length} times in ${file}; adapt the table`);
  return source.slice(0, place.index) + replace + source.slice(place.index + place[0].length);
}
