/**
 * Debian packages without installing any: a private apt with lists, cache and (empty) status of its own.
 *
 * Invariant: nothing outside the given folder changes, and no root is needed; what apt gives has passed Debian's
 * signature and the hashes below it. A download that was cut off is taken up where it ended.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { KEYRING, LabError, RELEASE } from "./lab.ts";

/** The machine's own Debian mirror, or `$SAMARA_VM_MIRROR`. */
export function mirror(env: NodeJS.ProcessEnv = process.env): string {
  if ((env.SAMARA_VM_MIRROR ?? "") !== "") return env.SAMARA_VM_MIRROR!;
  const listed = spawnSync("apt-get", ["indextargets", "--format", "$(REPO_URI)"], { encoding: "utf8" });
  const found = (listed.stdout ?? "").split("\n").find((uri) => /\/debian\/?$/.test(uri));
  if (found !== undefined) return found;
  throw new LabError("apt knows no Debian mirror here: give one, http://HOST/debian, in SAMARA_VM_MIRROR");
}

export class PrivateApt {
  readonly #dir: string;
  readonly #options: readonly string[];

  /** @param dir a folder of its own; made when missing. @param uri of a Debian mirror. */
  constructor(dir: string, uri: string) {
    this.#dir = dir;
    for (const sub of ["lists/partial", "cache"]) mkdirSync(join(dir, sub), { recursive: true });
    const sources = join(dir, "sources.list");
    const suites = [RELEASE, `${RELEASE}-updates`, `${RELEASE}-backports`];
    writeFileSync(sources, suites.map((suite) => `deb [signed-by=${KEYRING}] ${uri} ${suite} main\n`).join(""));
    this.#options = [
      `Dir::Etc::sourcelist=${sources}`,
      "Dir::Etc::sourceparts=/dev/null",
      "Dir::Etc::preferencesparts=/dev/null",
      `Dir::State::lists=${join(dir, "lists")}`,
      // As if nothing were installed: the whole closure comes, with its own C library.
      "Dir::State::status=/dev/null",
      `Dir::Cache=${join(dir, "cache")}`,
      "APT::Sandbox::User=",
      "APT::Architecture=amd64",
      "APT::Architectures::=amd64",
      "Debug::NoLocking=1",
      "Acquire::Languages=none",
      "Acquire::Retries=3",
    ];
  }

  #run(what: string, options: readonly string[], args: readonly string[]): void {
    const set = [...this.#options, ...options].flatMap((option) => ["-o", option]);
    const run = spawnSync("apt-get", ["-qq", ...set, ...args], {
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
    });
    if (run.status === 0) return;
    const said = run.error?.message ?? run.stderr.trim();
    throw new LabError(`VM lab: ${what} failed; what is there already is kept, so try again. apt-get said:\n${said}`);
  }

  /** Fetches the package lists. @throws LabError with apt's own words. */
  update(): void {
    // apt-get takes a list that it could not fetch for a warning.
    this.#run("fetching the package lists", ["APT::Update::Error-Mode=any"], ["update"]);
  }

  /**
   * Downloads packages and all that they depend on.
   * @param name of the folder that gets them. @param backports prefers the newer ones.
   * @returns the .deb files.
   */
  download(name: string, packages: readonly string[], backports: boolean): string[] {
    const archives = join(this.#dir, name);
    mkdirSync(join(archives, "partial"), { recursive: true });
    const target = backports ? ["-t", `${RELEASE}-backports`] : [];
    const args = ["install", "--download-only", "--no-install-recommends", "-y", ...target, ...packages];
    this.#run(`downloading ${packages.join(", ")}`, [`Dir::Cache::archives=${archives}`], args);
    return readdirSync(archives)
      .filter((file) => file.endsWith(".deb"))
      .map((file) => join(archives, file));
  }
}

/** Unpacks packages into one tree, as on a system where /bin, /sbin and /lib are links into /usr. */
export function unpack(packages: readonly string[], root: string): void {
  for (const deb of packages) {
    const run = spawnSync("dpkg-deb", ["--extract", deb, root], { encoding: "utf8" });
    if (run.status !== 0) throw new LabError(`VM lab: dpkg-deb cannot unpack ${deb}: ${run.stderr.trim()}`);
  }
}
