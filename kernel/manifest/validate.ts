/**
 * Checks descriptors and manifests against each other and against the interface model.
 *
 * Owns the rules and their messages. Invariant: reports every problem of a run, each with its path, and returns a
 * resolved value only when there is none. Reads values of any shape, because manifests are programs.
 */
import { MAX_DOMAINS, MAX_OBJECTS } from "../../shared-heap/layout.ts";
import type { Model } from "../interface/model.ts";
import { checkArena, checkArenas, checkDevices } from "./devices.ts";
import {
  DEFAULT_BUILTINS,
  DEFAULT_LIMITS,
  DEFAULT_RESTART,
  DOMAINS,
  ENTRY_SLICES,
  LIFECYCLE,
  ManifestError,
  SUPERVISOR,
  type Builtins,
  type DomainDescriptor,
  type Limits,
  type ProvidedObject,
  type ResolvedDomain,
  type ResolvedSystem,
  type ResolvedUse,
  type Restart,
  type SystemManifest,
} from "./manifest.ts";
import { suggestion } from "./nearest.ts";
import { startOrder } from "./order.ts";
import { Report, show, type Dict, type Ranges } from "./report.ts";

const GIB = 2 ** 30;
const PAGE = 65_536;
/** Least and greatest value of each limit; the heap's own sizes bound two of them further. */
const RANGES: Readonly<Record<keyof Limits, readonly [number, number]>> = {
  memoryPages: [0, 32_768],
  heapBytes: [0, 2 * GIB],
  heapObjects: [0, MAX_OBJECTS],
  sliceMs: [1, 60_000],
  entryMs: [1, 3_600_000],
  threads: [1, 16_384],
  domains: [0, MAX_DOMAINS],
};
/** The same for how often a domain is restarted: milliseconds, and a number of restarts. */
const RESTART_RANGES: Readonly<Record<Exclude<keyof Restart, "policy">, readonly [number, number]>> = {
  backoffMs: [0, 3_600_000],
  maxBackoffMs: [0, 3_600_000],
  limit: [1, 1_000_000],
  withinMs: [1, 86_400_000],
};
const POLICIES = ["never", "on-fault", "always"];
/** The shadow stack of a collector, or of C, is one for all threads. */
const ONE_THREAD = 'must be 1, unless the domain\'s descriptor says runtime: "stub"';
const RUNTIMES = ["incremental", "minimal", "stub"];

function own<T>(record: Readonly<Record<string, T>> | undefined, key: string): T | undefined {
  return record !== undefined && Object.hasOwn(record, key) ? record[key] : undefined;
}

function checkNumbers(report: Report, dict: Dict, ranges: Ranges): void {
  for (const [key, [low, high]] of Object.entries(ranges)) {
    if (dict[key] !== undefined) report.at(key).integer(dict[key], low, high);
  }
}

function checkLimits(report: Report, value: unknown): Limits {
  const limits = report.dict(value, true);
  report.keys(limits, Object.keys(RANGES));
  checkNumbers(report, limits, RANGES);
  return limits as Limits;
}

function checkRestart(report: Report, value: unknown): Required<Restart> {
  const restart = typeof value === "object" ? report.dict(value) : { policy: value ?? DEFAULT_RESTART.policy };
  report.keys(restart, Object.keys(DEFAULT_RESTART));
  if (!POLICIES.includes(restart.policy as string))
    report.at("policy").add(`must be one of ${POLICIES.join(", ")}, is ${show(restart.policy)}`);
  checkNumbers(report, restart, RESTART_RANGES);
  return { ...DEFAULT_RESTART, ...(restart as unknown as Restart) };
}

/** Names that map to interfaces of the model. */
function checkInterfaces(report: Report, value: unknown, model: Model): void {
  for (const [name, type] of Object.entries(report.dict(value, true))) {
    const at = report.at(name);
    at.name(name);
    if (typeof type !== "string") at.add(`must name an interface, is ${show(type)}`);
    else if (!Object.hasOwn(model.interfaces, type)) {
      at.add(`"${type}" names no interface${suggestion(type, Object.keys(model.interfaces))}`);
    }
  }
}

/**
 * Checks `domains/NAME/domain.ts`.
 * @throws ManifestError with every problem, each beginning `domains/NAME: `.
 */
export function validateDescriptor(name: string, value: unknown, model: Model): DomainDescriptor {
  const report = new Report(`domains/${name}: `);
  const descriptor = report.dict(value);
  report.keys(descriptor, ["description", "provides", "uses", "limits", "runtime"]);
  if (typeof descriptor.description !== "string" || descriptor.description.trim() === "") {
    report.at("description").add("must say in a sentence what the domain does");
  }
  if (descriptor.runtime !== undefined && !RUNTIMES.includes(descriptor.runtime as string)) {
    report.at("runtime").add(`must be one of ${RUNTIMES.join(", ")}, is ${show(descriptor.runtime)}`);
  }
  checkInterfaces(report.at("provides"), descriptor.provides, model);
  checkInterfaces(report.at("uses"), descriptor.uses, model);
  const { threads } = checkLimits(report.at("limits"), descriptor.limits);
  if (threads! > 1 && descriptor.runtime !== "stub") report.at("limits.threads").add(ONE_THREAD);
  if (report.problems.length > 0) throw new ManifestError(report.problems);
  return descriptor as unknown as DomainDescriptor;
}

