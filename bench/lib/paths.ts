/**
 * Where the benchmarks find and put files.
 *
 * Invariant: everything that is made lies under build/, which may be deleted at any time.
 */
import { mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const BENCH = join(ROOT, "bench");

/** A folder under build/bench, made when it does not exist. */
export function buildFolder(...parts: string[]): string {
  const folder = join(ROOT, "build", "bench", ...parts);
  mkdirSync(folder, { recursive: true });
  return folder;
}
