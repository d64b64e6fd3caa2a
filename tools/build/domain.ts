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
import { hash, readText, writeWhole } from "../lib/files.ts";
import { compileAssemblyScript, compileOptions, type Effort, type OnOwnership } from "./assemblyscript.ts";
import { cSources, clangOptions, compileC } from "./clang.ts";
import { BuildError } from "./errors.ts";
import { dropStamp, isFresh, writeStamp } from "./stamp.ts";

export interface DomainBuild {
  /** Folder name, which is the domain's. */
  readonly name: string;
  /** Relative to the root. */
  readonly dir: string;
  readonly descriptor: DomainDescriptor;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where the module is; its source map lies beside it as `file.map`. */
  readonly file: string;
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

/** Text of each program that was loaded, as it was first: what has changed since is loaded under another URL. */
const loaded = new Map<string, string>();

/** Loads a TypeScript program of the tree, again when its text has changed. */
export async function loadFresh(file: string): Promise<unknown> {
  const text = readFileSync(file, "utf8");
  if (!loaded.has(file)) loaded.set(file, text);
  const version = loaded.get(file) === text ? "" : `?${hash(text)}`;
  return import(`${pathToFileURL(file).href}${version}`);
}

/** Loads and checks `dir/domain.ts`. */
export async function loadDescriptor(dir: string, model: Model): Promise<DomainDescriptor> {
  const file = join(ROOT, dir, "domain.ts");
  if (!existsSync(file)) throw new BuildError(`${dir}/domain.ts: error: there is no such file`);
  const module = (await loadFresh(file)) as { default?: unknown };
  if (module.default === undefined) {
    throw new BuildError(`${dir}/domain.ts: error: no default export; write: export default defineDomain({ … })`);
  }
  return validateDescriptor(basename(dir), module.default, model);
}

interface Product {
  readonly file: string;
  readonly stamp: string;
  readonly options: string;
}

/** Where a domain's module goes, and what decides whether it is stale. */
function productOf(dir: string, descriptor: DomainDescriptor, effort: Effort): Product {
  const name = basename(dir);
  const folder = dir.startsWith("domains/") ? "domains" : dir.slice(0, -name.length);
  const quick = effort === "quick";
  return {
    file: join(BUILD, quick ? "quick" : "", folder, `${name}.wasm`),
    stamp: dir.replaceAll("/", "-") + (quick ? ".quick" : ""),
    options: cSources(dir).length > 0 ? clangOptions(dir) : compileOptions(dir, descriptor, effort),
  };
}

const isCurrent = ({ stamp, options, file }: Product): boolean => isFresh(stamp, options, file);

async function compile(
  dir: string,
  descriptor: DomainDescriptor,
  product: Product,
  effort: Effort,
  onOwnership?: OnOwnership,
): Promise<void> {
  const inC = cSources(dir).length > 0;
  if (!inC && !existsSync(join(ROOT, dir, "index.ts"))) {
    throw new BuildError(`${dir}: error: there is neither an index.ts nor a C file`);
  }
  const result = inC
    ? { ...compileC(dir), sourceMap: null, isSound: true }
    : await compileAssemblyScript(dir, descriptor, effort, onOwnership);
  if (result.sourceMap !== null) writeWhole(`${product.file}.map`, result.sourceMap);
  writeWhole(product.file, result.bytes);
  // Without a stamp it is stale: the next build tells the mistakes again, or stops at them.
  if (result.isSound) writeStamp(product.stamp, product.options, result.inputs);
  else dropStamp(product.stamp);
}

/**
 * Builds one domain when it is stale.
 * @param dir relative to the root, such as `domains/kv`.
 * @param onCompile called before a compilation.
 * @param effort `quick` compiles in half the time, and only what no full build has made already.
 * @param onOwnership makes mistakes that the ownership check finds warnings, which it is told.
 * @throws BuildError, ManifestError: what is wrong with its sources or its descriptor.
 */
export async function buildDomain(
  dir: string,
  model: Model,
  onCompile?: (dir: string) => void,
  effort: Effort = "full",
  onOwnership?: OnOwnership,
): Promise<DomainBuild> {
  const descriptor = await loadDescriptor(dir, model);
  const full = productOf(dir, descriptor, "full");
  const product = effort === "full" || isCurrent(full) ? full : productOf(dir, descriptor, effort);
  const compiled = !isCurrent(product);
  if (compiled) {
    onCompile?.(dir);
    await compile(dir, descriptor, product, effort, onOwnership);
  }
  const bytes = new Uint8Array(readFileSync(product.file));
  const sourceMap = cSources(dir).length > 0 ? null : readText(`${product.file}.map`);
  return { name: basename(dir), dir, descriptor, bytes, file: product.file, sourceMap, compiled };
}
