/**
 * Where the VM lab lives: what is fetched once and kept outside the repository, and how its programs are started.
 *
 * Invariant: a lab whose stamp is there is whole; everything that is written before the stamp may be half done.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { hash, readText } from "../lib/files.ts";

/** What a person can mend, in words for that person; no stack trace. */
export class LabError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "LabError";
  }
}

/** Runs on the host: QEMU 11 is the first with a vfio-user client that behaves, and comes from the backports. */
export const HOST_PACKAGES: readonly string[] = ["qemu-system-x86", "virtiofsd"];
/** The guest's kernel and what tests run there. libatomic1 and libstdc++6 are what Node needs besides libc. */
export const GUEST_PACKAGES: readonly string[] = [
  "linux-image-cloud-amd64",
  "bash",
  "busybox-static",
  "coreutils",
  "e2fsprogs",
  "fio",
  "kmod",
  "libatomic1",
  "libstdc++6",
  "lvm2",
  "mdadm",
  "mount",
  "nvme-cli",
  "util-linux",
];
/** Debian's release of both. */
export const RELEASE = "trixie";
/** Counts the changes to how a lab is made. */
const FORMAT = 1;

/** Names what a lab is made of: another value means that it has to be made again. */
export const CONTENTS: string = hash(JSON.stringify([FORMAT, RELEASE, HOST_PACKAGES, GUEST_PACKAGES]));

/** Paths of one lab. */
export interface Lab {
  readonly dir: string;
  /** Unpacked packages that run here, with their own C library. */
  readonly host: string;
  /** Unpacked packages that are the guest's root file system. */
  readonly guest: string;
  /** The guest's kernel, uncompressed: starting it through PVH saves seconds of emulation. */
  readonly kernel: string;
  /** What Node in guests has compiled: under emulation, reading our sources anew takes ten seconds. */
  readonly code: string;
  /** Holds CONTENTS when everything else is there. */
  readonly stamp: string;
}

/** `$SAMARA_VM_CACHE`, else `samara/vm` in the user's cache folder. */
export function labPaths(env: NodeJS.ProcessEnv = process.env): Lab {
  const own = env.SAMARA_VM_CACHE ?? "";
  const xdg = env.XDG_CACHE_HOME ?? "";
  const dir = own !== "" ? own : join(xdg.startsWith("/") ? xdg : join(homedir(), ".cache"), "samara", "vm");
  return {
    dir,
    host: join(dir, "host"),
    guest: join(dir, "guest"),
    kernel: join(dir, "vmlinux"),
    code: join(dir, "code"),
    stamp: join(dir, "stamp"),
  };
}

/** Whether nothing has to be fetched or unpacked. */
export const isReady = (lab: Lab): boolean => readText(lab.stamp) === CONTENTS;

/**
 * Why no guest can run on this machine, or null.
 * @param platform as `process.platform` and `process.arch`.
 */
export function obstacle(lab: Lab, platform: string = process.platform, arch: string = process.arch): string | null {
  if (platform !== "linux" || arch !== "x64") return `the VM lab runs on Linux on x86-64, not on ${platform} ${arch}`;
  if (isReady(lab)) return null;
  const missing = ["/usr/bin/apt-get", "/usr/bin/dpkg-deb", KEYRING].filter((path) => !existsSync(path));
  return missing.length === 0 ? null : `the VM lab is unpacked from Debian packages, which needs ${missing.join(", ")}`;
}

/** Debian's own keys, which the package lists are checked against. */
export const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** Command line of a program of the host packages: run by the loader that was unpacked beside it. */
export function hostProgram(lab: Lab, path: string): { readonly file: string; readonly args: readonly string[] } {
  const libraries = join(lab.host, "usr/lib/x86_64-linux-gnu");
  return rooted(lab.host, libraries, join(lab.host, path));
}

/** Command line of a program of the guest packages, run on the host (by the setup alone). */
export function guestProgram(lab: Lab, path: string): { readonly file: string; readonly args: readonly string[] } {
  const libraries = join(lab.guest, "usr/lib/x86_64-linux-gnu");
  return rooted(lab.guest, libraries, join(lab.guest, path));
}

function rooted(root: string, libraries: string, program: string): { file: string; args: string[] } {
  return { file: join(root, "usr/lib64/ld-linux-x86-64.so.2"), args: ["--library-path", libraries, program] };
}
