/**
 * Builds the native shim (drivers/vfio/native) when it is needed, with cargo.
 *
 * Invariant: build/native/HASH.node comes from exactly the sources that HASH is of; a file that is there is whole.
 * Nothing but devices needs it, so where it cannot be built, that is a reason and not an exception.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BuildError } from "../build/errors.ts";
import { listFiles } from "../lib/files.ts";
import { BUILD, ROOT, shown } from "../lib/paths.ts";

const SOURCE = join(ROOT, "drivers", "vfio", "native");
const OUTPUT = join(BUILD, "native");
/** The library's name as cargo makes it. */
const LIBRARY = "libsamara_native.so";

function sources(): string[] {
  const own = listFiles(join(SOURCE, "src"), (name) => name.endsWith(".rs"));
  return [join(SOURCE, "Cargo.toml"), join(SOURCE, "Cargo.lock"), ...own.toSorted()];
}

/** Where the shim of the present sources is or will be. */
export function nativeFile(): string {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch}\n`);
  for (const file of sources()) hash.update(`${shown(file)}\n`).update(readFileSync(file));
  return join(OUTPUT, `${hash.digest("hex").slice(0, 16)}.node`);
}

/** @param file that it would be @returns why there is no shim on this machine and none can be built, or null */
export function nativeMissing(file = nativeFile()): string | null {
  if (process.platform !== "linux") return `the native shim is for Linux, this is ${process.platform}`;
  if (existsSync(file)) return null;
  if (spawnSync("cargo", ["--version"], { stdio: "ignore" }).status !== 0)
    return "the native shim (devices through vfio, TAP) needs Rust: install cargo, see https://rustup.rs";
  return null;
}

/**
 * Builds the shim unless it is there.
 * @param note gets one line before a build, which takes about half a minute the first time.
 * @returns the file to load with `loadNative` (drivers/vfio/native.ts).
 * @throws BuildError when it cannot be built, with the reason or cargo's messages.
 */
export function buildNative(note: (line: string) => void = () => {}): string {
  const missing = nativeMissing();
  if (missing !== null) throw new BuildError(missing);
  const file = nativeFile();
  if (existsSync(file)) return file;
  note("building the native shim (once for each version of its sources) …");
  const target = join(OUTPUT, "target");
  mkdirSync(target, { recursive: true });
  const run = spawnSync("cargo", ["build", "--release", "--locked", "--quiet", "--target-dir", target], {
    cwd: SOURCE,
    encoding: "utf8",
  });
  if (run.status !== 0) throw new BuildError(`${shown(SOURCE)}: error: cargo failed\n${run.stderr ?? run.error}`);
  // Renamed into place, so that whoever runs at the same time finds all of it or nothing.
  const part = `${file}.${process.pid}`;
  copyFileSync(join(target, "release", LIBRARY), part);
  renameSync(part, file);
  return file;
}

/**
 * Format and lint of the shim; its manifest denies whatever could panic, because a panic ends the process.
 * @returns cargo's messages, or "" when there is nothing to say; where there is no cargo, nothing is looked at
 */
export function lintNative(): string {
  const has = (tool: string): boolean => spawnSync("cargo", [tool, "--version"], { stdio: "ignore" }).status === 0;
  if (process.platform !== "linux" || !has("fmt") || !has("clippy")) return "";
  const run = (args: readonly string[]): string => {
    const { status, stdout, stderr } = spawnSync("cargo", args, { cwd: SOURCE, encoding: "utf8" });
    return status === 0 ? "" : `${stdout}${stderr}`;
  };
  const clippy = ["clippy", "--release", "--locked", "--quiet", "--target-dir", join(OUTPUT, "target")];
  return run(["fmt", "--check"]) + run([...clippy, "--", "--deny", "warnings"]);
}
