/**
 * A running guest: boots it, runs commands in it, and ends it.
 *
 * The host talks to tools/vm/guest/init.sh over a virtio port: a line with a job's number starts `NUMBER.sh` of the
 * shared folder, a line with number and status comes back. Invariants: whatever happens, close, an exception, Ctrl-C or
 * kill -9, no process is left; every wait ends by a time limit, with the guest's last words in the error.
 */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import type { Server, Socket } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { ROOT } from "../lib/paths.ts";
import type { GuestDevice } from "./devices.ts";
import type { Lab } from "./lab.ts";
import { LabError } from "./lab.ts";
import type { Share } from "./qemu.ts";
import { qemu, virtiofsd } from "./qemu.ts";

export interface GuestOptions {
  readonly devices?: readonly GuestDevice[];
  /** Default 1: emulating more costs more than they bring. */
  readonly processors?: number;
  readonly memoryMiB?: number;
  /** Ends the boot. */
  readonly bootMs?: number;
}

/** What became of a command in the guest. */
export interface Outcome {
  /** As a shell gives it: 128 + N for signal N. */
  readonly status: number;
  /** Standard output and standard error, as they came. */
  readonly output: string;
}

/** Generous: the machine may be shared by others, and all of the guest is emulated. */
const BOOT_MS = 120_000;
const RUN_MS = 120_000;
const OFF_MS = 5_000;
const POLL_MS = 50;
/** Lines of the guest's console in an error. */
const LAST_LINES = 30;
const PREFIX = "samara-vm-";

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Removes what killed processes left. */
function sweep(): void {
  for (const name of readdirSync(tmpdir())) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-")[0]) : 0;
    if (pid > 0 && !existsSync(`/proc/${pid}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

interface Job {
  readonly settled: Promise<number>;
  settle(status: number): void;
  fail(error: Error): void;
}

/** A command that runs in the guest. */
export class GuestJob {
  readonly #guest: Guest;
  readonly #number: number;
  readonly #job: Job;

  constructor(guest: Guest, number: number, job: Job) {
    this.#guest = guest;
    this.#number = number;
    this.#job = job;
  }

  /** What it has printed up to now. */
  output(): string {
    const path = join(this.#guest.shared, `${this.#number}.out`);
    return existsSync(path) ? readFileSync(path, "utf8") : "";
  }

  /** Waits until it has ended. @throws LabError after `ms`, or when the guest ends. */
  async ended(ms = RUN_MS): Promise<Outcome> {
    const late = (): string => `still running after ${ms / 1000} s; it printed:\n${this.output()}`;
    const status = await this.#guest.limited(this.#job.settled, ms, late);
    return { status, output: this.output() };
  }

  /** Waits until it has printed what `pattern` matches. */
  async printed(pattern: RegExp, ms = RUN_MS): Promise<RegExpMatchArray> {
    let over = false;
    const finished = (): void => void (over = true);
    this.#job.settled.then(finished, finished);
    for (const end = Date.now() + ms; ;) {
      const last = over;
      const found = pattern.exec(this.output());
      if (found !== null) return found;
      if (last || Date.now() > end)
        throw new LabError(`VM lab: ${last ? "ended" : "ran on"} without printing ${pattern}:\n${this.output()}`);
      await wait(POLL_MS);
    }
  }
}

export class Guest {
  /** A folder that host and guest share; the guest sees it as /lab. */
  readonly shared: string;
  readonly #dir: string;
  readonly #server: Server;
  readonly #machine: ChildProcess;
  readonly #helpers: readonly ChildProcess[];
  readonly #exited: Promise<void>;
  readonly #jobs = new Map<number, Job>();
  #agent: Socket | null = null;
  #console = "";
  #said = "";
  #next = 1;
  #over = false;
  readonly #onExit = (): void => this.#kill();

  private constructor(lab: Lab, dir: string, server: Server, options: GuestOptions) {
    this.#dir = dir;
    this.#server = server;
    this.shared = join(dir, "lab");
    const shares: Share[] = [
      { tag: "root", dir: lab.guest, writable: false, socket: join(dir, "root.sock") },
      { tag: "samara", dir: ROOT, writable: false, socket: join(dir, "samara.sock") },
      { tag: "lab", dir: this.shared, writable: true, socket: join(dir, "lab.sock") },
      { tag: "code", dir: lab.code, writable: true, socket: join(dir, "code.sock") },
    ];
    this.#helpers = shares.map((share) => this.#start(virtiofsd(lab, share)));
    const { devices = [], processors = 1, memoryMiB = 1024 } = options;
    const accelerator = process.env.SAMARA_VM_ACCEL ?? "tcg";
    const agent = join(dir, "agent.sock");
    this.#machine = this.#start(qemu(lab, { processors, memoryMiB, devices, shares, agent, accelerator }));
    this.#machine.stdout!.setEncoding("latin1").on("data", (text: string) => (this.#console += text));
    this.#exited = new Promise((resolve) => this.#machine.once("close", () => resolve()));
    void this.#exited.then(() => this.#end());
    process.once("exit", this.#onExit);
  }

  /** Boots a guest. @throws LabError with what QEMU and the kernel said. */
  static async boot(lab: Lab, options: GuestOptions = {}): Promise<Guest> {
    sweep();
    const dir = mkdtempSync(join(tmpdir(), `${PREFIX}${process.pid}-`));
    mkdirSync(join(dir, "lab"));
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(join(dir, "agent.sock"), resolve));
    const guest = new Guest(lab, dir, server, options);
    try {
      await guest.#ready(options.bootMs ?? BOOT_MS);
    } catch (error) {
      await guest.close();
      throw error;
    }
    return guest;
  }

  #start(program: { file: string; args: readonly string[] }): ChildProcess {
    const child = spawn(program.file, program.args, { stdio: ["ignore", "pipe", "pipe"] });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.#said += text));
    child.on("error", (error) => (this.#said += `${error.message}\n`));
    return child;
  }

  async #ready(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.once("connection", (socket) => {
      this.#agent = socket;
      socket.on("error", () => {});
      createInterface({ input: socket, crlfDelay: Infinity }).on("line", (line) => {
        if (line === "ready") resolve();
        else this.#finished(line);
      });
    });
    await this.limited(promise, ms, () => `not up after ${ms / 1000} s`);
  }

  /** A line of the agent: number and status. */
  #finished(line: string): void {
    const [number, status] = line.split(" ").map(Number);
    this.#jobs.get(number!)?.settle(status!);
    this.#jobs.delete(number!);
  }

  /** Waits for `what`, but not longer than `ms`, nor than the guest lives. */
  async limited<T>(what: Promise<T>, ms: number, late: () => string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(this.#error(late())), ms);
    });
    const gone = this.#exited.then(() => Promise.reject(this.#error("QEMU ended")));
    try {
      return await Promise.race([what, limit, gone]);
    } finally {
      clearTimeout(timer);
    }
  }

  #error(what: string): LabError {
    const lines = this.consoleText().trimEnd().split("\n").slice(-LAST_LINES).join("\n");
    const said = this.#said === "" ? "" : `\nQEMU and virtiofsd said:\n${this.#said.trimEnd()}`;
    return new LabError(`VM lab: ${what}${said}\nThe guest's console ended with:\n${lines}`);
  }

  /** All that the kernel has printed on the console; at `quiet` only what is grave. */
  consoleText(): string {
    return this.#console.replaceAll("\r", "");
  }

  /**
   * Starts a command.
   * @param script for the guest's shell, in the root of the repository; Node is `node`, the programs are Debian's.
   */
  start(script: string): GuestJob {
    const number = this.#next++;
    const { promise: settled, resolve: settle, reject: fail } = Promise.withResolvers<number>();
    settled.catch(() => {});
    const job = { settled, settle, fail };
    if (this.#over) fail(this.#error("the guest has ended"));
    else {
      this.#jobs.set(number, job);
      writeFileSync(join(this.shared, `${number}.sh`), `PATH=/samara/node_modules/.bin:$PATH\n${script}\n`);
      this.#agent!.write(`${number}\n`);
    }
    return new GuestJob(this, number, job);
  }

  /** Runs a command to its end, whatever its status is. */
  run(script: string, ms = RUN_MS): Promise<Outcome> {
    return this.start(script).ended(ms);
  }

  /** Runs a command that has to succeed. @returns what it printed. @throws LabError with that, when it fails. */
  async must(script: string, ms = RUN_MS): Promise<string> {
    const { status, output } = await this.run(`set -e\n${script}`, ms);
    if (status !== 0) throw new LabError(`VM lab: status ${status} from\n${script}\nIt printed:\n${output}`);
    return output;
  }

  #kill(): void {
    for (const child of [this.#machine, ...this.#helpers]) child.kill("SIGKILL");
  }

  #end(): void {
    this.#over = true;
    for (const job of this.#jobs.values()) job.fail(this.#error("the guest ended"));
    this.#jobs.clear();
  }

  /** Turns the guest off, in order when it still answers, and removes what it used. */
  async close(): Promise<void> {
    if (this.#agent?.writable === true) this.#agent.write("off\n");
    if (this.#agent !== null) await Promise.race([this.#exited, wait(OFF_MS)]);
    this.#kill();
    await this.#exited;
    process.off("exit", this.#onExit);
    this.#agent?.destroy();
    this.#server.close();
    rmSync(this.#dir, { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
