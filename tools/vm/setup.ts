/**
 * `node tools/vm/setup.ts`: fetches and unpacks what the VM lab needs, once; about 140 MB to fetch, 450 MB unpacked.
 *
 * Nothing is installed and no root is needed. Invariants: two that run at once do not meet (a lock); the stamp is
 * written last, so what was cut off is taken up again; a lab that is there costs one read.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { FileInUse, lockFile } from "#drivers/models/file-lock.ts";
import { writeWhole } from "../lib/files.ts";
import { PrivateApt, mirror, unpack } from "./apt.ts";
import { uncompressedKernel } from "./kernel.ts";
import type { Lab } from "./lab.ts";
import { CONTENTS, GUEST_PACKAGES, HOST_PACKAGES, LabError, guestProgram, isReady, labPaths, obstacle } from "./lab.ts";

/** Where the guest sees the repository, and the folder that it shares with who started it. */
const MOUNT_POINTS = ["proc", "sys", "dev", "run", "tmp", "mnt", "samara", "lab", "code"];
/** The kernel starts this; everything that changes with the repository is in the repository's own init. */
const INIT = `#!/usr/bin/busybox sh
/usr/bin/busybox mount -t virtiofs -o ro samara /samara && exec /usr/bin/busybox sh /samara/tools/vm/guest/init.sh
`;
const POLL_MS = 200;

/** An empty tree with merged /usr. */
function newTree(root: string): void {
  rmSync(root, { recursive: true, force: true });
  for (const name of ["bin", "sbin", "lib", "lib64"]) {
    mkdirSync(join(root, "usr", name), { recursive: true });
    symlinkSync(`usr/${name}`, join(root, name));
  }
}

/** Runs a step that has to succeed. @returns what it printed. */
function step(name: string, file: string, args: readonly string[]): string {
  const run = spawnSync(file, args, { encoding: "utf8" });
  if (run.status !== 0) throw new LabError(`VM lab: ${name} failed: ${run.error?.message ?? run.stderr.trim()}`);
  return run.stdout;
}

/** Gives the guest each program of busybox that it has no better one for; its shell is bash. */
function linkPrograms(lab: Lab): void {
  const there = (name: string): boolean => ["bin", "sbin"].some((dir) => existsSync(join(lab.guest, "usr", dir, name)));
  symlinkSync("bash", join(lab.guest, "usr/bin/sh"));
  const applets = step("busybox", join(lab.guest, "usr/bin/busybox"), ["--list"]).trim().split("\n");
  for (const name of applets) if (!there(name)) symlinkSync("busybox", join(lab.guest, "usr/bin", name));
}

/** What Debian's installer would have done in the guest's tree. */
function finishGuest(lab: Lab): void {
  for (const name of MOUNT_POINTS) mkdirSync(join(lab.guest, name), { recursive: true });
  rmSync(join(lab.guest, "etc/mtab"), { force: true });
  symlinkSync("/proc/self/mounts", join(lab.guest, "etc/mtab"));
  writeFileSync(join(lab.guest, "init"), INIT, { mode: 0o755 });
  writeFileSync(join(lab.guest, "etc/passwd"), "root:x:0:0:root:/run:/bin/sh\n");
  writeFileSync(join(lab.guest, "etc/group"), "root:x:0:\ndisk:x:6:\n");
  const [version] = readdirSync(join(lab.guest, "usr/lib/modules"));
  const depmod = guestProgram(lab, "usr/bin/kmod");
  // kmod is many programs, and goes by its name: the loader can be told another one.
  step("depmod", depmod.file, ["--argv0", "depmod", ...depmod.args, "-b", lab.guest, version!]);
  linkPrograms(lab);
}

async function make(lab: Lab, say: (line: string) => void): Promise<void> {
  const debs = join(lab.dir, "apt");
  const apt = new PrivateApt(debs, mirror());
  say("fetching Debian's package lists …");
  apt.update();
  say("fetching QEMU …");
  const host = apt.download("host", HOST_PACKAGES, true);
  say("fetching the guest's kernel and programs …");
  const guest = apt.download("guest", GUEST_PACKAGES, false);
  say(`unpacking ${host.length + guest.length} packages to ${lab.dir} …`);
  for (const [root, packages] of [
    [lab.host, host],
    [lab.guest, guest],
  ] as const) {
    newTree(root);
    unpack(packages, root);
  }
  finishGuest(lab);
  const boot = join(lab.guest, "boot");
  const image = readdirSync(boot).find((name) => name.startsWith("vmlinuz-"));
  if (image === undefined) throw new LabError("VM lab: the kernel package has no boot/vmlinuz-*");
  mkdirSync(lab.code, { recursive: true });
  writeFileSync(`${lab.kernel}.new`, await uncompressedKernel(readFileSync(join(boot, image))));
  renameSync(`${lab.kernel}.new`, lab.kernel);
  writeWhole(lab.stamp, CONTENTS);
  rmSync(debs, { recursive: true, force: true });
}

/** Waits until nobody else makes this lab. @returns how to let the next one in. */
async function lock(lab: Lab, say: (line: string) => void): Promise<() => void> {
  for (let told = false; ; told = true) {
    try {
      return lockFile(join(lab.dir, "lab"));
    } catch (error) {
      if (!(error instanceof FileInUse)) throw error;
      if (!told) say(`process ${error.pid} is at it already: waiting …`);
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * Sees to it that the lab is there.
 * @param say gets lines of progress, none when nothing has to be done.
 * @throws LabError that says what is missing, or what failed and how.
 */
export async function setup(say: (line: string) => void, lab: Lab = labPaths()): Promise<Lab> {
  const why = obstacle(lab);
  if (why !== null) throw new LabError(why);
  if (isReady(lab)) return lab;
  try {
    mkdirSync(lab.dir, { recursive: true });
  } catch (error) {
    throw new LabError(`VM lab: cannot make its folder: ${(error as Error).message}; SAMARA_VM_CACHE names another`);
  }
  const unlock = await lock(lab, say);
  try {
    if (!isReady(lab)) await make(lab, say);
  } finally {
    unlock();
  }
  return lab;
}

if (import.meta.main) {
  try {
    const lab = await setup((line) => process.stdout.write(`${line}\n`));
    process.stdout.write(`the VM lab is in ${lab.dir}\n`);
  } catch (error) {
    if (!(error instanceof LabError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