/** Objects with their place among those of the same interface. */
export function numbered(objects: Readonly<Record<string, string>> | undefined): ProvidedObject[] {
  const counts = new Map<string, number>();
  return Object.entries(objects ?? {}).map(([name, type]) => {
    const self = counts.get(type) ?? 0;
    counts.set(type, self + 1);
    return { name, interface: type, self };
  });
}

function checkHeap(report: Report, value: unknown): ResolvedSystem["heap"] {
  const heap = report.dict(value);
  report.keys(heap, ["bytes", "objects", "arenas"]);
  report.at("bytes").integer(heap.bytes, 1024 * 1024, 2 * GIB);
  if (typeof heap.bytes === "number" && heap.bytes % PAGE !== 0) {
    report.at("bytes").add(`must be a multiple of ${PAGE}, is ${heap.bytes}`);
  }
  report.at("objects").integer(heap.objects, 256, MAX_OBJECTS);
  const arenas = checkArenas(report.at("arenas"), heap.arenas, heap.bytes);
  return { bytes: heap.bytes as number, objects: heap.objects as number, ...(arenas.length > 0 ? { arenas } : {}) };
}

/** Defaults, then the descriptor's, then the manifest's; defaults alone are cut to what the heap has. */
function mergeLimits(
  report: Report,
  descriptor: DomainDescriptor,
  entry: Limits,
  heap: ResolvedSystem["heap"],
): Required<Limits> {
  const wanted = { ...descriptor.limits, ...entry };
  if (wanted.heapBytes! > heap.bytes)
    report.at("heapBytes").add(`${wanted.heapBytes} exceeds heap.bytes, ${heap.bytes}`);
  if (wanted.heapObjects! > heap.objects) {
    report.at("heapObjects").add(`${wanted.heapObjects} exceeds heap.objects, ${heap.objects}`);
  }
  if (wanted.threads! > 1 && descriptor.runtime !== "stub") report.at("threads").add(ONE_THREAD);
  const sliceMs = wanted.sliceMs ?? DEFAULT_LIMITS.sliceMs;
  // What is no number is reported elsewhere, and may be what cannot be multiplied.
  const entryMs = typeof sliceMs === "number" ? ENTRY_SLICES * sliceMs : DEFAULT_LIMITS.entryMs;
  return {
    memoryPages: wanted.memoryPages ?? DEFAULT_LIMITS.memoryPages,
    heapBytes: wanted.heapBytes ?? Math.min(DEFAULT_LIMITS.heapBytes, heap.bytes),
    heapObjects: wanted.heapObjects ?? Math.min(DEFAULT_LIMITS.heapObjects, heap.objects),
    sliceMs,
    entryMs: wanted.entryMs ?? entryMs,
    threads: wanted.threads ?? DEFAULT_LIMITS.threads,
    domains: wanted.domains ?? DEFAULT_LIMITS.domains,
  };
}

/** Objects of every provider, by provider name. */
type Providers = ReadonlyMap<string, readonly ProvidedObject[]>;

function resolveUse(
  report: Report,
  name: string,
  type: string,
  target: unknown,
  providers: Providers,
): ResolvedUse | null {
  if (typeof target !== "string") {
    report.add(`must be "provider.object", is ${show(target)}`);
    return null;
  }
  const dot = target.indexOf(".");
  const provider = dot < 0 ? target : target.slice(0, dot);
  const object = dot < 0 ? "" : target.slice(dot + 1);
  const objects = providers.get(provider);
  // Suggest what has the right interface first: that is what was meant nearly always.
  const all = [...providers].flatMap(([p, os]) => os.map((o) => ({ target: `${p}.${o.name}`, type: o.interface })));
  const fitting = all.filter((o) => o.type === type).map((o) => o.target);
  const hint =
    suggestion(target, fitting) ||
    suggestion(
      target,
      all.map((o) => o.target),
    );
  if (objects === undefined) {
    report.add(`"${target}" names no domain${hint}`);
    return null;
  }
  const found = objects.find((o) => o.name === object);
  if (found === undefined) {
    const names = objects.map((o) => o.name).join(", ") || "nothing";
    report.add(`"${target}" names no object of ${provider}, which provides ${names}${hint}`);
    return null;
  }
  if (found.interface !== type) {
    report.add(`"${target}" is a ${found.interface}, but a ${type} is needed${suggestion(target, fitting)}`);
    return null;
  }
  return { name, interface: type, provider, object, self: found.self };
}

