/**
 * Two WebAssembly components, transpiled to JavaScript by jco, the caller's import wired to the callee's export.
 *
 * Two releases are measured: the current one keeps a task for each call (for asynchronous components, in JavaScript),
 * which costs microseconds; 1.10 did not. Invariant: a peer is shown at its best, so the
 * wiring that jco offers by default and the composed form are both in the table.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { buildFolder } from "../../lib/paths.ts";
import { componentTexts } from "../components.ts";
import type { MeasureContext, Mechanism } from "../mechanism.ts";

/** The part of jco's API that is used; the same in both releases. */
interface Jco {
  parse(wat: string): Promise<Uint8Array>;
  transpile(component: Uint8Array, options: object): Promise<{ files: Record<string, Uint8Array> }>;
}

interface Caller {
  runNull(n: number): void;
  runBytes(n: number, length: number): number;
}

type Instantiate = (compile: (path: string) => WebAssembly.Module, imports: object) => Record<string, unknown>;

const RELEASES = [
  { module: "@bytecodealliance/jco", label: "peer-jco", version: "jco 1.35" },
  { module: "jco-1.10", label: "peer-jco-1.10", version: "jco 1.10" },
] as const;

function namesOf(label: string): [string, string, string, string] {
  return [label, `${label}-bytes64`, `${label}-composed`, `${label}-composed-bytes64`];
}

/** The module's namespace, or null when it is not installed. `name` is not a literal: the second one is optional. */
async function load(name: string): Promise<Jco | null> {
  try {
    return (await import(name)) as Jco;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ERR_MODULE_NOT_FOUND") return null;
    throw error;
  }
}

/** Transpiles one component into build/ and returns how to make an instance of it. */
async function build(
  jco: Jco,
  release: string,
  name: string,
  text: string,
): Promise<(imports: object) => Record<string, unknown>> {
  const { files } = await jco.transpile(await jco.parse(text), { name, instantiation: "sync", wasiShim: false });
  const folder = buildFolder("jco", release, name);
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  }
  writeFileSync(join(folder, "package.json"), '{"type": "module"}\n');
  const { instantiate } = (await import(pathToFileURL(join(folder, `${name}.js`)).href)) as {
    instantiate: Instantiate;
  };
  const compile = (path: string): WebAssembly.Module => new WebAssembly.Module(new Uint8Array(files[path]));
  return (imports) => instantiate(compile, imports);
}

/** An instance of the caller, wired to one of the callee. */
async function separate(jco: Jco, release: string): Promise<Caller> {
  const texts = componentTexts();
  const callee = (await build(jco, release, "callee", texts.callee))({});
  const target = callee["samara:bench/target"];
  return (await build(jco, release, "caller", texts.caller))({ "samara:bench/target": target }) as unknown as Caller;
}

async function measureRelease(context: MeasureContext, release: (typeof RELEASES)[number]): Promise<void> {
  const { label, version } = release;
  const names = namesOf(label);
  if (!names.some((name) => context.wants(name))) return;
  const jco = await load(release.module);
  if (jco === null) {
    for (const name of names) context.missing(name, `the npm package ${release.module} is not installed`);
    return;
  }
  const texts = componentTexts();
  const apart = await separate(jco, label);
  const composed = (await build(jco, label, "composed", texts.composed))({}) as unknown as Caller;
  for (const caller of [apart, composed]) {
    const sum = caller.runBytes(3, 64);
    if (sum !== 3) throw new Error(`${version}: 3 calls that answer 1 each came to ${sum}`);
  }
  const apartNote = `${version}, two components, import wired to export in JavaScript`;
  const composedNote = `${version}, composed into one component before transpiling: not separately loadable`;
  // Entering a component from JavaScript costs several calls: many turns share it.
  const atLeast = 500;
  context.loop(names[0], (n) => apart.runNull(n), { note: apartNote, atLeast });
  context.loop(names[1], (n) => apart.runBytes(n, 64), { note: apartNote, atLeast });
  context.loop(names[2], (n) => composed.runNull(n), { note: composedNote, atLeast });
  context.loop(names[3], (n) => composed.runBytes(n, 64), { note: composedNote, atLeast });
}

export const mechanism: Mechanism = {
  name: "jco",
  cases: RELEASES.flatMap(({ label }) => namesOf(label)),
  order: 60,
  checks:
    "Separate memories; lists and strings are copied; the current release also tracks tasks and whether an instance " +
    "may be left. Not checked: whether the callee is alive, ownership of anything, stack, time. A trap in the callee " +
    "goes through the caller.",
  available: async () => null,
  async measure(context) {
    for (const release of RELEASES) await measureRelease(context, release);
  },
};
