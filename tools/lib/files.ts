/**
 * Reading, hashing and writing files for the tools.
 *
 * Invariant: a file that a build writes appears whole or not at all, so that tools that run at the same time can only
 * find an old version or a new one.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { BUILD } from "./paths.ts";

/** Hex SHA-256 of the parts; lengths are hashed too, so that parts cannot flow into each other. */
export function hash(...parts: (string | Uint8Array)[]): string {
  const sha = createHash("sha256");
  for (const part of parts) sha.update(`${part.length}:`).update(part);
  return sha.digest("hex");
}

/** Text of a file, or null when there is none. */
export function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "EISDIR" || code === "ENOTDIR") return null;
    throw error;
  }
}

/** Writes by rename; makes the folder. Leaves a file alone that already has this content. */
export function writeWhole(path: string, content: string | Uint8Array): void {
  if (existsSync(path) && Buffer.from(content).equals(readFileSync(path))) return;
  mkdirSync(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, content);
  renameSync(temporary, path);
}

const SKIPPED = new Set(["node_modules", "target", ".git"]);

/** Files below `dir` whose name passes, sorted; generated and installed folders are skipped. */
export function listFiles(dir: string, passes: (name: string) => boolean): string[] {
  if (!existsSync(dir)) return [];
  const found: string[] = [];
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, entry.name);
    if (entry.isDirectory() && !SKIPPED.has(entry.name) && path !== BUILD) found.push(...listFiles(path, passes));
    else if (entry.isFile() && passes(entry.name)) found.push(path);
  }
  return found.toSorted();
}
