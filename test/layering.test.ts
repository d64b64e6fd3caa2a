/**
 * Who may import whom, and the rules that every file keeps. The table below is the architecture's map of trust.
 *
 * Invariant: a new folder has to be entered here before anything in it may import, so that trust is given on purpose.
 */
import { readFileSync, readdirSync } from "node:fs";
import { dirname, join, posix } from "node:path";
import { describe, expect, test } from "vitest";
import { listFiles } from "../tools/lib/files.ts";
import { ROOT, shown } from "../tools/lib/paths.ts";

/** Path prefix → prefixes of what its files may import, themselves included. The longest prefix of a file decides. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  "kernel/": ["kernel/", "shared-heap/"],
  "shared-heap/": ["shared-heap/"],
  "shared-heap/guest/": ["shared-heap/guest/", "lib:heap/", "lib:os/"],
  "runtime/guest/": ["runtime/guest/", "lib:heap/", "lib:os/", "lib:idl/"],
  "runtime/node/": ["runtime/node/", "kernel/", "shared-heap/", "build/gen/host/", "node:", "npm:"],
  // Sees the embedding API and the data that it gives, and nothing of the kernel's.
  "runtime/control/": ["runtime/control/", "runtime/node/system.ts", "runtime/node/lifecycle.ts", "node:"],
  "interfaces/": ["interfaces/"],
  // Back ends of devices, in the host program; the kernel checks all that they say.
  "drivers/": ["drivers/", "kernel/device/", "kernel/errors.ts", "shared-heap/layout.ts", "node:", "npm:"],
  "systems/": ["kernel/manifest/"],
  "tools/": [
    "tools/",
    "drivers/",
    "kernel/",
    "shared-heap/",
    "runtime/node/",
    "runtime/control/",
    "build/gen/host/",
    "node:",
    "npm:",
  ],
  "tools/commands/bench.ts": ["tools/", "bench/run.ts"],
  "tools/soak.ts": ["tools/", "test/hostile/", "node:"],
  "bench/": [
    "bench/",
    "drivers/",
    "tools/",
    "kernel/",
    "shared-heap/",
    "runtime/node/",
    "test/support/",
    "build/gen/host/",
    "node:",
    "npm:",
  ],
  "test/": [
    "test/",
    "drivers/",
    "tools/",
    "kernel/",
    "shared-heap/",
    "runtime/node/",
    "runtime/control/",
    "bench/",
    "systems/",
    "build/gen/host/",
    "node:",
    "npm:",
  ],
  "vitest.config.ts": ["npm:", "test/mutants/"],
  "vitest.vm.config.ts": ["npm:"],
};
/** Folders of domains: each domain sees its own folder and the guest libraries, its descriptor the manifest's types. */
const DOMAINS = /^(domains|drivers(?!\/(models|vfio|wrappers)\/)|test\/domains|bench\/domains)\/[^/]+\//;
/** Domains of benchmarks that are made of others' sources: a client with its driver linked into it. */
const LINKED: Readonly<Record<string, readonly string[]>> = {
  "bench/domains/null-linked/": ["bench/domains/null-block/", "bench/domains/queue-load/"],
  "bench/domains/nvme-linked/": ["drivers/nvme/", "bench/domains/queue-load/"],
};
const DOMAIN_LIBRARIES = ["lib:heap/", "lib:os/", "lib:idl/"];
/** Tests stand beside what they test and may use the test tools besides. */
const FOR_TESTS = [
  "test/",
  "tools/",
  "drivers/",
  "kernel/",
  "shared-heap/",
  "runtime/node/",
  "build/gen/host/",
  "node:",
  "npm:",
];

const FILES = listFiles(ROOT, (name) => /\.m?ts$/.test(name) && !name.endsWith(".d.ts")).map(shown);
const text = (file: string): string => readFileSync(join(ROOT, file), "utf8");
/** A folder named `test` beside sources holds what their tests share. */
const isTest = (file: string): boolean =>
  file.endsWith(".test.ts") || /^(kernel|shared-heap|drivers)\/(.*\/)?test\//.test(file);
const isDomainSource = (file: string): boolean => DOMAINS.test(file) && !file.endsWith("/domain.ts") && !isTest(file);

/** Module specifiers of static and dynamic imports and re-exports; those inside template text are not code. */
function specifiers(source: string): string[] {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, "").replace(/^\s*\/\/.*$/gm, "");
  const statement = /^\s*(?:import|export)\b[^;"'`]*?\bfrom\s*["']([^"']+)["']|^\s*import\s*["']([^"']+)["']/gm;
  const dynamic = /\bimport\(\s*["']([^"']+)["']\s*\)/g;
  return [...code.matchAll(statement), ...code.matchAll(dynamic)].map((m) => (m[1] ?? m[2])!);
}

/** What an import refers to: a path of the tree, `node:x`, `npm:x`, or `lib:x` for a guest library. */
function target(file: string, specifier: string, guest: boolean): string {
  if (specifier.startsWith("node:")) return specifier;
  if (specifier.startsWith("#")) return specifier.slice(1);
  if (specifier.startsWith(".")) return posix.join(posix.dirname(file), specifier);
  return `${guest ? "lib" : "npm"}:${specifier}`;
}

