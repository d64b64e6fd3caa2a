/**
 * What the compiler's tests share: the real interfaces, and the outside tools that check what is generated.
 *
 * Owns the temporary folders that outputs are checked in. Invariant: nothing is written into the tree.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { main as asc } from "assemblyscript/asc";
import type { Model } from "#kernel/interface/model.ts";
import { compileInterfaces } from "../index.ts";

export const ROOT = join(import.meta.dirname, "../../..");

/** Texts of `interfaces/*.ts` by path. */
export function realSources(): Map<string, string> {
  const files = readdirSync(join(ROOT, "interfaces")).filter((f) => f.endsWith(".ts"));
  return new Map(files.map((f) => [`interfaces/${f}`, readFileSync(join(ROOT, "interfaces", f), "utf8")]));
}

export function realModel(): Model {
  return compileInterfaces(realSources());
}

/** Runs `use` in a new folder that holds `files`; the folder is gone afterwards. */
export async function withFiles<T>(
  files: ReadonlyMap<string, string>,
  use: (folder: string) => T | Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "samara-idl-"));
  try {
    for (const [path, text] of files) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    return await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Compiles a domain as the build does.
 *
 * @param guest output of `emitGuest`
 * @param source text of the domain
 * @param serves interfaces whose entries are added
 * @returns the unlowered module, and what the compiler printed (warnings)
 */
export function compileDomain(
  guest: ReadonlyMap<string, string>,
  source: string,
  serves: readonly string[],
  runtime: "minimal" | "stub" = "minimal",
): Promise<{ bytes: Uint8Array<ArrayBuffer>; printed: string }> {
  const files = new Map([...guest].map(([path, text]) => [`gen/${path}`, text]));
  files.set("domain.ts", source);
  return withFiles(files, async (folder) => {
    const libraries = [join(ROOT, "shared-heap/guest"), join(ROOT, "runtime/guest"), join(folder, "gen")];
    const { error, stderr } = await asc([
      "domain.ts",
      ...serves.map((name) => `gen/entry/${name}.ts`),
      "--baseDir",
      folder,
      "--outFile",
      "domain.wasm",
      "--lib",
      libraries.join(","),
      "-O3",
      "--noUnsafe",
      "--runtime",
      runtime,
      "--exportStart",
      "_init",
      "--noColors",
    ]);
    const printed = stderr.toString();
    if (error !== null) throw new Error(`${error.message}\n${printed}`);
    return { bytes: new Uint8Array(readFileSync(join(folder, "domain.wasm"))), printed };
  });
}
