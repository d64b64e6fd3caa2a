/**
 * Programs that a test talks to: what they print is waited for, in order, and lines are typed.
 *
 * Invariant: output is looked at once; a text that does not come ends the test with all that came instead.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";

const PATIENCE_MS = 45_000;

export class Conversation {
  readonly child: ChildProcess;
  /** Everything printed so far, on both streams. */
  output = "";
  #seen = 0;
  readonly #exit: Promise<number | null>;
  #ended = false;

  /** @param group whether it leads a process group of its own, so that `interrupt` reaches what it started */
  constructor(
    program: string,
    args: readonly string[],
    cwd: string,
    env: NodeJS.ProcessEnv = process.env,
    group = false,
  ) {
    this.child = spawn(program, args, { cwd, env: { ...env, NO_COLOR: "1" }, detached: group });
    for (const stream of [this.child.stdout!, this.child.stderr!])
      stream.on("data", (chunk: Buffer) => (this.output += chunk.toString()));
    // It may have ended while something is being said to it.
    this.child.stdin!.on("error", () => {});
    this.#exit = new Promise((resolve) =>
      this.child.on("close", (code) => {
        this.#ended = true;
        resolve(code);
      }),
    );
  }

  /** What was printed since the last text that was waited for. */
  get rest(): string {
    return this.output.slice(this.#seen);
  }

  /** Waits for a text behind the last one. @returns its match */
  async expect(pattern: RegExp | string): Promise<RegExpExecArray> {
    const wanted = typeof pattern === "string" ? new RegExp(RegExp.escape(pattern)) : pattern;
    for (const started = performance.now(); ; await sleep(10)) {
      const match = wanted.exec(this.rest);
      if (match !== null) {
        this.#seen += match.index + match[0].length;
        return match;
      }
      if (!this.#ended && performance.now() - started < PATIENCE_MS) continue;
      throw new Error(`${this.#ended ? "it ended" : "it does not come"}: ${wanted}, after:\n${this.rest}`);
    }
  }

  say(line: string): void {
    this.child.stdin!.write(`${line}\n`);
  }

  exit(): Promise<number | null> {
    return this.#exit;
  }

  /** Ctrl-C, for the whole group. */
  interrupt(): Promise<number | null> {
    try {
      if (!this.#ended) process.kill(-this.child.pid!, "SIGINT");
    } catch (error) {
      // It has ended just now, and we have not heard of it yet.
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    return this.#exit;
  }

  kill(): Promise<number | null> {
    this.child.kill("SIGKILL");
    return this.#exit;
  }
}

/** Runs the CLI of a tree. */
export function samara(root: string, ...args: string[]): Conversation {
  const node = ["--disable-warning=ExperimentalWarning", "tools/samara.ts"];
  return new Conversation(process.execPath, [...node, ...args], root);
}
