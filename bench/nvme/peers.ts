/**
 * The same file by other means: Node's fs, and fio with io_uring where it is to be had.
 *
 * Invariant: a peer that cannot be measured is a row that says why; the file's contents and size stay the same.
 */
import { spawn } from "node:child_process";
import { closeSync, fstatSync, openSync, read, readSync, write, writeSync } from "node:fs";
import { fioCommand } from "../peers/fio/fio.ts";
import type { QueueCase } from "../lib/queue-load.ts";
import { unavailable, type CaseResult } from "../lib/report.ts";

const BLOCK = 4096;
const FIO_SECONDS = 2;
const FS_CHECKS =
  "Ownership of nothing: the system call, the file system, the page cache; no fault of it is contained.";
const FIO_CHECKS = "As Node's fs, without Node: one process of C, one ring in memory that it shares with the kernel.";

/** Node's fs on a file. At depth 1 synchronous calls, else calls with a callback, which libuv's threads make. */
export class FsPeer {
  readonly #fd: number;
  readonly #blocks: number;
  readonly #buffers: Buffer[];
  #state = 0x2545f491;
  #position = 0;

  constructor(path: string, depth: number) {
    this.#fd = openSync(path, "r+");
    this.#blocks = fstatSync(this.#fd).size / BLOCK;
    this.#buffers = Array.from({ length: depth }, () => Buffer.alloc(BLOCK));
  }

  #next(pattern: QueueCase["pattern"]): number {
    if (pattern === "seq") return (this.#position = (this.#position + 1) % this.#blocks) * BLOCK;
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x;
    return ((x >>> 0) % this.#blocks) * BLOCK;
  }

  /** One after the other. @throws Error of the system call */
  runSync({ operation, pattern }: QueueCase, count: number): void {
    const [fd, buffer] = [this.#fd, this.#buffers[0]!];
    if (operation === "read") for (; count > 0; count--) readSync(fd, buffer, 0, BLOCK, this.#next(pattern));
    else for (; count > 0; count--) writeSync(fd, buffer, 0, BLOCK, this.#next(pattern));
  }

  /** As many at a time as there are buffers. */
  run({ operation, pattern }: QueueCase, count: number): Promise<void> {
    const fd = this.#fd;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    let [begun, done] = [0, 0];
    const begin = (buffer: Buffer): void => {
      if (begun === count) return;
      begun++;
      const at = this.#next(pattern);
      const ended = (error: Error | null): void => {
        if (error !== null) reject(error);
        else if (++done === count) resolve();
        else begin(buffer);
      };
      if (operation === "read") read(fd, buffer, 0, BLOCK, at, ended);
      else write(fd, buffer, 0, BLOCK, at, ended);
    };
    this.#buffers.forEach(begin);
    return promise;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

export function fsChecks(): string {
  return FS_CHECKS;
}

interface FioJob {
  readonly usr_cpu: number;
  readonly sys_cpu: number;
  readonly read: { readonly iops: number };
  readonly write: { readonly iops: number };
}

/** Runs fio on the file for two seconds. */
export async function measureFio(name: string, c: QueueCase, path: string, clock: number): Promise<CaseResult> {
  const command = fioCommand();
  if ("absent" in command) return unavailable(name, command.absent, FIO_CHECKS);
  const rw = `${c.pattern === "rand" ? "rand" : ""}${c.operation}`;
  const args =
    `--name=peer --output-format=json --ioengine=io_uring --bs=4k --rw=${rw} --iodepth=${c.depth} ` +
    `--iodepth_batch=${c.batch} --invalidate=0 --time_based --runtime=${FIO_SECONDS} --ramp_time=1 --thread ` +
    "--norandommap";
  const { code, out, err } = await output([...command.argv, ...args.split(" "), `--filename=${path}`]);
  if (code !== 0) return unavailable(name, `fio failed: ${(err.trim() || out.trim()).split("\n").at(-1)}`, FIO_CHECKS);
  const job = (JSON.parse(out.slice(out.indexOf("{"))) as { jobs: FioJob[] }).jobs[0]!;
  const { iops } = job[c.operation];
  const cycles = ((job.usr_cpu + job.sys_cpu) / 100 / iops) * 1e9 * clock;
  return {
    case: name,
    unit: "IOPS",
    value: Math.round(iops),
    low: null,
    high: null,
    samples: 0,
    checks: FIO_CHECKS,
    note: `${FIO_SECONDS} s; about ${Math.round(cycles)} cycles of processor time for each, user and system`,
  };
}

function output(argv: readonly string[]): Promise<{ code: number | null; out: string; err: string }> {
  const { promise, resolve } = Promise.withResolvers<{ code: number | null; out: string; err: string }>();
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ["ignore", "pipe", "pipe"] });
  let [out, err] = ["", ""];
  child.stdout.on("data", (part) => (out += part));
  child.stderr.on("data", (part) => (err += part));
  child.once("error", (error) => resolve({ code: null, out, err: error.message }));
  child.once("close", (code) => resolve({ code, out, err }));
  return promise;
}
