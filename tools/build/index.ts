/**
 * The build as other tools, tests and benchmarks use it: a manifest in, everything that a boot needs out.
 *
 * Invariant: a second build of an unchanged tree compiles nothing.
 */
import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import type { Model } from "#kernel/interface/model.ts";
import type { Builtins, DomainDescriptor, ResolvedSystem, SystemManifest } from "#kernel/manifest/manifest.ts";
import { validateManifest } from "#kernel/manifest/validate.ts";
import { suggestion } from "#kernel/manifest/nearest.ts";
import { DOMAIN_ROOTS, ROOT } from "../lib/paths.ts";
import { buildDomain, findDomains, loadDescriptor, loadFresh } from "./domain.ts";
import type { DomainBuild } from "./domain.ts";
import type { OnOwnership } from "./assemblyscript.ts";
import { BuildError } from "./errors.ts";
import { buildInterfaces } from "./interfaces.ts";

export { buildDomain, findDomains, loadDescriptor, type DomainBuild } from "./domain.ts";
export { BuildError } from "./errors.ts";
export { buildInterfaces } from "./interfaces.ts";

export interface SystemBuild {
  readonly model: Model;
  readonly system: ResolvedSystem;
  /** By folder name (`DomainEntry.domain`). */
  readonly domains: ReadonlyMap<string, DomainBuild>;
  /** The same as `System.boot` takes them. */
  readonly images: ReadonlyMap<string, { readonly bytes: Uint8Array<ArrayBuffer>; readonly sourceMap?: string }>;
}

export interface BuildOptions {
  /** Folders whose children are domains. Tests add `test/domains`, benchmarks `bench/domains`. */
  readonly roots?: readonly string[];
  readonly builtins?: Builtins;
  /** Called before each compilation, which takes about a second. */
  readonly onCompile?: (dir: string) => void;
  /** Makes mistakes that the ownership check finds warnings, which it is told. */
  readonly onOwnership?: OnOwnership;
}

/** Names of the systems that exist. */
export function listSystems(): string[] {
  const dir = join(ROOT, "systems");
  const files = existsSync(dir) ? readdirSync(dir) : [];
  return files.filter((f) => f.endsWith(".ts") && !f.endsWith(".test.ts")).map((f) => basename(f, ".ts"));
}

/**
 * Loads systems/NAME.ts.
 * @throws BuildError when there is none, with the nearest name.
 */
export async function loadSystem(name: string): Promise<SystemManifest> {
  const known = listSystems();
  if (!known.includes(name)) {
    const hint = suggestion(name, known) || `; there is ${known.join(", ")}`;
    throw new BuildError(`there is no systems/${name}.ts${hint}`);
  }
  const module = (await loadFresh(join(ROOT, "systems", `${name}.ts`))) as { default?: SystemManifest };
  if (module.default === undefined) {
    throw new BuildError(`systems/${name}.ts: error: no default export; write: export default defineSystem({ … })`);
  }
  return module.default;
}

/**
 * Builds what is stale of interfaces and of the domains that the manifest names, and resolves the manifest.
 * @throws BuildError, IdlErrors, ManifestError: all for the author of the sources.
 */
export async function buildSystem(manifest: SystemManifest, options: BuildOptions = {}): Promise<SystemBuild> {
  const model = await buildInterfaces();
  const dirs = findDomains(options.roots ?? DOMAIN_ROOTS);
  // Only what is named, so that a half-written domain elsewhere stops nobody; all of them to suggest a name.
  const named = new Set(Object.values(manifest?.domains ?? {}).map((entry) => entry?.domain));
  const allExist = [...named].every((name) => dirs.has(name));
  const descriptors = new Map<string, DomainDescriptor>();
  for (const [name, dir] of dirs) {
    if (!allExist || named.has(name)) descriptors.set(name, await loadDescriptor(dir, model));
  }
  const system = validateManifest(manifest, descriptors, model, options.builtins);
  const domains = new Map<string, DomainBuild>();
  for (const { domain } of system.domains) {
    if (domains.has(domain)) continue;
    domains.set(domain, await buildDomain(dirs.get(domain)!, model, options.onCompile, "full", options.onOwnership));
  }
  const images = new Map(
    [...domains].map(([name, { bytes, sourceMap }]) => [name, sourceMap === null ? { bytes } : { bytes, sourceMap }]),
  );
  return { model, system, domains, images };
}
