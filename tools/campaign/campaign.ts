/**
 * The fault campaign: spoils the driver of a disk in random ways under load, and sees what reaches the client.
 *
 * For each fault the client has requests in flight, then makes others, then reads every block, once with the spoilt
 * driver and once with an honest one. Invariants: before each fault every block holds what the client knows, as it has
 * just written and read it; what is counted as silent is wrong contents in an answer that says ok, or a wrong capacity.
 */
import type { FaultKind } from "./faults.ts";
import { FAULT_GROUPS, FAULT_KINDS, faultOf, flipBit, isModule, numbersOf, orderLie } from "./faults.ts";
import { putMutant, staticEnd, stubbornLiar, type Fault } from "./faults.ts";
import { Mutator } from "./mutate.ts";
import { Rig, SETUPS, type SetUp } from "./setup.ts";

/** What became of a fault, from harmless to worst. */
export const OUTCOMES = ["no effect", "recovered", "detected", "silent"] as const;
export type Outcome = (typeof OUTCOMES)[number];
export type Counts = Record<Outcome, number>;

export interface CampaignOptions {
  /** Faults for each set-up: the same ones. */
  readonly faults: number;
  readonly seed: number;
  readonly setups?: readonly SetUp[];
  /** Called after each fault. */
  readonly onFault?: (setup: SetUp, done: number, total: number) => void;
}

/** A fault whose outcome was `silent`: enough to make it again. */
export interface Silent {
  readonly setup: SetUp;
  readonly number: number;
  readonly kind: FaultKind;
  readonly what: string;
}

export interface CampaignResult {
  readonly faults: number;
  readonly seed: number;
  readonly setups: Readonly<Record<string, Readonly<Record<string, Counts>>>>;
  readonly silent: readonly Silent[];
  /** Mutants that admission refused, or that died in their first code: they do not count as faults. */
  readonly refused: number;
}

const IN_FLIGHT = 16;
const PLAIN = 16;
/** Polls before the client takes a request for lost: a bare driver needs one; shadows restart it and retry. */
const PATIENCE: Readonly<Record<SetUp, number>> = { bare: 1000, shadow: 2_000_000, guard: 2_000_000 };
/** Systems are made anew, so that the modules of mutants, which a kernel keeps, do not fill the memory. */
const FAULTS_PER_SYSTEM = 300;

export const noCounts = (): Counts => ({ "no effect": 0, recovered: 0, detected: 0, silent: 0 });

/** Runs the campaign. @throws Error when a set-up cannot be put right after a fault */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const setups: Record<string, Record<string, Counts>> = {};
  const silent: Silent[] = [];
  let refused = 0;
  for (const setup of options.setups ?? SETUPS) {
    const runner = new Runner(setup, options);
    await runner.run();
    setups[setup] = runner.counts;
    silent.push(...runner.silent);
    refused += runner.refused;
  }
  return { faults: options.faults, seed: options.seed, setups, silent, refused };
}

function value<T>(answer: { ok: true; value: T } | { ok: false }): T {
  if (!answer.ok) throw new Error(`the campaign's client fails: ${JSON.stringify(answer)}`);
  return answer.value;
}

class Runner {
  readonly counts: Record<string, Counts> = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, noCounts()]));
  readonly silent: Silent[] = [];
  refused = 0;
  readonly #setup: SetUp;
  readonly #options: CampaignOptions;
  #mutator: Mutator | null = null;
  #border = 0;
  #rig: Rig | null = null;
  #done = 0;

  constructor(setup: SetUp, options: CampaignOptions) {
    this.#setup = setup;
    this.#options = options;
  }

  /** One group after the other, so that the driver that lies is put in once and not for each lie. */
  async run(): Promise<void> {
    const build = await Rig.build(this.#setup);
    const { bytes } = build.images.get("ramdisk")!;
    this.#mutator = new Mutator(bytes);
    this.#border = staticEnd(bytes);
    const { faults, seed, onFault } = this.#options;
    for (const group of FAULT_GROUPS) {
      let left = 0;
      for (const number of numbersOf(group, faults)) {
        if (left-- === 0 || this.#rig === null) {
          await this.#rig?.system.stop();
          this.#rig = await Rig.boot(this.#setup, build);
          if (group === "result") await this.#rig.putDriver("lying");
          left = FAULTS_PER_SYSTEM;
        }
        await this.#one(this.#rig, faultOf(number, seed));
        onFault?.(this.#setup, ++this.#done, faults);
      }
      await this.#stop();
    }
  }

  async #stop(): Promise<void> {
    await this.#rig?.system.stop();
    this.#rig = null;
  }

  async #one(rig: Rig, fault: Fault): Promise<void> {
    const { check } = rig;
    const ready = check.repair(1 + this.#options.seed + fault.number);
    if (!ready.ok) throw new Error(`${this.#setup}, before fault ${fault.number}: ${JSON.stringify(ready)}`);
    // A replacement waits for no request: another module gets its requests afterwards.
    const put = isModule(fault) ? await this.#put(rig, fault) : "";
    const lives = rig.lives;
    const started = value(check.start(IN_FLIGHT));
    const what = isModule(fault) ? put : this.#inject(rig, fault);
    const met = value(check.finish(PLAIN, PATIENCE[this.#setup]));
    const restarts = rig.lives - lives;
    if (isModule(fault)) await rig.putDriver(fault.kind.startsWith("code") ? "honest" : "lying");
    else rig.restartDriver();
    const after = value(check.verify());
    const wrong = started.wrong + met.wrong + after.wrong;
    const errors = started.errors + met.errors + after.errors;
    const outcome = wrong > 0 ? "silent" : errors > 0 ? "detected" : restarts > 0 ? "recovered" : "no effect";
    this.counts[fault.kind]![outcome]++;
    if (outcome === "silent") this.silent.push({ setup: this.#setup, number: fault.number, kind: fault.kind, what });
    // What a shadow still waits for would come back in the next fault's time.
    if (!rig.isWhole || (met.lost > 0 && this.#setup !== "bare")) await this.#stop();
  }

  async #put(rig: Rig, fault: Fault): Promise<string> {
    if (fault.kind.startsWith("result")) {
      const { bytes, what } = stubbornLiar(rig.bytes("lying"), fault);
      if (!(await rig.put({ bytes }))) throw new Error("the lying driver was refused");
      return what;
    }
    const { what, refused } = await putMutant(this.#mutator!, fault, (bytes) => rig.put({ bytes }));
    this.refused += refused;
    return what;
  }

  #inject(rig: Rig, fault: Fault): string {
    if (fault.kind.startsWith("memory")) return flipBit(rig.driverMemory, this.#border, fault);
    return orderLie(rig.orders, fault);
  }
}
