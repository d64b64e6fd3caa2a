/**
 * Entry of every npm script: makes sure that the locked dependencies are installed (the pinned Node among them),
 * then runs the given TypeScript program under that Node.
 *
 * Plain JavaScript with no imports outside node:*, because it is the only file that the machine's own Node
 * (18 or later) has to understand. Invariant: nothing else runs before node_modules matches package-lock.json.
 */
import { spawnSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const pinned = join(root, "node_modules", ".bin", "node");
const stamp = join(root, "node_modules", ".samara-lock");

function lockHash() {
  return createHash("sha256")
    .update(readFileSync(join(root, "package-lock.json")))
    .digest("hex");
}

function installIfStale() {
  const want = lockHash();
  if (existsSync(pinned) && existsSync(stamp) && readFileSync(stamp, "utf8") === want) return;
  process.stderr.write("samara: installing dependencies (once per package-lock.json) …\n");
  // Not `npm ci`: it refuses a lock file that leaves out optional packages of platforms which the registry that the lock
  // was made with does not carry. This takes the locked versions, checks their hashes and leaves the lock file alone.
  const npm = spawnSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    process.stderr.write("samara: `npm install` failed; the messages above say why\n");
    process.exit(npm.status ?? 1);
  }
  if (!existsSync(pinned)) {
    process.stderr.write(
      `samara: no Node 26 package exists for ${process.platform}-${process.arch}; see "Limits" in README.md\n`,
    );
    process.exit(1);
  }
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, want);
}

installIfStale();
const [program, ...args] = process.argv.slice(2);
const child = spawn(pinned, ["--disable-warning=ExperimentalWarning", join(root, program), ...args], {
  stdio: "inherit",
  cwd: root,
  env: { ...process.env, PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}` },
});
// The child decides how to end, we only pass its answer on. Ctrl-C reaches both of us, `kill` of this process us alone:
// the child is told after a moment, because a signal that meets it while it is about to end would count as its death.
const MOMENT_MS = 500;
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"])
  process.on(signal, () => setTimeout(() => child.kill(signal), MOMENT_MS).unref());
child.on("exit", (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
