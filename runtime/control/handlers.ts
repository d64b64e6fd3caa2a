/**
 * What the control socket's commands do with a system, and the shapes of their answers.
 *
 * Invariant: answers are plain data, complete enough to be printed without a second question.
 */
import { readFile, stat } from "node:fs/promises";
import type {
  DeviceInfo,
  DeviceReport,
  DomainInfo,
  EdgeInfo,
  FaultReport,
  ResolvedSystem,
  Statistics,
  System,
  TraceEntry,
} from "../node/system.ts";
import { ALIVE } from "../node/lifecycle.ts";
import { formatCause } from "./format.ts";
import type { Arguments, Handler } from "./server.ts";
import { ControlError } from "./socket.ts";

/** All that is used of a system here. */
export type Controlled = Pick<
  System,
  | "devices"
  | "deviceReports"
  | "domains"
  | "edges"
  | "graph"
  | "statistics"
  | "trace"
  | "faults"
  | "kill"
  | "crash"
  | "restart"
  | "replace"
  | "manifest"
>;

export interface SystemAnswer {
  readonly name: string;
  readonly pid: number;
  readonly statistics: Statistics;
}

export interface TopAnswer extends SystemAnswer {
  readonly domains: readonly DomainInfo[];
  /** Those that were called, most calls first, at most MAX_EDGES; and how many others there are. */
  readonly edges: readonly EdgeInfo[];
  readonly edgesLeftOff: number;
}

export interface PsAnswer {
  /** With a line about the last death, or null. */
  readonly domains: readonly (DomainInfo & { readonly lastFault: string | null })[];
}

export interface InspectAnswer {
  readonly domain: DomainInfo;
  readonly edges: readonly EdgeInfo[];
  /** Those that it drives, and what happened lately to those that it drove. */
  readonly devices: readonly DeviceInfo[];
  readonly deviceReports: readonly DeviceReport[];
  /** Why it died last, or null. */
  readonly fault: FaultReport | null;
  readonly trace: readonly TraceEntry[];
}

export interface RestartAnswer {
  readonly domain: string;
  /** False: it will be as soon as its last frame has left the stack. */
  readonly restarted: boolean;
  readonly incarnation: number;
}

/** What the system was booted from: what a new build of a domain has to fit. */
export type DescribeAnswer = Pick<ResolvedSystem, "model" | "domains">;

export interface ReplaceAnswer {
  readonly domain: string;
  /** False: the new version began anew. */
  readonly stateHandedOver: boolean;
}

const MAX_EDGES = 500;
const MAX_TRACE = 1000;
const INSPECTED = 20;
const MAX_PATH = 4096;
const MAX_MODULE = 64 << 20;

/** The commands, for `ControlServer`. */
export function handlers(system: Controlled): Map<string, Handler> {
  const find = (args: Arguments): DomainInfo => {
    const wanted = text(args, "domain");
    const domains = system.domains();
    const found = domains.find((domain) => domain.name === wanted);
    if (found !== undefined) return found;
    throw new ControlError(`no domain is named "${wanted}"; there are ${domains.map((d) => d.name).join(", ")}`);
  };
  const living = (args: Arguments): DomainInfo => {
    const domain = find(args);
    if (!ALIVE.includes(domain.state)) throw new ControlError(`${domain.name} is ${domain.state}`);
    return domain;
  };
  return new Map<string, Handler>([
    ["system", (_, name) => about(system, name)],
    [
      "ps",
      (): PsAnswer => ({ domains: system.domains().map((d) => ({ ...d, lastFault: lastFaultLine(system, d.name) })) }),
    ],
    ["top", (_, name): TopAnswer => top(system, about(system, name))],
    ["trace", (args) => trace(system, find(args).name, args)],
    ["graph", () => ({ edges: system.graph() })],
    ["inspect", (args): InspectAnswer => inspectDomain(system, find(args).name)],
    ["kill", (args) => (system.kill(living(args).name, "killed on command"), find(args))],
    ["crash", (args) => (system.crash(living(args).name), find(args))],
    [
      "restart",
      (args): RestartAnswer => {
        const domain = find(args).name;
        const restarted = system.restart(domain, "restarted on command");
        return { domain, restarted, incarnation: find(args).incarnation };
      },
    ],
    ["describe", (): DescribeAnswer => ({ model: system.manifest.model, domains: system.manifest.domains })],
    ["replace", (args) => replace(system, find(args).name, text(args, "file", MAX_PATH))],
  ]);
}

const about = (system: Controlled, name: string): SystemAnswer => ({
  name,
  pid: process.pid,
  statistics: system.statistics(),
});

/** Everything about one domain, dead or alive. */
export function inspectDomain(system: Controlled, name: string): InspectAnswer {
  const domain = system.domains().find((d) => d.name === name)!;
  const edges = system.edges().filter((edge) => edge.caller === name || edge.callee === name);
  const devices = system.devices().filter((device) => device.driver === name);
  const deviceReports = system.deviceReports.filter((report) => report.driver === name).slice(-INSPECTED);
  return {
    domain,
    edges,
    devices,
    deviceReports,
    fault: lastFault(system, name),
    trace: system.trace(name, INSPECTED),
  };
}

/** @param file path of a module; its source map, if there is one, lies beside it as `file.map` */
async function replace(system: Controlled, domain: string, file: string): Promise<ReplaceAnswer> {
  const { size } = await stat(file);
  // Devices and pipes have no size, and no end.
  if (size === 0 || size > MAX_MODULE) throw new ControlError(`${file} is no module: it has ${size} bytes`);
  const bytes = await readFile(file);
  const sourceMap = await readFile(`${file}.map`, "utf8").catch(() => undefined);
  const image = { bytes: new Uint8Array(bytes), ...(sourceMap === undefined ? {} : { sourceMap }) };
  return { domain, stateHandedOver: await system.replace(domain, image) };
}

function lastFault(system: Controlled, name: string): FaultReport | null {
  return system.faults.findLast((fault) => fault.domain === name) ?? null;
}

function lastFaultLine(system: Controlled, name: string): string | null {
  const fault = lastFault(system, name);
  return fault === null ? null : formatCause(fault);
}

function top(system: Controlled, answer: SystemAnswer): TopAnswer {
  const called = system.edges().filter((edge) => edge.calls > 0);
  const edges = called.toSorted((a, b) => b.calls - a.calls).slice(0, MAX_EDGES);
  return { ...answer, domains: system.domains(), edges, edgesLeftOff: called.length - edges.length };
}

function trace(system: Controlled, name: string, args: Arguments): { entries: TraceEntry[] } {
  const limit = whole(args, "limit", 50, MAX_TRACE);
  const since = args.since === undefined ? undefined : whole(args, "since", 0, Number.MAX_SAFE_INTEGER);
  return { entries: system.trace(name, limit, since) };
}

function text(args: Arguments, key: string, max = 256): string {
  const value = args[key];
  if (typeof value !== "string" || value === "") throw new ControlError(`"${key}" is missing, or no text`);
  return value.slice(0, max);
}

function whole(args: Arguments, key: string, absent: number, max: number): number {
  const value = args[key] ?? absent;
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0 || value > max)
    throw new ControlError(`"${key}" is no whole number from 0 to ${max}`);
  return value;
}
