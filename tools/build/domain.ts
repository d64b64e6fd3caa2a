/**
 * A domain's folder → its descriptor and its module.
 *
 * Invariant: build/domains/NAME.wasm (and .map) are what the present sources give, or they are built again; products
 * are written before their stamp.
 */
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Model } from "#kernel/interface/model.ts";
import type { DomainDescriptor } from "#kernel/manifest/manifest.ts";
import { validateDescriptor } from "#kernel/manifest/validate.ts";
import { BUILD, DOMAIN_ROOTS, ROOT } from "../lib/paths.ts";
import { readText, writeWhole } from "../lib/files.ts";
import { compileAssemblyScript, compileOptions } from "./assemblyscript.ts";
import { cSources, clangOptions, compileC } from "./clang.ts";
import { BuildError } from "./errors.ts";
import { isFresh, writeStamp } from "./stamp.ts";

export interface DomainBuild {
  /** Folder name, which is the domain's. */
  readonly name: string;
  /** Relative to the root. */
  readonly dir: string;
  readonly descriptor: DomainDescriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Source map v3 of the unlowered module as text; null for a toolchain that makes none. */
  readonly sourceMap: string | null;
  /** Whether this call compiled it. */
  readonly compiled: boolean;
}

/** Folders of all domains: name → path relative to the root. Two of one name are an error. */
export function findDomains(roots: readonly string[] = DOMAIN_ROOTS): Map<string, string> {
  const found = new Map<string, string>();
  for (const root of roots) {
    if (!existsSync(join(ROOT, root))) continue;
    for (const entry of readdirSync(join(ROOT, root), { withFileTypes: true })) {
      const dir = `${root}/${entry.name}`;
      if (!entry.isDirectory() || entry.name.startsWith("_") || !existsSync(join(ROOT, dir, "domain.ts"))) continue;
      const other = found.get(entry.name);
      if (other !== undefined) throw new BuildError(`${dir}: error: ${other} has the same name`);
      found.set(entry.name, dir);
    }
  }
  return found;
}

/** Loads and checks `dir/domain.ts`. */
export async function loadDescriptor(dir: string, model: Model): Promise<DomainDescriptor> {
  const file = join(ROOT, dir, "domain.ts");
  if (!existsSync(file)) throw new BuildError(`${dir}/domain.ts: error: there is no such file`);
  const module = (await import(pathToFileURL(file).href)) as { default?: unknown };
  if (module.default === undefined) {
    throw new BuildError(`${dir}/domain.ts: error: no default export; write: export default defineDomain({ … })`);
  }
  return validateDescriptor(basename(dir), module.default, model);
}

/**
 * Builds one domain when it is stale.
 * @param dir relative to the root, such as `domains/kv`.
 * @param onCompile called before a compilation.
 * @throws BuildError, ManifestError: what is wrong with its sources or its descriptor.
 */
export async function buildDomain(dir: string, model: Model, onCompile?: (dir: string) => void): Promise<DomainBuild> {
  const descriptor = await loadDescriptor(dir, model);
  const name = basename(dir);
  const product = join(BUILD, dir.startsWith("domains/") ? "domains" : dir.slice(0, -name.length), `${name}.wasm`);
  const inC = cSources(dir).length > 0;
  const options = inC ? clangOptions(dir) : compileOptions(dir, descriptor);
  const stamp = dir.replaceAll("/", "-");
  const compiled = !isFresh(stamp, options, product);
  if (compiled) {
    if (!inC && !existsSync(join(ROOT, dir, "index.ts"))) {
      throw new BuildError(`${dir}: error: there is neither an index.ts nor a C file`);
    }
    onCompile?.(dir);
    const result = inC ? { ...compileC(dir), sourceMap: null } : await compileAssemblyScript(dir, descriptor);
    if (result.sourceMap !== null) writeWhole(`${product}.map`, result.sourceMap);
    writeWhole(product, result.bytes);
    writeStamp(stamp, options, result.inputs);
  }
  const bytes = new Uint8Array(readFileSync(product));
  return { name, dir, descriptor, bytes, sourceMap: inC ? null : readText(`${product}.map`), compiled };
}
