/**
 * Stamps: what a build product was made from, so that a second build does nothing.
 *
 * A stamp lists every file that was looked at with its hash (or that it was absent), as the compiler reported them.
 * Invariant: a product is fresh only when its options and all those files are the same.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUILD, ROOT } from "../lib/paths.ts";
import { hash, readText, writeWhole } from "../lib/files.ts";

interface Stamp {
  readonly options: string;
  /** Path relative to the root → hash, "" when the file did not exist. */
  readonly inputs: Readonly<Record<string, string>>;
}

const stampFile = (name: string): string => join(BUILD, "cache", `${name}.json`);
const contentHash = (text: string | null): string => (text === null ? "" : hash(text));

/** Whether `product` was made with these options from files that have not changed since. */
export function isFresh(name: string, options: string, product: string): boolean {
  const text = readText(stampFile(name));
  if (text === null || !existsSync(product)) return false;
  const stamp = JSON.parse(text) as Stamp;
  if (stamp.options !== options) return false;
  return Object.entries(stamp.inputs).every(([path, then]) => contentHash(readText(join(ROOT, path))) === then);
}

/** Makes a product stale. */
export function dropStamp(name: string): void {
  rmSync(stampFile(name), { force: true });
}

/** Records a product, after it has been written. `inputs`: path relative to the root → text that was read, or null. */
export function writeStamp(name: string, options: string, inputs: ReadonlyMap<string, string | null>): void {
  const hashes = Object.fromEntries([...inputs].map(([path, text]) => [path, contentHash(text)]));
  const stamp: Stamp = { options, inputs: hashes };
  writeWhole(stampFile(name), JSON.stringify(stamp));
}
