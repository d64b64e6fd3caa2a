/**
 * Where a running system listens: one Unix socket for each, named after it, in a folder that clients look through.
 *
 * Invariant: no path is longer than what the platforms take for a socket; only the user who runs the system connects.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";

const ENDING = ".sock";
const NAME = /^[a-z][a-z0-9-]{0,31}$/;
/** Linux takes 107 bytes, macOS 103. */
const MAX_PATH = 100;
const LONGEST_NAME = 32;

/** What went wrong between a system and those who control it, for people. */
export class ControlError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ControlError";
  }
}

/**
 * The folder itself, or, when paths in it would be too long, one of this user's in the temporary directory.
 * @throws ControlError when that is somebody else's
 */
function folder(dir: string): string {
  if (Buffer.byteLength(join(dir, "x".repeat(LONGEST_NAME) + ENDING)) <= MAX_PATH) {
    mkdirSync(dir, { recursive: true });
    return dir;
  }
  const hash = createHash("sha256").update(dir).digest("hex").slice(0, 16);
  const { uid } = userInfo();
  const short = join(tmpdir(), `samara-${uid}-${hash}`);
  mkdirSync(short, { recursive: true, mode: 0o700 });
  const { uid: owner, mode } = lstatSync(short);
  if (owner !== uid || (mode & 0o077) !== 0) throw new ControlError(`${short} is not this user's alone; remove it`);
  return short;
}

/** @throws ControlError when the name cannot be one */
export function socketPath(dir: string, name: string): string {
  if (!NAME.test(name))
    throw new ControlError(`"${name}" is no name of a system: write up to 32 lower-case letters, digits and "-"`);
  return join(folder(dir), name + ENDING);
}

/**
 * A connection, or null when nobody listens there.
 * @throws ControlError when somebody may, and cannot be reached
 */
export function open(path: string): Promise<Socket | null> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    const failed = (error: NodeJS.ErrnoException): void => {
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve(null);
      else reject(new ControlError(`cannot connect to ${path}: ${error.message}`));
    };
    socket.once("error", failed);
    socket.once("connect", () => {
      socket.off("error", failed);
      resolve(socket);
    });
  });
}

/** Whether somebody listens there, or may, and is too busy now. */
export async function answers(path: string): Promise<boolean> {
  try {
    const socket = await open(path);
    socket?.destroy();
    return socket !== null;
  } catch {
    return true;
  }
}

/** How long taking a name may take: who holds it for longer was killed. */
const LOCK_MS = 5000;

/**
 * Runs `use` while no other process does so for the same path.
 * @throws ControlError when the others take too long
 */
export async function alone<T>(path: string, use: () => Promise<T>): Promise<T> {
  const lock = `${path}.lock`;
  const end = Date.now() + 2 * LOCK_MS;
  while (!take(lock)) {
    if (Date.now() > end) throw new ControlError(`${lock} is in the way; remove it`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  try {
    return await use();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/** A folder, because making one succeeds for one process only. */
function take(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
  if (since !== undefined && Date.now() - since > LOCK_MS) rmSync(lock, { recursive: true, force: true });
  return false;
}

/** Names of the systems that answer, in alphabetical order. */
export async function listRunning(dir: string): Promise<string[]> {
  const names = readdirSync(folder(dir))
    .filter((file) => file.endsWith(ENDING))
    .map((file) => file.slice(0, -ENDING.length))
    .filter((name) => NAME.test(name));
  const running: string[] = [];
  for (const name of names.toSorted()) {
    if (await answers(socketPath(dir, name))) running.push(name);
  }
  return running;
}
