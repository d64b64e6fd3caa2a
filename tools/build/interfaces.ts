/**
 * interfaces/*.ts → build/gen: guest library, host types, C header, reference pages and the model.
 *
 * Invariant: build/gen holds exactly what the compiler made of the present sources, or its key file does not match.
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { Model } from "#kernel/interface/model.ts";
import { BUILD, ROOT, shown } from "../lib/paths.ts";
import { hash, listFiles, readText, writeWhole } from "../lib/files.ts";

const GEN = join(BUILD, "gen");
const KEY = join(GEN, "key");
const MODEL = join(GEN, "model.json");
/** Type declarations for editors; the compiler knows them by itself. */
const PRELUDE = "prelude.ts";

function sources(): Map<string, string> {
  const files = listFiles(join(ROOT, "interfaces"), (n) => n.endsWith(".ts") && !n.endsWith(".test.ts"));
  return new Map(files.filter((f) => basename(f) !== PRELUDE).map((f) => [shown(f), readFileSync(f, "utf8")]));
}

/** The compiler is an input too: a change of what it emits makes everything stale. */
function key(inputs: ReadonlyMap<string, string>): string {
  const compiler = listFiles(join(ROOT, "tools", "idl"), (n) => n.endsWith(".ts") && !n.endsWith(".test.ts"));
  const model = join(ROOT, "kernel", "interface", "model.ts");
  return hash(...[...inputs].flat(), ...[...compiler, model].flatMap((f) => [shown(f), readFileSync(f)]));
}

/**
 * Brings build/gen up to date.
 * @returns the model of all interfaces.
 * @throws IdlErrors (tools/idl) with every error of the sources.
 */
export async function buildInterfaces(): Promise<Model> {
  const inputs = sources();
  const wanted = key(inputs);
  if (readText(KEY) === wanted && existsSync(MODEL)) return JSON.parse(readFileSync(MODEL, "utf8")) as Model;
  const idl = await import("../idl/index.ts");
  const model = idl.compileInterfaces(inputs);
  const outputs = new Map<string, string>();
  const add = (folder: string, files: ReadonlyMap<string, string>): void => {
    for (const [path, text] of files) outputs.set(join(GEN, folder, path), text);
  };
  add("guest", idl.emitGuest(model));
  add("host", idl.emitHost(model));
  add("reference", idl.emitReference(model));
  add("c", idl.emitC(model));
  outputs.set(MODEL, JSON.stringify(model));
  for (const [path, text] of outputs) writeWhole(path, text);
  for (const old of listFiles(GEN, () => true)) {
    if (!outputs.has(old) && old !== KEY && !old.endsWith(".tmp")) rmSync(old, { force: true });
  }
  writeWhole(KEY, wanted);
  return model;
}
