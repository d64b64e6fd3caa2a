/**
 * Where fio is: on the machine, or unpacked from Debian's packages into build/, which needs no root.
 *
 * Invariant: nothing outside build/ changes; where it cannot be had, the reason is said.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BUILD } from "#tools/lib/paths.ts";

const ROOT = join(BUILD, "peers", "fio");
const PROGRAM = join(ROOT, "root", "usr", "bin", "fio");

let found: { readonly argv: readonly string[] } | { readonly absent: string } | undefined;

/** How to run fio, or why it cannot be. Fetches and unpacks it when it is not there. */
export function fioCommand(): { readonly argv: readonly string[] } | { readonly absent: string } {
  return (found ??= look());
}

function look(): { readonly argv: readonly string[] } | { readonly absent: string } {
  if (works(["fio"])) return { argv: ["fio"] };
  const triple = `${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
  const libraries = ["usr/lib", "lib"].map((folder) => join(ROOT, "root", folder, triple));
  const argv = ["env", `LD_LIBRARY_PATH=${[...libraries, join(libraries[0]!, "ceph")].join(":")}`, PROGRAM];
  if (!existsSync(PROGRAM)) {
    const problem = fetchPackages();
    if (problem !== null) return { absent: problem };
  }
  return works(argv) ? { argv } : { absent: "fio was unpacked, but does not run here; install it" };
}

function works(argv: readonly string[]): boolean {
  return spawnSync(argv[0]!, [...argv.slice(1), "--version"]).status === 0;
}

/** @returns why it did not work, or null */
function fetchPackages(): string | null {
  const archives = join(ROOT, "packages");
  mkdirSync(join(archives, "partial"), { recursive: true });
  // fio is linked against every kind of storage that it could test: apt knows what this machine lacks of it.
  const options = [`Dir::Cache::archives=${archives}`, "Debug::NoLocking=1", "APT::Sandbox::User="];
  const what = ["install", "--download-only", "--no-install-recommends", "-y", "fio"];
  const set = options.flatMap((option) => ["-o", option]);
  const get = spawnSync("apt-get", ["-qq", ...set, ...what], { encoding: "utf8" });
  if (get.error !== undefined) return "fio is not installed, and there is no apt-get to fetch it with";
  if (get.status !== 0) return `fio is not installed, and apt-get cannot fetch it: ${lastLine(get.stderr)}`;
  for (const file of readdirSync(archives).filter((name) => name.endsWith(".deb"))) {
    const run = spawnSync("dpkg-deb", ["--extract", join(archives, file), join(ROOT, "root")], { encoding: "utf8" });
    if (run.status !== 0) return `fio's package ${file} cannot be unpacked: ${lastLine(run.stderr ?? "")}`;
  }
  rmSync(archives, { recursive: true });
  return null;
}

function lastLine(text: string): string {
  return text.trim().split("\n").at(-1) ?? "";
}
