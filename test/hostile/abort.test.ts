/**
 * What could abort the Node process instead of throwing is tried in a child process, which must end normally.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { TRIALS } from "./abort-trials.ts";

const CHILD = fileURLToPath(new URL("./abort-child.ts", import.meta.url));

test.concurrent.each(Object.keys(TRIALS))("%s", { timeout: 300_000 }, async (name) => {
  const { code, signal, output } = await new Promise<{ code: number; signal: string; output: string }>((resolve) => {
    execFile(process.execPath, [CHILD, name], { maxBuffer: 1 << 24 }, (error, stdout, stderr) => {
      const { code: status, signal: killedBy } = (error ?? {}) as { code?: number; signal?: string };
      resolve({ code: status ?? 0, signal: killedBy ?? "", output: `${stdout}${stderr}` });
    });
  });
  expect({ code, signal, output }).toEqual({ code: 0, signal: "", output: expect.stringMatching(/^contained: /) });
});
