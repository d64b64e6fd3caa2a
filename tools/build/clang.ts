/**
 * One C domain → Wasm through clang: shows that the loader does not care which compiler made a domain.
 *
 * Invariant: nothing but the generated header and the domain's own files goes in; there is no C library.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { ROOT, shown } from "../lib/paths.ts";
import { listFiles, readText } from "../lib/files.ts";
import { BuildError } from "./errors.ts";

const HEADERS = "build/gen/c";
const FLAGS = ["--target=wasm32", "-O2", "-g0", "-ffreestanding", "-Wall", "-Wextra", "-Werror"];
const LINK = ["--no-entry", "-z", "stack-size=65536"];

/** Why C domains cannot be built on this machine, or null. */
export function clangMissing(): string | null {
  for (const program of ["clang", "wasm-ld"]) {
    if (spawnSync(program, ["--version"], { stdio: "ignore" }).status !== 0) {
      return `${program} is not installed (Debian: apt-get install clang lld)`;
    }
  }
  return null;
}

/** C files of a domain, relative to the root. */
export function cSources(dir: string): string[] {
  return listFiles(join(ROOT, dir), (name) => name.endsWith(".c")).map(shown);
}

/** Everything apart from files that decides the result. */
export function clangOptions(dir: string): string {
  return JSON.stringify([dir, FLAGS, LINK, cSources(dir)]);
}

/** Runs a step of the toolchain. @throws BuildError with its diagnostics. */
function step(dir: string, program: string, args: readonly string[]): void {
  const run = spawnSync(program, args, { cwd: ROOT, encoding: "utf8" });
  if (run.status !== 0) throw new BuildError(`${dir}: error: ${program} failed\n${run.stderr}`);
}

/**
 * Compiles all C files of a domain.
 * @throws BuildError when clang is missing, or with its diagnostics.
 */
export function compileC(dir: string): { bytes: Uint8Array; inputs: ReadonlyMap<string, string | null> } {
  const missing = clangMissing();
  if (missing !== null) throw new BuildError(`${dir}: error: ${missing}`);
  const sources = cSources(dir);
  const headers = [dir, HEADERS].flatMap((d) => listFiles(join(ROOT, d), (name) => name.endsWith(".h")).map(shown));
  const out = mkdtempSync(join(tmpdir(), "samara-c-"));
  try {
    const file = join(out, `${basename(dir)}.wasm`);
    // The linker is called by hand: clang would also run a wasm-opt that it finds, which drops the functions' names.
    const objects = sources.map((source, i) => {
      const object = join(out, `${i}.o`);
      step(dir, "clang", [...FLAGS, `-I${HEADERS}`, "-c", source, "-o", object]);
      return object;
    });
    step(dir, "wasm-ld", [...LINK, ...objects, "-o", file]);
    const inputs = new Map([...sources, ...headers].map((path) => [path, readText(join(ROOT, path))]));
    return { bytes: new Uint8Array(readFileSync(file)), inputs };
  } finally {
    rmSync(out, { recursive: true, force: true });
  }
}
