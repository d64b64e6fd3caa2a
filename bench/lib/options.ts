/**
 * Command line of the benchmarks.
 *
 * Invariant: an option that does not exist, or a value that makes no sense, is refused before anything is measured.
 */
import { parseArgs } from "node:util";

/** Checks that can be left out of a crossing, to see what each costs. */
export const ABLATIONS = ["alive", "owner", "type", "catch", "count", "trace", "epoch", "stack"] as const;
export type AblationName = (typeof ABLATIONS)[number];

export const BENCHMARKS = [
  "crossing",
  "heap",
  "load",
  "lifecycle",
  "threads",
  "recovery",
  "null-block",
  "nvme",
] as const;
export type BenchmarkName = (typeof BENCHMARKS)[number];

/** What each benchmark can leave out: a loader without ownership checks is the case `unchecked` of `heap`. */
const CAN_ABLATE: Readonly<Record<BenchmarkName, readonly AblationName[]>> = {
  crossing: ABLATIONS,
  heap: ["epoch"],
  load: [],
  lifecycle: [],
  threads: [],
  recovery: [],
  "null-block": [],
  nvme: [],
};

export interface BenchOptions {
  readonly benchmark: BenchmarkName;
  readonly json: boolean;
  /** File for the raw samples, or null. */
  readonly samplesFile: string | null;
  /** Samples of each case. */
  readonly rounds: number;
  readonly ablate: ReadonlySet<AblationName>;
  /** Numbers of edges to call in turn. */
  readonly domains: readonly number[];
  /** Payload sizes by value, bytes. */
  readonly payload: readonly number[];
  /** "top": what V8 does by itself once warm. "baseline": Liftoff and Sparkplug only. */
  readonly tier: "top" | "baseline";
  /** Measure first calls on fresh instances. */
  readonly cold: boolean;
  /** Time of each case, where a case is a run of some length. */
  readonly seconds: number;
  /** File for a plot, or null. */
  readonly svgFile: string | null;
  /** nvme: the back end of a device that is no model of ours, or null. */
  readonly device: string | null;
  /** The serial number of that device, whose contents may be overwritten; null: it is only read. */
  readonly destroy: string | null;
  /** Only cases whose name contains one of these, or null for all. */
  readonly only: readonly string[] | null;
}

/** The command line is wrong; the message is for the user. */
export class UsageError extends Error {}

export const USAGE = `usage: npm run bench -- ${BENCHMARKS.join("|")} [options]
  --json            one JSON object on stdout, nothing else
  --samples FILE    write the raw samples to FILE, as JSON lines
  --rounds N        samples of each case (default 101)
  --only A,B        only cases whose name contains A or B
  --ablate A,B      leave checks out of the crossing: ${ABLATIONS.join(", ")}
  --domains 1,4,64  numbers of edges that are called in turn
  --payload 64,1500 bytes passed by value
  --tier T          top (default) or baseline
  --seconds N       recovery: how long each case runs (default 10)
  --svg FILE        recovery: write a plot of throughput over time
  --device BACKEND  nvme: a device instead of the model: vfio:BDF, vfio-user:PATH. It is only read, unless
  --destroy SERIAL  says that the device with this serial number may lose what it holds
  --cold            first calls on fresh instances instead of warm ones`;

function numbers(option: string, text: string | undefined, fallback: readonly number[], max: number): number[] {
  if (text === undefined) return [...fallback];
  return text.split(",").map((part) => {
    const value = Number(part);
    if (part === "" || !Number.isInteger(value) || value < 1 || value > max)
      throw new UsageError(`${option}: ${JSON.stringify(part)} is not a whole number from 1 to ${max}`);
    return value;
  });
}

function oneOf<T extends string>(option: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((a) => a === text);
  if (found === undefined)
    throw new UsageError(`${option}: ${JSON.stringify(text)} is not one of ${allowed.join(", ")}`);
  return found;
}

function parse(argv: readonly string[]) {
  const text = { type: "string" } as const;
  const flag = { type: "boolean", default: false } as const;
  try {
    return parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        json: flag,
        cold: flag,
        samples: text,
        rounds: text,
        only: text,
        ablate: text,
        domains: text,
        payload: text,
        tier: text,
        seconds: text,
        svg: text,
        device: text,
        destroy: text,
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/**
 * Reads the command line, `argv` without program names.
 * @throws UsageError
 */
export function parseOptions(argv: readonly string[]): BenchOptions {
  const { values, positionals } = parse(argv);
  if (positionals.length !== 1)
    throw new UsageError(positionals.length === 0 ? "which benchmark?" : `unexpected ${positionals[1]}`);
  const benchmark = oneOf("benchmark", positionals[0], BENCHMARKS);
  const names = values.ablate === undefined ? [] : values.ablate.split(",");
  const ablate = names.map((name) => oneOf("--ablate", name, ABLATIONS));
  if (values.svg !== undefined && benchmark !== "recovery") throw new UsageError(`--svg: ${benchmark} has no plot`);
  if (values.device !== undefined && benchmark !== "nvme") throw new UsageError(`--device: ${benchmark} drives none`);
  if (values.destroy !== undefined && values.device === undefined)
    throw new UsageError("--destroy: only a --device has something to lose");
  const other = ablate.find((name) => !CAN_ABLATE[benchmark].includes(name));
  if (other !== undefined) throw new UsageError(`--ablate: ${benchmark} cannot leave out ${other}`);
  return {
    benchmark,
    json: values.json,
    samplesFile: values.samples ?? null,
    rounds: numbers("--rounds", values.rounds, [101], 100_000)[0],
    ablate: new Set(ablate),
    domains: numbers("--domains", values.domains, [1, 4, 64], 1000),
    payload: numbers("--payload", values.payload, [64, 1500], 1 << 20),
    tier: oneOf("--tier", values.tier ?? "top", ["top", "baseline"]),
    cold: values.cold,
    seconds: numbers("--seconds", values.seconds, [10], 3600)[0],
    svgFile: values.svg ?? null,
    device: values.device ?? null,
    destroy: values.destroy ?? null,
    only: values.only === undefined ? null : values.only.split(","),
  };
}
