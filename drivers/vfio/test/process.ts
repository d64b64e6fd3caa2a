/**
 * Processes that tests start: one of this folder's programs, until it says "ready".
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { expect, vi } from "vitest";
import { ROOT } from "../../../tools/lib/paths.ts";
import { nativeFile } from "../../../tools/native/build.ts";

/** @param said gets each line that it says */
export async function started(script: string, args: readonly string[], said: string[]): Promise<ChildProcess> {
  const child = fork(join(ROOT, "drivers/vfio/test", script), [nativeFile(), ...args], { execArgv: [] });
  child.on("message", (text) => said.push(String(text)));
  await vi.waitFor(() => expect(said).toContain("ready"), 20_000);
  return child;
}

export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, "exit");
  child.kill("SIGTERM");
  await exit;
}
