/**
 * One user at a time for a file: a lock file beside it that names the process which has it.
 *
 * Two models on one file would each believe that they alone change it. A process that was killed leaves its lock
 * behind: the next one sees that it is dead and takes over. Invariant: a lock is taken by creating its file, which one
 * process alone can do; a process is told from a later one of the same number by when it started.
 */
import { closeSync, linkSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";

/** Tries when others take over the same lock of a dead process. */
const TRIES = 8;

/**
 * Takes the lock of a file.
 * @returns gives it back
 * @throws Error that names the file and the process that has it
 */
export function lockFile(path: string): () => void {
  const lock = `${path}.lock`;
  const own = identity(process.pid);
  for (let tries = 0; tries < TRIES; tries++) {
    if (take(lock, own)) return () => rmSync(lock, { force: true });
    const [pid = "", started = ""] = read(lock).split(" ");
    if (isAlive(Number(pid), started)) throw new Error(`${path}: process ${pid} uses it`);
    rmSync(lock, { force: true });
  }
  throw new Error(`${path}: its lock ${lock} cannot be had`);
}

/** The file appears with its contents at once, or is somebody else's. */
function take(lock: string, text: string): boolean {
  const aside = `${lock}.${process.pid}.${Math.trunc(performance.now() * 1000)}`;
  const fd = openSync(aside, "w");
  writeSync(fd, text);
  closeSync(fd);
  try {
    linkSync(aside, lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  } finally {
    rmSync(aside);
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // It was given back meanwhile.
    return "";
  }
}

function identity(pid: number): string {
  return `${pid} ${startOf(pid)}`;
}

/** When a process started, in the system's ticks (proc(5), field 22 of stat); "" where that is not to be had. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function isAlive(pid: number, started: string): boolean {
  if (!(pid > 0)) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ESRCH") return false;
  }
  return startOf(pid) === started;
}
