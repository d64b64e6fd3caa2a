/**
 * Runs generated attackers beside a victim and judges what they did: the oracle of admission.
 *
 * Each module runs unlowered on the reference intrinsics and lowered, with or without check removal or both. After each
 * lowered run every byte outside the attacker's rights is unchanged and the heap's structure whole. Without check
 * removal all that the attacker sees or leaves equals the reference's, which ran in a world with another secret, so no
 * secret byte can have reached it. With check removal the same holds up to the first trap, which may come earlier
 * within its basic block. What only ticks can end has no reference: there the two lowered runs are compared.
 */
import { Worker } from "node:worker_threads";
import { AdmissionError } from "#kernel/wasm/errors.ts";
import { admitHostile } from "./admission.ts";
import { type Attacker, generate, type Handles, handlesOf } from "./generator.ts";
import { type Outcome, Runner } from "./runner.ts";
import { structureViolation } from "./structure.ts";
import { World } from "./world.ts";

export interface HostileOptions {
  /** Number of modules. */
  readonly modules: number;
  /** Seed of the first module; the n-th has `seed + n`. */
  readonly seed: number;
  /** true or false: only with or without check removal, where there is a reference; undefined: both, in turns. */
  readonly elide?: boolean | undefined;
  /** Worker threads to spread the modules over; 0 runs them on this thread. */
  readonly threads?: number;
}

export interface Report {
  readonly modules: number;
  /** Calls of exported functions, and how many of them trapped. */
  readonly calls: number;
  readonly traps: number;
  readonly checksRemoved: number;
}

/** A module did what it must not; the message names the seed that makes it again. */
export class HostileFailure extends Error {}

/** Generates, admits and runs; throws `HostileFailure` at the first module that breaks out or behaves otherwise. */
export async function runHostile(options: HostileOptions): Promise<Report> {
  const threads = options.threads ?? 0;
  if (threads <= 1) return runHere(options);
  const share = Math.ceil(options.modules / threads);
  const parts = Array.from({ length: threads }, (_, i) => ({
    ...options,
    threads: 0,
    seed: options.seed + i * share,
    modules: Math.min(share, options.modules - i * share),
  }));
  const reports = await Promise.all(parts.filter((part) => part.modules > 0).map(runInWorker));
  return reports.reduce(sum);
}

function sum(a: Report, b: Report): Report {
  return {
    modules: a.modules + b.modules,
    calls: a.calls + b.calls,
    traps: a.traps + b.traps,
    checksRemoved: a.checksRemoved + b.checksRemoved,
  };
}

function runInWorker(part: HostileOptions): Promise<Report> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./generate-worker.ts", import.meta.url), { workerData: part });
    worker.on("message", (answer: Report | { failure: string }) =>
      "failure" in answer ? reject(new HostileFailure(answer.failure)) : resolve(answer),
    );
    worker.on("error", reject);
  });
}

