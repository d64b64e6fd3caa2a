/**
 * `npm run check`: types, lint, format, the native shim, layering and the size of the trusted base.
 *
 * Invariant: runs every step even when one failed, says which failed, and exits non-zero when any did.
 */
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { join } from "node:path";
import { ROOT } from "./lib/paths.ts";
import { columns, paint } from "./lib/terminal.ts";
import { buildInterfaces } from "./build/interfaces.ts";
import { lintNative } from "./native/build.ts";
import type { Count } from "./check/tcb.ts";
import { NATIVE_LIMIT, TCB_LIMIT, countNativeDevices, countTrustedBase, total } from "./check/tcb.ts";

function program(name: string, ...args: string[]): boolean {
  const path = `${join(ROOT, "node_modules", ".bin")}:${process.env.PATH ?? ""}`;
  const run = spawnSync(name, args, { cwd: ROOT, stdio: "inherit", env: { ...process.env, PATH: path } });
  if (run.error !== undefined) process.stdout.write(`${name}: ${run.error.message}\n`);
  return run.status === 0;
}

/** Generated host types are part of what is checked, so they have to be there first. */
async function interfaces(): Promise<boolean> {
  try {
    await buildInterfaces();
    return true;
  } catch (error) {
    process.stdout.write(`${(error as Error).message}\n`);
    return false;
  }
}

function nativeShim(): boolean {
  const wrong = lintNative();
  process.stdout.write(wrong);
  return wrong === "";
}

/** Prints a table of parts. @returns whether they keep to their budget */
function within(heading: string, parts: readonly Count[], limit: number): boolean {
  const sum = total(parts);
  const rows = [...parts, sum].map((p) => [p.part, String(p.files), String(p.lines), String(p.code)]);
  process.stdout.write(`${columns([[heading, "files", "lines", "code"], ...rows])}\n`);
  if (sum.code > limit) process.stdout.write(`${sum.code} lines of code exceed the budget of ${limit}\n`);
  return sum.code <= limit;
}

function trustedBase(): boolean {
  const always = within("part", countTrustedBase(), TCB_LIMIT);
  const real = within("with real devices", countNativeDevices(), NATIVE_LIMIT);
  process.stdout.write(
    `Trusted besides: V8 ${process.versions.v8} and Node ${process.version} (millions of lines), ` +
      `${process.platform === "linux" ? "Linux" : process.platform} ${release()}, the processor.\n`,
  );
  return always && real;
}

const STEPS: readonly (readonly [string, () => boolean | Promise<boolean>])[] = [
  ["interfaces", interfaces],
  ["types (tsc)", () => program("tsc", "-p", ".")],
  ["lint (oxlint)", () => program("oxlint", "--deny-warnings")],
  ["format (oxfmt; to repair: npx oxfmt)", () => program("oxfmt", "--check", ".")],
  ["native shim (cargo fmt, clippy)", nativeShim],
  ["layering", () => program("vitest", "run", "--reporter=dot", "test/layering.test.ts")],
  ["trusted base", trustedBase],
];

/** Runs all steps. @returns the exit code. */
export async function check(): Promise<number> {
  const failed: string[] = [];
  for (const [name, step] of STEPS) {
    process.stdout.write(`${paint("bold", `── ${name}`)}\n`);
    if (!(await step())) failed.push(name);
  }
  process.stdout.write(
    failed.length === 0 ? paint("green", "check: all good\n") : paint("red", `check: failed: ${failed.join(", ")}\n`),
  );
  return failed.length === 0 ? 0 : 1;
}

if (import.meta.main) process.exitCode = await check();
