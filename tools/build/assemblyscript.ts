/**
 * One AssemblyScript domain → Wasm with names and a source map. The compiler runs in this process.
 *
 * Invariants: domain code is compiled with `--noUnsafe`, the guest libraries (below --lib) without; the result depends
 * only on the options and on the files that are reported back as inputs.
 */
import { join } from "node:path";
import { DEFAULT_LIMITS, DOMAINS, type DomainDescriptor } from "#kernel/manifest/manifest.ts";
import { ROOT } from "../lib/paths.ts";
import { readText } from "../lib/files.ts";
import type { Proof } from "../ownership/index.ts";
import { BuildError, frame } from "./errors.ts";

/** Folders whose `heap/`, `os/` and `idl/` a domain imports. */
export const LIBRARIES = ["shared-heap/guest", "runtime/guest", "build/gen/guest"];
/** Changes when this file makes something else of the same sources. */
const FORMAT = 3;
/** `full` for what runs; `quick` takes half the time, for who waits: the same program, less optimised. */
export type Effort = "full" | "quick";
const OPTIMIZE: Readonly<Record<Effort, string>> = { full: "-O3", quick: "-O1" };
const OPTIONS = ["--noUnsafe", "--exportStart", "_init", "--debug", "--sourceMap", "--lib", LIBRARIES.join(",")];

/** Gets what the ownership check found as one text; with it, mistakes are warnings. Without, they stop the build. */
export type OnOwnership = (warnings: string) => void;

export interface Compiled {
  readonly bytes: Uint8Array;
  readonly sourceMap: string;
  /** Path relative to the root → text, or null for a file that was looked for and not found. */
  readonly inputs: ReadonlyMap<string, string | null>;
  /** False: the ownership check found mistakes, and they were only told. */
  readonly isSound: boolean;
  /** What the ownership check proved. */
  readonly proofs: readonly Proof[];
  /** Milliseconds of the whole compilation, and of the ownership check in it. */
  readonly milliseconds: { readonly whole: number; readonly check: number };
}

/** What the compiler tells about one diagnostic (fields of its `DiagnosticMessage` that we use). */
interface Diagnostic {
  readonly code: number;
  readonly message: string;
  readonly range: { start: number; end: number; source: { normalizedPath: string } | null } | null;
}

/** Interfaces that the domain serves: each needs its generated server module. */
function served(descriptor: DomainDescriptor): string[] {
  return [...new Set(Object.values(descriptor.provides ?? {}))].toSorted();
}

/**
 * The module that ties a domain to its interfaces. It exists only in the compiler: the exports of the generated entry
 * modules become exports of the domain, beside those of its own `index.ts`.
 */
function entryText(descriptor: DomainDescriptor): string {
  const servers = served(descriptor).map((name) => `export * from "entry/${name}";`);
  return [...servers, 'export * from "./index";', ""].join("\n");
}

/**
 * A domain that may create others takes no more memory than its descriptor says: what its manifest entry has beyond
 * that is for its children.
 */
function memoryOptions({ uses, limits }: DomainDescriptor): string[] {
  if (!Object.values(uses ?? {}).includes(DOMAINS)) return [];
  return ["--maximumMemory", String(limits?.memoryPages ?? DEFAULT_LIMITS.memoryPages)];
}

/** Everything apart from files that decides the result. */
export function compileOptions(dir: string, descriptor: DomainDescriptor, effort: Effort = "full"): string {
  return JSON.stringify([
    FORMAT,
    dir,
    OPTIMIZE[effort],
    OPTIONS,
    descriptor.runtime ?? "incremental",
    memoryOptions(descriptor),
    entryText(descriptor),
  ]);
}

/** `~lib/heap/x.ts` lies in one of the libraries; the standard library has no path of its own. */
function realPath(normalized: string): string {
  if (!normalized.startsWith("~lib/")) return normalized;
  const rest = normalized.slice("~lib/".length);
  const library = LIBRARIES.find((lib) => readText(join(ROOT, lib, rest)) !== null);
  return library === undefined ? normalized : `${library}/${rest}`;
}

