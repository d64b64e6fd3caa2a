/**
 * Two components, composed and called inside Wasmtime by the Rust program in bench/peers/wasmtime.
 *
 * Invariant: the loop, the clock and the time are all taken inside that program; this side asks for one sample at a
 * time, so that the peer is interleaved with everything else.
 */
import { spawn, spawnSync, type ChildProcessByStdio } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { BENCH, buildFolder } from "../../lib/paths.ts";
import type { Sample, Subject } from "../../lib/sample.ts";
import { writeForOthers } from "../components.ts";
import type { Mechanism } from "../mechanism.ts";

const FOLDER = join(BENCH, "peers", "wasmtime");
const CASES = [
  { name: "peer-wasmtime", engine: "inlined", what: "null", bytes: 0 },
  { name: "peer-wasmtime-bytes64", engine: "inlined", what: "bytes", bytes: 64 },
  { name: "peer-wasmtime-called", engine: "called", what: "null", bytes: 0 },
  { name: "peer-wasmtime-called-bytes64", engine: "called", what: "bytes", bytes: 64 },
] as const;

/** The Rust program, one question and one answer at a time. */
class Peer {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;
  #users = 0;

  constructor(program: string) {
    const { composed, chain, chainLength } = writeForOthers();
    this.#child = spawn(program, [composed, chain, `${chainLength}`], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  /** The next line, as JSON. Throws when the program has ended. */
  async read(): Promise<unknown> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error("the Wasmtime program ended; what it said stands above");
    return JSON.parse(value as string);
  }

  async ask(engine: string, what: string, n: number, bytes: number): Promise<Sample> {
    this.#child.stdin.write(`${engine} ${what} ${n} ${bytes}\n`);
    return (await this.read()) as Sample;
  }

  retain(): void {
    this.#users++;
  }

  /** The last user's release ends the program. */
  release(): void {
    if (--this.#users === 0) this.#child.stdin.end();
  }
}

function subject(peer: Peer, { name, engine, what, bytes }: (typeof CASES)[number]): Subject {
  let count = 1000;
  peer.retain();
  return {
    name,
    async warm() {
      // Compiled ahead of time: no tiers to wait for, only caches and the number of turns for about 0.3 ms.
      for (let i = 0; i < 5; i++) {
        const { ns } = await peer.ask(engine, what, count, bytes);
        count = Math.min(1_000_000, Math.max(10, Math.round(300_000 / ns)));
      }
    },
    sample: () => peer.ask(engine, what, count, bytes),
    close: () => peer.release(),
  };
}

let program: string | undefined;

export const mechanism: Mechanism = {
  name: "wasmtime",
  cases: CASES.map(({ name }) => name),
  order: 61,
  checks:
    "Separate memories; whether the caller may be left; lists and strings are bounds-checked and copied. Not " +
    "checked: whether the callee is alive, ownership of anything, time. A trap in the callee ends the caller too: " +
    "nothing is " +
    "contained inside a composed component.",
  async available() {
    const target = buildFolder("wasmtime");
    const version = spawnSync("cargo", ["--version"], { encoding: "utf8" });
    if (version.status !== 0) return "cargo (Rust 1.95 or later) is not installed";
    const built = join(target, "release", "samara-peer-wasmtime");
    if (!existsSync(built)) process.stderr.write("bench: building the Wasmtime peer (some minutes, once) …\n");
    const build = spawnSync("cargo", ["build", "--release", "--locked", "--quiet", "--target-dir", target], {
      cwd: FOLDER,
      encoding: "utf8",
    });
    if (build.status !== 0) return `cargo build failed: ${build.stderr.trim().split("\n").slice(-3).join(" ")}`;
    program = built;
    return null;
  },
  async measure(context) {
    const peer = new Peer(program!);
    const { version, options } = (await peer.read()) as { version: string; options: string };
    for (const c of CASES) {
      if (!context.wants(c.name)) continue;
      const inlining =
        c.engine === "inlined"
          ? "inlining across components on: the callee may be compiled into the caller, and then no call is left"
          : "inlining off (the default), so that a call is a call, as between separately compiled components";
      context.subject(subject(peer, c), { note: `Wasmtime ${version}: ${options}; ${inlining}` });
    }
  },
};
