/**
 * AssemblyScript for domains: one module for each interface file, one entry for each interface that a domain serves.
 *
 * Owns the files and their imports. `idl/NAME.ts` goes to the compiler as a library (`--lib`), so it may do what a
 * domain's own code under `--noUnsafe` may not; `entry/Interface.ts` is one more entry file of a domain that provides
 * the interface. Invariant: a module that a domain imports adds to its binary only what the domain uses.
 */
import { exportName, type Interface, type Model } from "#kernel/interface/model.ts";
import { argumentBytes } from "../layout.ts";
import { exchangeClass, moduleName, resultClass, serverClass } from "../names.ts";
import { emitClient, emitServer } from "./guest-calls.ts";
import { emitResult } from "./guest-results.ts";
import { emitEnum, emitType } from "./guest-types.ts";
import { fileOfType, header, join, sourceFiles } from "./text.ts";

/** Nested calls of one domain whose arguments the region has room for. */
const NESTING = 4;
const MIN_ARGUMENTS = 4096;

const LIBRARY: Readonly<Record<string, readonly string[]>> = {
  "heap/object": ["HeapObject", "loadField", "storeField", "checkRange", "exhausted"],
  "heap/modes": ["Borrow"],
  "heap/intrinsics": ["put", "take", "has", "copy_in", "copy_out", "fill"],
  "heap/deque": ["Deque"],
  "heap/array": ["HeapArray"],
  "os/slice": ["Slice"],
  "os/text": ["encodeText", "decodeText"],
  "os/capability": ["Capability", "capabilityNamePointer", "encodeCapabilityName", "notGranted"],
  "os/rpc": [
    "Status",
    "Direct",
    "Stored",
    "noValue",
    "noError",
    "noObject",
    "tooLong",
    ...[0, 1, 2, 3, 4, 5, 6, 7].flatMap((n) => [`get${n}`, `set${n}`, `getf${n}`, `setf${n}`]),
    ...[0, 2, 4, 6].flatMap((n) => [`getd${n}`, `setd${n}`]),
  ],
};

/**
 * Emits everything that domains in AssemblyScript need.
 *
 * @returns texts by path: `idl/NAME.ts`, `entry/Interface.ts`, `idl/arguments.ts`
 */
export function emitGuest(model: Model): Map<string, string> {
  const files = new Map<string, string>();
  const exported = exportsByModule(model);
  for (const { file, module } of sourceFiles(model)) {
    const body = moduleBody(model, file);
    files.set(`idl/${module}.ts`, `${header(file)}${imports(body, module, exported)}\n${body}`);
  }
  files.set("idl/arguments.ts", argumentsModule(model));
  for (const i of Object.values(model.interfaces)) files.set(`entry/${i.name}.ts`, entry(i));
  return files;
}

function moduleBody(model: Model, file: string): string {
  const interfaces = Object.values(model.interfaces).filter((i) => i.file === file);
  const types = Object.values(model.types).filter((t) => fileOfType(model, t.name) === file);
  return join(
    [
      ...Object.values(model.enums)
        .filter((e) => e.file === file)
        .map(emitEnum),
      ...types.map(emitType),
      ...interfaces.flatMap((i) => [...i.methods.map((m) => emitResult(i, m)), emitClient(i), emitServer(i)]),
    ],
    "\n",
  );
}

/** Names that each generated module exports to domains and to other modules. */
function exportsByModule(model: Model): Map<string, string> {
  const modules = new Map<string, string>();
  for (const e of Object.values(model.enums)) modules.set(e.name, moduleName(e.file));
  for (const t of Object.values(model.types)) modules.set(exchangeClass(t.name), moduleName(fileOfType(model, t.name)));
  for (const i of Object.values(model.interfaces)) {
    modules.set(i.name, moduleName(i.file));
    modules.set(serverClass(i), moduleName(i.file));
    for (const m of i.methods) modules.set(resultClass(i, m), moduleName(i.file));
  }
  return modules;
}

/** Import lines for the library and generated names that occur in the code of a module. */
function imports(body: string, own: string, exported: ReadonlyMap<string, string>): string {
  const code = body.replace(/\/\*\*[\s\S]*?\*\//g, "");
  const used = new Set(code.match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []);
  const byModule = new Map<string, string[]>();
  for (const [module, names] of Object.entries(LIBRARY))
    byModule.set(
      module,
      names.filter((name) => used.has(name)),
    );
  for (const [name, module] of exported) {
    if (module === own || !used.has(name)) continue;
    const path = `idl/${module}`;
    byModule.set(path, [...(byModule.get(path) ?? []), name]);
  }
  return [...byModule]
    .filter(([, names]) => names.length > 0)
    .map(([module, names]) => `import { ${names.join(", ")} } from "${module}";\n`)
    .join("");
}

function entry(i: Interface): string {
  const names = i.methods.map((m) => `  ${exportName(i, m)},\n`).join("");
  const needsArguments = i.methods.some((m) => argumentBytes(m) > 0);
  return (
    `${header(i.file)}export {\n${names}} from "idl/${moduleName(i.file)}";\n` +
    (needsArguments ? `export { samara_args, samara_args_size } from "idl/arguments";\n` : "")
  );
}

/** The region where the proxies put text and bytes: one for a domain, whatever it serves. */
function argumentsModule(model: Model): string {
  const needs = Object.values(model.interfaces).flatMap((i) => i.methods.map(argumentBytes));
  const bytes = Math.max(MIN_ARGUMENTS, Math.max(0, ...needs) * NESTING);
  return (
    `${header("all interface files")}\n// @ts-ignore: decorator\n` +
    `@lazy const REGION: usize = memory.data(${bytes}, 16);\n\n` +
    `/** Where the proxies put the text and bytes of calls to this domain. */\n` +
    `export function samara_args(): usize {\n  return REGION;\n}\n\n` +
    `/** Bytes of that region: room for the largest call, ${NESTING} deep. */\n` +
    `export function samara_args_size(): i32 {\n  return ${bytes};\n}\n`
  );
}