function allowed(file: string): readonly string[] | null {
  if (file.endsWith("/domain.ts") && DOMAINS.test(file)) return ["kernel/manifest/manifest.ts"];
  if (isDomainSource(file)) {
    const own = `${dirname(file).match(/^(?:test\/|bench\/)?[^/]+\/[^/]+/)![0]}/`;
    return [own, ...(LINKED[own] ?? []), ...DOMAIN_LIBRARIES];
  }
  const layer = Object.keys(LAYERS)
    .filter((prefix) => file.startsWith(prefix))
    .toSorted((a, b) => b.length - a.length)[0];
  if (layer === undefined) return null;
  return isTest(file) ? [...LAYERS[layer]!, ...FOR_TESTS] : LAYERS[layer]!;
}

/** Problems of one file's imports. Pure, so that the rules themselves are tested below. */
function violations(file: string, source: string): string[] {
  const may = allowed(file);
  if (may === null) return [`${file}: no layer; enter its folder in test/layering.test.ts`];
  const guest = isDomainSource(file) || /^[^/]+\/guest\//.test(file);
  return specifiers(source)
    .map((specifier) => target(file, specifier, guest))
    .filter((to) => !may.some((prefix) => to.startsWith(prefix)))
    .map((to) => `${file}: must not import ${to}`);
}

test("every import stays within its layer", () => {
  expect(FILES.length).toBeGreaterThan(20);
  expect(FILES.flatMap((file) => violations(file, text(file)))).toEqual([]);
});

describe("the rules bite", () => {
  test.each([
    ["kernel/a.ts", 'import { readFileSync } from "node:fs";'],
    ["kernel/a.ts", 'export * from "../runtime/node/system.ts";'],
    ["kernel/a/b.ts", 'const x = await import("#tools/build/index.ts");'],
    ["kernel/a.ts", 'import { parse } from "@babel/parser";'],
    ["shared-heap/a.ts", 'import type { Model } from "../kernel/interface/model.ts";'],
    ["runtime/control/a.ts", 'import { Kernel } from "../../kernel/kernel.ts";'],
    ["runtime/node/a.ts", 'import { Console } from "../control/console.ts";'],
    ["runtime/node/a.ts", 'import {\n  b,\n} from "#tools/build/index.ts";'],
    ["domains/kv/index.ts", 'import { x } from "../ramdisk/index";'],
    ["domains/kv/index.ts", 'import { x } from "util/memory";'],
    ["domains/kv/domain.ts", 'import { x } from "#kernel/domain/domain.ts";'],
    ["test/domains/crasher/index.ts", 'import { x } from "../other/index";'],
    ["tools/build/x.ts", 'import { runHostile } from "../../test/hostile/generate.ts";'],
    ["drivers/nvme/index.ts", 'import { x } from "../models/nvme";'],
    ["drivers/models/x.ts", 'import { Kernel } from "../../kernel/kernel.ts";'],
    ["kernel/device/x.ts", 'import { x } from "../../drivers/models/x.ts";'],
    ["new-folder/x.ts", ""],
  ])("%s: %s", (file, source) => expect(violations(file, source)).toHaveLength(1));

  test.each([
    ["kernel/a.ts", '// import x from "node:fs"\nimport "../shared-heap/layout.ts";'],
    ["kernel/a.test.ts", 'import { test } from "vitest";'],
    ["domains/kv/index.ts", 'import { Log } from "./log";\nimport { KeyValueServer } from "idl/KeyValue.server";'],
    ["domains/kv/sub/x.ts", 'import { Log } from "../log";'],
    ["drivers/wrappers/x.ts", 'import type { DeviceBackend } from "#kernel/device/backend.ts";'],
    ["tools/commands/bench.ts", 'import { main } from "../../bench/run.ts";'],
  ])("%s may: %s", (file, source) => expect(violations(file, source)).toEqual([]));
});

test("every file opens with a block comment that says what it owns", () => {
  const bad = FILES.filter((file) => !/^(#![^\n]*\n)?\/\*\*?[\s\S]{30,}?\*\//.test(text(file)));
  expect(bad).toEqual([]);
});

test("no line is longer than 120 characters, no file than 450 lines", () => {
  // Tests hold Wasm text and exact messages, which are read as they are.
  const code = FILES.filter((file) => !file.endsWith(".test.ts") && !/(^|\/)test\//.test(file));
  const long = code.flatMap((file) =>
    text(file)
      .split("\n")
      .flatMap((line, i) => (line.length > 120 ? [`${file}:${i + 1}: ${line.length} characters`] : [])),
  );
  const tall = FILES.filter((file) => text(file).trimEnd().split("\n").length > 450).map(
    (file) => `${file}: over 450 lines`,
  );
  expect([...long, ...tall]).toEqual([]);
});

test("domains use no unsafe code and declare no imports of their own", () => {
  const unsafe =
    /\bchangetype\s*<|@external\b|@unsafe\b|\b(?:load|store)\s*<|\bmemory\s*\.\s*(?:grow|fill|copy)\b|@inline\b.*@ts-/;
  const sources = FILES.filter(isDomainSource);
  expect(sources.filter((file) => unsafe.test(text(file)))).toEqual([]);
});

test("every top-level folder has a README", () => {
  const folders = readdirSync(ROOT, { withFileTypes: true })
    .filter((e) => e.isDirectory() && !e.name.startsWith(".") && !["node_modules", "build"].includes(e.name))
    .map((e) => e.name);
  const missing = folders.filter((folder) => !readdirSync(join(ROOT, folder)).includes("README.md"));
  expect(missing).toEqual([]);
});

test("nothing is left to do, and no test is switched off", () => {
  // Written so that this file does not find itself.
  const marks = /\b(?:TO[D]O|FIX[M]E|XX[X])\b|\b(?:it|test|describe)\.(?:only|todo)\b/;
  expect(FILES.filter((file) => marks.test(text(file)))).toEqual([]);
});
