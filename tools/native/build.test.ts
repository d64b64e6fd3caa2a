/**
 * The native shim is built where it can be, and where not, the reason is said in one line.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { expect, test } from "vitest";
import { BUILD, ROOT, shown } from "../lib/paths.ts";
import { buildNative, nativeFile, nativeMissing } from "./build.ts";

/** Runs the CLI without cargo in reach. @param file what counts as the built shim */
function withoutCargo(file: string): { status: number | null; stderr: string } {
  const program = `
    const { nativeMissing } = await import(${JSON.stringify(join(ROOT, "tools/native/build.ts"))});
    process.stderr.write(String(nativeMissing(${JSON.stringify(file)})));`;
  return spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
    env: { PATH: "/nonexistent" },
  });
}

test("without cargo: a reason, unless it is built already", () => {
  const wanted =
    process.platform === "linux"
      ? "the native shim (devices through vfio, TAP) needs Rust: install cargo, see https://rustup.rs"
      : `the native shim is for Linux, this is ${process.platform}`;
  expect(withoutCargo(join(BUILD, "native", "none.node")).stderr).toBe(wanted);
});

test.skipIf(nativeMissing() !== null)("built once, under the hash of its sources", () => {
  const lines: string[] = [];
  const file = buildNative();
  expect(shown(file)).toMatch(/^build\/native\/[0-9a-f]{16}\.node$/);
  expect(file).toBe(nativeFile());
  expect(buildNative((line) => lines.push(line))).toBe(file);
  expect(lines).toEqual([]);
  expect(withoutCargo(file).stderr).toBe("null");
});
