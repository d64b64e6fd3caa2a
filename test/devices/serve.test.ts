/**
 * `samara serve`, as it is typed wrongly: what cannot be served is said in one line.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "#tools/lib/paths.ts";
import { buildNative, nativeMissing } from "#tools/native/build.ts";
import { samara } from "../support/process.ts";

async function serve(...args: string[]): Promise<{ code: number | null; output: string }> {
  const cli = samara(ROOT, "serve", ...args);
  const code = await cli.exit();
  return { code, output: cli.output };
}

test.each<[string, string[], string]>([
  ["a model that there is not", ["nvm", "/x"], 'serve: there is no model "nvm"; there are: nvme'],
  ["an option without a value", ["nvme", "/x", "file"], 'serve: "file" is no KEY=VALUE'],
  ["a size that is none", ["nvme", "/x", "bytes=5"], "serve: model:nvme: bytes: 5 is no multiple of lbaBytes, 512"],
])("%s", async (_, args, message) => {
  expect(await serve(...args)).toEqual({ code: 2, output: `samara: ${message}\n` });
});

describe.skipIf(nativeMissing() !== null)("with the native shim", () => {
  test.each<[string, string[], RegExp]>([
    ["a file that is no socket", ["nvme", "package.json"], /^samara: serve: EADDRINUSE: [^\n]*package.json: [^\n]*\n$/],
    ["a socket in no folder", ["nvme", "/dev/null/x"], /^samara: serve: ENOTDIR: \/dev\/null\/x: [^\n]*\n$/],
    [
      "a file that cannot be",
      ["nvme", "build/x", "file=/dev/null/d"],
      /^samara: serve: \/dev\/null: EEXIST: [^\n]*\n$/,
    ],
  ])("%s", async (_, args, message) => {
    buildNative();
    const { code, output } = await serve(...args);
    expect(output).toMatch(message);
    expect(code).toBe(2);
    expect(existsSync(join(ROOT, "package.json"))).toBe(true);
    expect(existsSync(join(ROOT, "build/x"))).toBe(false);
  });
});