function resolveUses(
  report: Report,
  descriptor: DomainDescriptor,
  value: unknown,
  providers: Providers,
): ResolvedUse[] {
  const granted = report.dict(value, true);
  const wanted = descriptor.uses ?? {};
  for (const name of Object.keys(granted)) {
    if (!Object.hasOwn(wanted, name)) {
      report.at(name).add(`the domain uses nothing of this name${suggestion(name, Object.keys(wanted))}`);
    }
  }
  const resolved: ResolvedUse[] = [];
  for (const [name, type] of Object.entries(wanted)) {
    const at = report.at(name);
    if (!Object.hasOwn(granted, name)) at.add(`missing: the domain needs a ${type}`);
    else {
      const use = resolveUse(at, name, type, granted[name], providers);
      if (use !== null) resolved.push(use);
    }
  }
  return resolved;
}

const RESERVED = ["host", "kernel", SUPERVISOR];

/** First pass: which instance is which domain, so that uses may refer forwards. */
function findDescriptors(
  report: Report,
  entries: Dict,
  descriptors: ReadonlyMap<string, DomainDescriptor>,
  builtins: Builtins,
): Map<string, DomainDescriptor> {
  const found = new Map<string, DomainDescriptor>();
  for (const [name, value] of Object.entries(entries)) {
    const at = report.at(name);
    at.name(name);
    if (RESERVED.includes(name) || Object.hasOwn(builtins, name)) at.add("the name is reserved");
    const entry = at.dict(value);
    at.keys(entry, ["domain", "uses", "limits", "restart", "arena"]);
    const domain = entry.domain;
    const descriptor = typeof domain === "string" ? descriptors.get(domain) : undefined;
    if (descriptor !== undefined) found.set(name, descriptor);
    else if (typeof domain !== "string") at.at("domain").add(`must name a folder under domains/, is ${show(domain)}`);
    else at.at("domain").add(`"${domain}" names no domain${suggestion(domain, descriptors.keys())}`);
  }
  if (Object.keys(entries).length === 0) report.add("must name at least one domain");
  return found;
}

/**
 * Checks a system against the domains that exist and the interface model, and resolves every name in it.
 * @param descriptors by folder name, each already checked by `validateDescriptor`.
 * @param builtins what `kernel` and `host` provide; interfaces that the model lacks are left out.
 * @throws ManifestError with every problem, each beginning `systems/NAME: `.
 */
export function validateManifest(
  manifest: SystemManifest,
  descriptors: ReadonlyMap<string, DomainDescriptor>,
  model: Model,
  builtins: Builtins = DEFAULT_BUILTINS,
): ResolvedSystem {
  const named = typeof manifest?.name === "string" ? manifest.name : "?";
  const report = new Report(`systems/${named}: `);
  const root = report.dict(manifest);
  report.keys(root, ["name", "description", "heap", "devices", "domains"]);
  if (typeof root.name === "string") report.at("name").name(root.name);
  else report.at("name").add(`must be text, is ${show(root.name)}`);
  const heap = checkHeap(report.at("heap"), root.heap);
  const devices = checkDevices(report.at("devices"), root.devices, heap.arenas ?? []);
  const entries = report.at("domains").dict(root.domains);
  const found = findDescriptors(report.at("domains"), entries, descriptors, builtins);

  const providers = new Map<string, readonly ProvidedObject[]>();
  for (const [name, descriptor] of found) providers.set(name, numbered(descriptor.provides));
  const lifecycles = Object.fromEntries([...found.keys()].map((name) => [name, LIFECYCLE]));
  for (const [name, objects] of Object.entries({ ...builtins, [SUPERVISOR]: lifecycles })) {
    providers.set(
      name,
      numbered(objects).filter((o) => own(model.interfaces, o.interface) !== undefined),
    );
  }

  const domains: ResolvedDomain[] = [];
  for (const [name, descriptor] of found) {
    const at = report.at("domains").at(name);
    const entry = entries[name] as Dict;
    const limits = mergeLimits(at.at("limits"), descriptor, checkLimits(at.at("limits"), entry.limits), heap);
    const uses = resolveUses(at.at("uses"), descriptor, entry.uses, providers);
    const restart = checkRestart(at.at("restart"), entry.restart);
    const arena = checkArena(at.at("arena"), entry.arena, heap.arenas ?? []);
    const rest = { limits, provides: providers.get(name)!, uses, restart, ...(arena === undefined ? {} : { arena }) };
    domains.push({ name, domain: entry.domain as string, ...rest });
  }
  if (report.problems.length > 0) throw new ManifestError(report.problems);
  return {
    name: named,
    heap,
    ...(devices.length > 0 ? { devices } : {}),
    domains: numberObjects(startOrder(domains)),
    model,
  };
}

/** Objects that stand for one domain each are numbered in start order, which is known last. */
function numberObjects(domains: readonly ResolvedDomain[]): ResolvedDomain[] {
  const selfOf = (name: string): number => domains.findIndex((d) => d.name === name);
  return domains.map((domain) => ({
    ...domain,
    uses: domain.uses.map((use) => {
      if (use.provider === SUPERVISOR) return { ...use, self: selfOf(use.object) };
      return use.interface === DOMAINS && use.provider === "kernel" ? { ...use, self: selfOf(domain.name) } : use;
    }),
  }));
}
