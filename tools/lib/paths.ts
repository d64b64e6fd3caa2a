/**
 * Where things are in the work tree, and how a path is shown.
 *
 * Invariant: every path that a tool prints is relative to the root, with forward slashes.
 */
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Root of the work tree. */
export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Everything generated; never committed. */
export const BUILD = join(ROOT, "build");
/** Folders whose children are domains, in order of search. */
export const DOMAIN_ROOTS: readonly string[] = ["domains", "drivers"];

/** Path relative to the root, as it is printed. */
export function shown(path: string): string {
  return relative(ROOT, path).split(sep).join("/");
}
