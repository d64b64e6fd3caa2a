/**
 * One user at a time for a file: a lock file beside it that names the process which has it.
 *
 * Two models on one file would each believe that they alone change it. A process that was killed leaves its lock
 * behind: the next one sees that it is dead and takes over. Invariant: a lock is taken by creating its file, which one
 * process alone can do, and that of a dead one is removed by one process at a time, which looks again first. A process
 * is told from a later one of the same number by when it started.
 */
import { closeSync, linkSync, mkdirSync, openSync, readFileSync, rmSync, statSync, writeSync } from "node:fs";
import { threadId } from "node:worker_threads";

/** Tries when others take over the same lock of a dead process. */
const TRIES = 500;
/** Nobody takes so long to remove a lock, in ms. */
const TURN_MS = 1000;

/** Somebody else has the file. */
export class FileInUse extends Error {
  readonly pid: number;
  constructor(message: string, pid: number) {
    super(message);
    this.pid = pid;
  }
}

/**
 * Takes the lock of a file.
 * @returns gives it back
 * @throws FileInUse, which names the file and the process that has it
 */
export function lockFile(path: string): () => void {
  const lock = `${path}.lock`;
  const own = identity(process.pid);
  for (let tries = 0; tries < TRIES; tries++) {
    if (take(lock, own)) return () => rmSync(lock, { force: true });
    const text = read(lock);
    const [pid = "", started = ""] = text.split(" ");
    if (isAlive(Number(pid), started)) throw new FileInUse(`${path}: process ${pid} uses it`, Number(pid));
    remove(lock, text);
  }
  throw new Error(`${path}: its lock ${lock} cannot be had`);
}

/** Removes a lock whose text is known to be a dead process's, if it is that one still. */
function remove(lock: string, text: string): void {
  const turn = `${lock}.turn`;
  try {
    mkdirSync(turn);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    // Whoever has it is done at once, or was killed.
    const since = statSync(turn, { throwIfNoEntry: false })?.mtimeMs ?? Infinity;
    if (Date.now() - since > TURN_MS) rmSync(turn, { recursive: true, force: true });
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    return;
  }
  try {
    if (read(lock) === text) rmSync(lock, { force: true });
  } finally {
    rmSync(turn, { recursive: true, force: true });
  }
}

/** The file appears with its contents at once, or is somebody else's. */
function take(lock: string, text: string): boolean {
  const aside = `${lock}.${process.pid}.${Math.trunc(performance.now() * 1000)}.${threadId}`;
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
