/**
 * Counts the trusted base: all code of ours that can break the isolation of domains.
 *
 * Invariant: counts what is there, tests left out, and never less: unknown files below the trusted folders count.
 */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, shown } from "../lib/paths.ts";
import { listFiles } from "../lib/files.ts";

/** The budget, in lines of code: comments are not trusted, and must not be saved on. */
export const TCB_LIMIT = 12_000;

/** The same for what is trusted besides where a device is real: its bus and the serving process reach memory. */
export const NATIVE_LIMIT = 2_500;

export interface Count {
  readonly part: string;
  readonly files: number;
  /** Physical lines, and those that are neither blank nor comment. */
  readonly lines: number;
  readonly code: number;
}

/** Lines that are neither blank nor wholly comment. */
export function codeLines(text: string): number {
  let inBlock = false;
  let found = 0;
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (inBlock) {
      inBlock = !line.includes("*/");
      continue;
    }
    if (line === "" || line.startsWith("//")) continue;
    if (line.startsWith("/*")) {
      inBlock = !line.includes("*/");
      continue;
    }
    found++;
  }
  return found;
}

function count(part: string, files: readonly string[]): Count {
  const texts = files.map((file) => readFileSync(file, "utf8").trimEnd());
  const lines = texts.reduce((sum, text) => sum + text.split("\n").length, 0);
  return { part, files: files.length, lines, code: texts.reduce((sum, text) => sum + codeLines(text), 0) };
}

/**
 * Not counted: runtime/control (console, control socket). It gets data and the embedding API, whose every call passes
 * proxies and their checks; it holds no memory, no ledger and no proxy, as test/layering.test.ts sees to. It may end
 * and restart domains, which is availability and not isolation.
 *
 * Source files of the trusted base: kernel/, shared-heap/*.ts (not guest/), runtime/node.
 */
export function countTrustedBase(): Count[] {
  const trusted = (name: string): boolean => name.endsWith(".ts") && !name.endsWith(".test.ts");
  const kernel = readdirSync(join(ROOT, "kernel"), { withFileTypes: true })
    .filter((e) => e.isDirectory())
    .map((e) => e.name)
    .toSorted();
  // What domains get (guest/) and what tests share (test/) is not trusted.
  const heap = listFiles(join(ROOT, "shared-heap"), trusted).filter((f) => !/\/(guest|test)\//.test(shown(f)));
  const top = listFiles(join(ROOT, "kernel"), trusted).filter((f) => shown(f).split("/").length === 2);
  return [
    count("kernel", top),
    ...kernel.map((folder) => count(`kernel/${folder}`, listFiles(join(ROOT, "kernel", folder), trusted))),
    count("shared-heap", heap),
    count("runtime/node", listFiles(join(ROOT, "runtime", "node"), trusted)),
  ];
}

/** Of drivers/vfio: serves models to others, or carries frames; the kernel's process runs none of it. */
const NOT_IN_KERNEL = new Set(["serve.ts", "served.ts", "connection.ts", "windows.ts", "tap.ts"]);

/**
 * What maps the exchange heap for devices and reaches their registers: loaded when a manifest names a device of vfio or
 * vfio-user, and otherwise no part of a running system.
 */
export function countNativeDevices(): Count[] {
  const folder = join(ROOT, "drivers", "vfio");
  const mine = (name: string): boolean =>
    name.endsWith(".ts") && !name.endsWith(".test.ts") && !NOT_IN_KERNEL.has(name);
  const typescript = listFiles(folder, mine).filter((file) => !shown(file).includes("/test/"));
  return [
    count("drivers/vfio", typescript),
    count(
      "drivers/vfio/native",
      listFiles(folder, (name) => name.endsWith(".rs")),
    ),
  ];
}

/** Sums of the parts. */
export function total(parts: readonly Count[]): Count {
  const sum = (key: "files" | "lines" | "code"): number => parts.reduce((s, p) => s + p[key], 0);
  return { part: "together", files: sum("files"), lines: sum("lines"), code: sum("code") };
}