async function runHere({ modules, seed, elide }: HostileOptions): Promise<Report> {
  // Half of the calls trap, and nobody reads where: stacks would cost as much as the calls.
  const { stackTraceLimit } = Error;
  if (modules > 100) Error.stackTraceLimit = 0;
  try {
    return await runTrials(new Trial(elide), modules, seed);
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

async function runTrials(trial: Trial, modules: number, seed: number): Promise<Report> {
  for (let i = 0; i < modules; i++) {
    trial.module((seed + i) >>> 0);
    // Lets the engine dispose of dead modules; without a turn they pile up.
    if (i % 200 === 199) await new Promise((resolve) => setImmediate(resolve));
  }
  return trial.report();
}

/** The heap's own checker takes as long as a run, and finds little that the other judgements do not. */
const CHECK_EVERY = 7;

interface Run {
  readonly outcome: Outcome;
  readonly state: Buffer;
}

/** Two worlds with different secrets and all that is kept between modules. */
class Trial {
  readonly #elide: boolean | undefined;
  readonly #first = new Runner(new World());
  readonly #second = new Runner(new World());
  readonly #handles: Handles;
  readonly #states: readonly Buffer[];
  #modules = 0;
  #calls = 0;
  #traps = 0;
  #removed = 0;

  constructor(elide: boolean | undefined) {
    this.#elide = elide;
    this.#second.world.reset(1);
    this.#handles = handlesOf(this.#first.world);
    const bytes = this.#first.world.captureBytes();
    this.#states = [0, 1, 2].map(() => Buffer.alloc(bytes));
  }

  report(): Report {
    return { modules: this.#modules, calls: this.#calls, traps: this.#traps, checksRemoved: this.#removed };
  }

  module(seed: number): void {
    this.#modules++;
    const attacker = generate(seed, this.#handles);
    try {
      this.#judge(attacker, seed);
    } catch (error) {
      const why = error instanceof HostileFailure ? error.message : String((error as Error).stack);
      throw new HostileFailure(`${why}\n  again: SAMARA_SEED=${seed} SAMARA_HOSTILE_MODULES=1`, { cause: error });
    }
  }

  #judge(attacker: Attacker, seed: number): void {
    if (!attacker.fuelled) return this.#compareBoth(attacker, seed);
    const expected = this.#reference(attacker);
    // Both ways for one in four, else in turns: both are compared with the reference, not with each other.
    const both = this.#elide === undefined && (seed & 12) === 0;
    if (both || !(this.#elide ?? (seed & 4) === 0)) {
      sameRun("reference", expected, "without check removal", this.#lowered(this.#second, attacker, false, seed), true);
    }
    if (both || (this.#elide ?? (seed & 4) === 0)) {
      sameRun("reference", expected, "with check removal", this.#lowered(this.#second, attacker, true, seed), false);
    }
  }

  /** Without a reference, which would never end: with and without check removal, in worlds with different secrets. */
  #compareBoth(attacker: Attacker, seed: number): void {
    const off = this.#lowered(this.#second, attacker, false, seed);
    const on = this.#lowered(this.#first, attacker, true, seed);
    sameRun("without check removal", off, "with check removal", on, false);
  }

  #reference(attacker: Attacker): Run {
    const { world } = this.#first;
    const outcome = this.#first.runReference(new WebAssembly.Module(attacker.bytes), attacker.calls);
    const state = world.capture(this.#states[0]!);
    world.resetOpen();
    return { outcome, state };
  }

  #lowered(runner: Runner, attacker: Attacker, elide: boolean, seed: number): Run {
    const { world } = runner;
    const how = elide ? "with check removal" : "without check removal";
    const admitted = this.#admit(attacker, elide);
    this.#removed += admitted.stats.elided;
    // Every other module meets an epoch word that is set, so that each of its ticks calls the kernel.
    world.setEpoch(!attacker.fuelled || seed % 2 === 0 ? 1 : 0);
    runner.tickBudget = attacker.fuelled ? 1_000_000 : 300;
    const outcome = runner.runLowered(admitted, new WebAssembly.Module(admitted.bytes), attacker.calls);
    world.setEpoch(0);
    const whole = seed % CHECK_EVERY === 0 ? world.brokenInvariant() : null;
    const broken = world.violation() ?? structureViolation(world) ?? whole;
    if (broken !== null) throw new HostileFailure(`${how}: ${broken}`);
    const state = world.capture(this.#states[elide ? 1 : 2]!);
    if (world.leaks(outcome.memory) || world.leaks(state)) throw new HostileFailure(`${how}: a secret leaked`);
    world.resetOpen();
    this.#calls += attacker.calls.length;
    this.#traps += outcome.calls?.filter((result) => result === "trap").length ?? 0;
    return { outcome, state };
  }

  #admit(attacker: Attacker, elide: boolean): ReturnType<typeof admitHostile> {
    try {
      return admitHostile(attacker.bytes, { elide });
    } catch (error) {
      if (error instanceof AdmissionError) throw new HostileFailure(`a valid module was refused: ${error.message}`);
      throw error;
    }
  }
}

/**
 * `exact`: also after a trap. Else only the calls up to the first trap have to agree, and the state if there is
 * none.
 */
function sameRun(nameA: string, a: Run, nameB: string, b: Run, exact: boolean): void {
  const fail = (what: string): never => {
    throw new HostileFailure(`${what} (${nameA}: ${describe(a.outcome)}; ${nameB}: ${describe(b.outcome)})`);
  };
  const x = a.outcome;
  const y = b.outcome;
  if (x.calls === null || y.calls === null) {
    if (x.calls !== y.calls) fail("only one of them was instantiated");
    return;
  }
  for (const [i, result] of x.calls.entries()) {
    const other = y.calls[i];
    if (String(result) !== String(other)) fail(`call ${i} gives ${String(result)} and ${String(other)}`);
    if (x.logs[i] !== y.logs[i]) fail(`call ${i} calls out otherwise`);
    if (result === "trap" && !exact) return;
  }
  if (!x.memory.equals(y.memory)) fail(`memory 0 differs at ${firstDifference(x.memory, y.memory)}`);
  if (!a.state.equals(b.state))
    fail(`the attacker's objects differ at captured byte ${firstDifference(a.state, b.state)}`);
}

function describe(outcome: Outcome): string {
  return `${outcome.calls === null ? "not instantiated" : outcome.calls.map(String).join()} ${outcome.trap}`;
}

function firstDifference(a: Buffer, b: Buffer): number {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return at;
}