/** The map as the compiler wrote it names libraries `~lib/…` and puts a root of its own before every path. */
function withRealPaths(sourceMap: string): string {
  const map = JSON.parse(sourceMap) as { sourceRoot?: string; sources: string[] };
  delete map.sourceRoot;
  map.sources = map.sources.map(realPath);
  return JSON.stringify(map);
}

function describe(
  { start, end, message }: { start: number; end: number; message: string },
  normalizedPath: string,
  severity: "error" | "warning" = "error",
): string {
  const path = realPath(normalizedPath);
  return frame(path, readText(join(ROOT, path)) ?? "", start, end, message, severity);
}

function describeDiagnostic({ message, range }: Diagnostic): string {
  if (range === null || range.source == null) return `error: ${message}`;
  return describe({ ...range, message }, range.source.normalizedPath);
}

/**
 * Compiles `dir/index.ts` with the servers of all that the descriptor provides.
 * @param dir relative to the root.
 * @param onOwnership what happens to mistakes that the ownership check finds
 * @throws BuildError with every error and warning, each as file:line:column with its source line.
 */
export async function compileAssemblyScript(
  dir: string,
  descriptor: DomainDescriptor,
  effort: Effort = "full",
  onOwnership?: OnOwnership,
): Promise<Compiled> {
  const { default: asc } = await import("assemblyscript/asc");
  const { appendSection, ownershipCheck } = await import("../ownership/index.ts");
  const check = ownershipCheck();
  const started = performance.now();
  const inputs = new Map<string, string | null>();
  const outputs = new Map<string, string | Uint8Array>();
  const diagnostics: Diagnostic[] = [];
  const entry = `${dir}/$entry.ts`;
  const argv = [
    entry,
    OPTIMIZE[effort],
    ...OPTIONS,
    ...memoryOptions(descriptor),
    "--runtime",
    descriptor.runtime ?? "incremental",
    "--outFile",
    "domain.wasm",
  ];
  const { error, stderr } = await asc.main(argv, {
    readFile(name, base) {
      if (name === entry) return entryText(descriptor);
      if (name === "asconfig.json" || name.endsWith("/asconfig.json")) return null;
      const path = base === "." ? name : `${base}/${name}`;
      const text = readText(join(ROOT, path));
      inputs.set(path, text);
      return text;
    },
    writeFile: (name, content) => void outputs.set(name, content),
    listFiles: () => [],
    transforms: [check.transform as never],
    // The compiler's own declaration of this type is narrower than what it passes.
    reportDiagnostic: (d) => void diagnostics.push(d as unknown as Diagnostic),
  });
  if (diagnostics.length > 0) throw new BuildError(diagnostics.map(describeDiagnostic).join("\n"));
  if (error !== null) throw new BuildError(`${dir}: error: ${stderr.toString().trim() || error.message}`);
  const bytes = outputs.get("domain.wasm");
  const sourceMap = outputs.get("domain.wasm.map");
  if (!(bytes instanceof Uint8Array) || typeof sourceMap !== "string") {
    throw new BuildError(`${dir}: error: the AssemblyScript compiler wrote no module`);
  }
  const report = check.report()!;
  const result = {
    sourceMap: withRealPaths(sourceMap),
    inputs,
    proofs: report.proofs,
    milliseconds: { whole: performance.now() - started, check: check.milliseconds() },
  };
  if (report.problems.length === 0)
    return { ...result, bytes: appendSection(bytes, report.proofs, realPath), isSound: true };
  const severity = onOwnership === undefined ? "error" : "warning";
  const text = report.problems.map((p) => describe(p, p.path, severity)).join("\n");
  if (onOwnership === undefined) throw new BuildError(text);
  onOwnership(text);
  return { ...result, bytes, isSound: false };
}
