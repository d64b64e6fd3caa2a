/**
 * A round trip to another process through two pipes: one byte there, one byte back.
 *
 * The other side is `cat`, the least that can answer, so that the figure is that of the pipes and of the switches.
 * Invariant: reads and writes block; there is no event loop in the path.
 */
import { spawn, spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loopSubject, type Subject } from "../../lib/sample.ts";
import type { Mechanism } from "../mechanism.ts";

/** A pipe with blocking ends. Node makes only sockets, so it is a named one whose name is gone at once. */
function makePipe(folder: string, name: string): { read: number; write: number } {
  const path = join(folder, name);
  const made = spawnSync("mkfifo", [path], { encoding: "utf8" });
  if (made.status !== 0) throw new Error(`mkfifo failed: ${made.stderr}`);
  // Opening one end alone would wait for the other: hold both for a moment.
  const both = openSync(path, "r+");
  const read = openSync(path, "r");
  const write = openSync(path, "w");
  closeSync(both);
  return { read, write };
}

/** `cat` with a pipe to it and one from it; this side keeps the other two ends. */
function startEcho(): { read: number; write: number; end(): void } {
  const folder = mkdtempSync(join(tmpdir(), "samara-bench-"));
  try {
    const there = makePipe(folder, "there");
    const back = makePipe(folder, "back");
    const child = spawn("cat", { stdio: [there.read, back.write, "inherit"] });
    closeSync(there.read);
    closeSync(back.write);
    const end = (): void => {
      closeSync(there.write);
      closeSync(back.read);
      child.kill();
    };
    return { read: back.read, write: there.write, end };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function echoSubject(name: string, size: number): Subject {
  const { read, write, end } = startEcho();
  const message = new Uint8Array(size).fill(1);
  const answer = new Uint8Array(size);
  const run = (n: number): void => {
    for (let i = 0; i < n; i++) {
      writeSync(write, message);
      for (let got = 0; got < size;) {
        const more = readSync(read, answer, 0, size - got, null);
        if (more === 0) throw new Error("the other process has ended");
        got += more;
      }
    }
  };
  return { ...loopSubject(name, run, null, { atLeast: 32 }), close: end };
}

export const mechanism: Mechanism = {
  name: "process",
  cases: ["peer-process", "peer-process-bytes64"],
  order: 71,
  checks:
    "Separate address spaces and rights; the kernel copies, and says when the other side has ended. Not checked: " +
    "what the bytes mean, ownership (there is none), time.",
  async available() {
    if (process.platform === "win32") return "needs named pipes that a file can be opened on";
    return spawnSync("mkfifo", ["--version"]).error === undefined ? null : "mkfifo is not installed";
  },
  async measure(context) {
    const note = "`cat` echoes through two pipes with blocking reads: the system switches processes twice";
    for (const [name, size] of [
      ["peer-process", 1],
      ["peer-process-bytes64", 64],
    ] as const)
      if (context.wants(name)) context.subject(echoSubject(name, size), { note: `${note}; ${size} bytes` });
  },
};
