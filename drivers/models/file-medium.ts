/**
 * A storage model's data in a file, so that they survive a restart of the system.
 *
 * Invariant: after `sync` the operating system has the data on its own medium (fdatasync), so that neither the end of
 * this process nor a power cut of the machine loses them.
 */
import {
  closeSync,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { lockFile } from "./file-lock.ts";
import type { Medium } from "./medium.ts";

export class FileMedium implements Medium {
  readonly bytes: number;
  readonly #fd: number;
  readonly #unlock: () => void;

  /**
   * Opens `path`, or makes it and its folder. No other process, nor another model of this one, may use it.
   * @param bytes the size; 0: what the file has, or `otherwise` for a new one
   * @param multiple the size must be a multiple of so many bytes
   * @throws Error that names the file and the cause
   */
  constructor(path: string, bytes: number, otherwise: number, multiple: number) {
    makeFolder(dirname(path));
    this.#unlock = locked(path);
    try {
      this.#fd = open(path);
    } catch (error) {
      this.#unlock();
      throw error;
    }
    try {
      this.bytes = size(this.#fd, path, bytes, otherwise, multiple);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  read(offset: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const n = readSync(this.#fd, into, done, into.length - done, offset + done);
      if (n === 0) throw new Error(`the file ends at ${offset + done}, before byte ${offset + into.length}`);
      done += n;
    }
  }

  write(offset: number, from: Uint8Array): void {
    let done = 0;
    while (done < from.length) {
      const n = writeSync(this.#fd, from, done, from.length - done, offset + done);
      if (n === 0) throw new Error(`the file takes nothing at ${offset + done}`);
      done += n;
    }
  }

  sync(): void {
    fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
    this.#unlock();
  }
}

function makeFolder(path: string): void {
  try {
    mkdirSync(path, { recursive: true });
  } catch (error) {
    throw named(path, error);
  }
}

function locked(path: string): () => void {
  try {
    return lockFile(path);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === undefined ? error : named(path, error);
  }
}

function open(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw named(path, error);
  }
  try {
    const fd = openSync(path, "wx+");
    syncFolder(dirname(path));
    return fd;
  } catch (error) {
    throw named(path, error);
  }
}

/** A new file's name is lasting once its folder is. */
function syncFolder(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function size(fd: number, path: string, bytes: number, otherwise: number, multiple: number): number {
  const stat = fstatSync(fd);
  if (!stat.isFile()) throw new Error(`${path}: is no file; a real device is driven through vfio`);
  if (stat.size === 0) {
    const wanted = bytes === 0 ? otherwise : bytes;
    try {
      ftruncateSync(fd, wanted);
      fsyncSync(fd);
    } catch (error) {
      throw named(path, error);
    }
    return wanted;
  }
  if (bytes !== 0 && stat.size !== bytes)
    throw new Error(`${path}: has ${stat.size} bytes, and ${bytes} are asked for`);
  if (stat.size % multiple !== 0) throw new Error(`${path}: ${stat.size} bytes are no multiple of ${multiple}`);
  return stat.size;
}

function named(path: string, error: unknown): Error {
  return new Error(`${path}: ${(error as Error).message}`, { cause: error });
}
