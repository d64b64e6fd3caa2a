/**
 * Puts new builds in the place of running domains, if the running system can take them.
 *
 * Invariants: what a new build serves and uses is compared with the running system's own interfaces before anything is
 * touched; a build that does not fit, or that dies in its first code, leaves the running version in place, and the
 * answer says why.
 */
import type { Model } from "#kernel/interface/model.ts";
import type { ResolvedDomain } from "#kernel/manifest/manifest.ts";
import type { DomainBuild } from "../build/index.ts";
import { difference } from "./declarations.ts";

/** What a running system tells about itself. */
export interface Running {
  readonly model: Model;
  readonly domains: readonly ResolvedDomain[];
}

/** A running system, in this process or behind a socket. */
export interface ReloadTarget {
  running(): Running | Promise<Running>;
  /** @returns whether the old version handed its state over. Throws what the kernel said. */
  replace(instance: string, build: DomainBuild): Promise<boolean>;
}

/** What happened to one instance. */
export type Reloaded =
  | { readonly instance: string; readonly ok: true; readonly stateHandedOver: boolean; readonly ms: number }
  | { readonly instance: string; readonly ok: false; readonly why: string };

/** The running system cannot take a build; nothing was touched. */
export class ReloadRefused extends Error {
  constructor(message: string) {
    super(message);
    this.name = "ReloadRefused";
  }
}

/** `Name$fingerprint` at the beginning of an import module, an import of `type`, or an export. */
const KEY = /^([^$]+)\$([0-9a-f]{16})(?:\$|$)/;

/** Interface or object type → fingerprint, of all that a module was built against. */
export function fingerprintsOf(bytes: Uint8Array<ArrayBuffer>): Map<string, string> {
  const module = new WebAssembly.Module(bytes);
  const names = [
    ...WebAssembly.Module.imports(module).flatMap((i) => [i.module, ...(i.module === "type" ? [i.name] : [])]),
    ...WebAssembly.Module.exports(module).map((e) => e.name),
  ];
  const found = new Map<string, string>();
  for (const name of names) {
    const match = KEY.exec(name);
    if (match !== null) found.set(match[1]!, match[2]!);
  }
  return found;
}

/** Interfaces that a build was made against in another version than the running system has. */
function changedInterfaces(running: Model, built: Model, build: DomainBuild): string[] {
  const prints = fingerprintsOf(build.bytes);
  const own = [...Object.values(build.descriptor.provides ?? {}), ...Object.values(build.descriptor.uses ?? {})];
  const names = new Set([...own, ...[...prints.keys()].filter((name) => Object.hasOwn(built.interfaces, name))]);
  return [...names].filter((name) => {
    const print = prints.get(name) ?? built.interfaces[name]?.fingerprint;
    return running.interfaces[name]?.fingerprint !== print;
  });
}

type Objects = ReadonlyMap<string, string>;
const named = (objects: ResolvedDomain["provides"] | ResolvedDomain["uses"]): Objects =>
  new Map(objects.map((o) => [o.name, o.interface]));

/** What a descriptor now declares otherwise than the running system's manifest entry. */
function changedObjects(what: string, before: Objects, now: Objects): string[] {
  return [...new Set([...before.keys(), ...now.keys()])].flatMap((name) => {
    const [old, fresh] = [before.get(name), now.get(name)];
    if (old === fresh) return [];
    return [
      `  ${what}`,
      ...(old === undefined ? [] : [`  - ${name}: ${old}`]),
      ...(fresh === undefined ? [] : [`  + ${name}: ${fresh}`]),
    ];
  });
}

/**
 * Checks a build against the instances that it is to replace.
 * @param model the interfaces that it was built with
 * @throws ReloadRefused with what differs
 */
export function checkFits(running: Running, instances: readonly string[], build: DomainBuild, model: Model): void {
  const interfaces = changedInterfaces(running.model, model, build).flatMap((name) =>
    running.model.interfaces[name] === undefined
      ? [`${build.name} needs ${name}, which the running system does not know`]
      : [`${build.name} was built with another ${name} than the running system has`].concat(
          model.interfaces[name] === undefined ? [] : difference(running.model, model, name),
        ),
  );
  const { provides = {}, uses = {} } = build.descriptor;
  const objects = running.domains
    .filter((entry) => instances.includes(entry.name))
    .flatMap((entry) => [
      ...changedObjects(`${entry.name} provides`, named(entry.provides), new Map(Object.entries(provides))),
      ...changedObjects(`${entry.name} uses`, named(entry.uses), new Map(Object.entries(uses))),
    ]);
  const lines = [...interfaces, ...(objects.length === 0 ? [] : [`${build.dir}/domain.ts has changed`, ...objects])];
  if (lines.length === 0) return;
  throw new ReloadRefused(
    [...lines, "The running version stays; start the system again to run the new one."].join("\n"),
  );
}

/** Instances of a domain folder in a running system, in start order. */
export function instancesOf(running: Running, domain: string): string[] {
  return running.domains.filter((entry) => entry.domain === domain).map((entry) => entry.name);
}

/**
 * Replaces instances of one domain by a new build, one after another.
 * @throws ReloadRefused before any of them is touched
 */
export async function reload(
  target: ReloadTarget,
  instances: readonly string[],
  build: DomainBuild,
  model: Model,
): Promise<Reloaded[]> {
  checkFits(await target.running(), instances, build, model);
  const results: Reloaded[] = [];
  for (const instance of instances) {
    const started = performance.now();
    try {
      const stateHandedOver = await target.replace(instance, build);
      results.push({ instance, ok: true, stateHandedOver, ms: performance.now() - started });
    } catch (error) {
      results.push({ instance, ok: false, why: (error as Error).message });
    }
  }
  return results;
}

/** One line for a person. */
export function describeReload(result: Reloaded): string {
  if (!result.ok) return `${result.instance}: not replaced: ${result.why}`;
  const state = result.stateHandedOver ? "state handed over" : "began anew";
  return `${result.instance}: replaced in ${result.ms.toFixed(1)} ms, ${state}`;
}
