/**
 * The host that PCI commands look at and change: its /sys, /proc, /dev, environment and programs.
 *
 * Invariant: tools/pci reaches the host through this file alone, so that a copy of another machine's tree (`--root`,
 * and the tests) is all that it sees or writes then. Paths are the host's own (`/sys/…`) everywhere else.
 */
import { spawnSync } from "node:child_process";
import { closeSync, constants, fstatSync, openSync, readFileSync, readSync, readdirSync, realpathSync } from "node:fs";
import { accessSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

/** A failure that is for people: no stack. */
export class PciError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "PciError";
  }
}

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
}

/** `none`: there is no such file; `busy`: somebody has it for himself alone. */
export type Claim = "free" | "busy" | "none" | "denied";

export class Machine {
  readonly root: string;
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;

  /**
   * @param root folder that stands for `/`
   * @param env of the person's process
   */
  constructor(root = "/", env: NodeJS.ProcessEnv = process.env, pid = process.pid) {
    this.root = root === "/" ? "/" : realpathSync(root);
    this.env = env;
    this.pid = pid;
  }

  /** Where a path of the host is for this process. */
  path(path: string): string {
    return this.root === "/" ? path : join(this.root, path);
  }

  /** A small text file without its last newline, or null when it is not there or not for us. */
  read(path: string): string | null {
    try {
      return readFileSync(this.path(path), "utf8").replace(/\n$/, "");
    } catch {
      return null;
    }
  }

  /** Names in a folder, sorted; none when there is no such folder. */
  list(path: string): string[] {
    try {
      return readdirSync(this.path(path)).toSorted();
    } catch {
      return [];
    }
  }

  exists(path: string): boolean {
    return statSync(this.path(path), { throwIfNoEntry: false }) !== undefined;
  }

  /** Where a path leads through all symbolic links, as a path of the host; null when it leads nowhere. */
  real(path: string): string | null {
    try {
      const real = realpathSync(this.path(path));
      if (this.root === "/") return real;
      return real === this.root ? "/" : real.startsWith(`${this.root}/`) ? real.slice(this.root.length) : null;
    } catch {
      return null;
    }
  }

  /** Whether this process may read and write a file. */
  usable(path: string): boolean {
    try {
      accessSync(this.path(path), constants.R_OK | constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Reads a part of a file or block device; up to its end, when that comes first.
   * @param size of the whole, in bytes
   * @throws PciError naming the file, also when it is shorter than that
   */
  bytes(path: string, offset: number, length: number, size: number): Uint8Array {
    const buffer = new Uint8Array(Math.max(0, Math.min(length, size - offset)));
    let got = 0;
    try {
      const file = openSync(this.path(path), "r");
      try {
        for (let n = -1; n !== 0 && got < buffer.length; got += n)
          n = readSync(file, buffer, got, buffer.length - got, offset + got);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw new PciError(`${path} cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
    if (got < buffer.length) throw new PciError(`${path} cannot be read: it ends early`);
    return buffer;
  }

  /** Size of a regular file; block devices say 0. */
  sizeOf(path: string): number {
    return statSync(this.path(path), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Asks the kernel for a block device alone, and lets it go: refused when it is mounted anywhere, swap, md, dm … */
  claim(path: string): Claim {
    try {
      const file = openSync(this.path(path), constants.O_RDONLY | constants.O_EXCL | constants.O_NONBLOCK);
      fstatSync(file);
      closeSync(file);
      return "free";
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return code === "EBUSY" ? "busy" : code === "ENOENT" || code === "ENXIO" ? "none" : "denied";
    }
  }

  /**
   * One write to a file of /sys, which must be there.
   * @throws PciError with the path and the kernel's reason
   */
  write(path: string, text: string): void {
    try {
      const file = openSync(this.path(path), constants.O_WRONLY | constants.O_TRUNC);
      try {
        writeSync(file, `${text}\n`);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      const { code = "error" } = error as NodeJS.ErrnoException;
      const hint = code === "EACCES" || code === "EPERM" ? " (only root may)" : "";
      throw new PciError(`writing "${text}" to ${path}: ${code}${hint}`);
    }
  }

  /** Runs a program of the host; null when there is none of this name. Arguments that are paths go through `path`. */
  run(program: string, args: readonly string[]): Outcome | null {
    const path = `${this.env.PATH ?? ""}:/usr/sbin:/sbin`;
    const { status, stdout, error } = spawnSync(program, args, {
      encoding: "utf8",
      env: { ...this.env, PATH: path, LC_ALL: "C" },
      timeout: 20_000,
    });
    if ((error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") return null;
    return { code: status, out: stdout ?? "" };
  }
}

/** Last part of the real path of a link, such as a driver's name; null when there is no link. */
export function linkName(machine: Machine, path: string): string | null {
  const real = machine.real(path);
  return real === null ? null : real.slice(dirname(real).length).replace(/^\//, "");
}
