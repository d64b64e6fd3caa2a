/**
 * docs/howto/debug.md as it is written: every command in it is run against a system, in order.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ROOT } from "#tools/lib/paths.ts";

const NAME = `howto-${process.pid}`;
const PAGE = readFileSync(join(ROOT, "docs", "howto", "debug.md"), "utf8");
const STEP = /^ {4}(?:samara> (?<typed>.*)|npm run samara -- (?<command>.*))$/gm;

let system: ChildProcess | undefined;
afterAll(() => void system?.kill("SIGKILL"));

function launch(args: readonly string[]): ChildProcess {
  const env = { ...process.env, NO_COLOR: "1" };
  return spawn(process.execPath, ["--disable-warning=ExperimentalWarning", "tools/samara.ts", ...args], {
    cwd: ROOT,
    env,
  });
}

async function run(args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const child = launch(args);
  let out = "";
  for (const stream of [child.stdout!, child.stderr!]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
  return new Promise((resolve) => child.on("close", (code) => resolve({ code, out })));
}

test("debug.md: its commands work, and show what it says", async () => {
  const steps = [...PAGE.matchAll(STEP)].map(({ groups }) => groups!);
  expect(steps.length).toBeGreaterThan(10);
  system = launch(["run", "default", "--name", NAME]);
  let shown = "";
  system.stdout!.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  await expect.poll(() => shown, { timeout: 60_000 }).toMatch(/samara> $/);
  for (const { typed, command } of steps) {
    if (typed !== undefined) {
      const before = shown.length;
      system.stdin!.write(`${typed}\n`);
      await expect.poll(() => shown.slice(before), { timeout: 20_000 }).toMatch(/samara> $/);
      continue;
    }
    // What test/control/debug.test.ts does.
    if (command!.startsWith("run ")) continue;
    const { code, out } = await run([...command!.split(" "), "--system", NAME]);
    expect({ command, code, out }).toMatchObject({ code: 0 });
    // The page shows an excerpt of this one: where the domain died, the chain, what it owned.
    if (command !== "inspect crasher") continue;
    for (const line of [
      "crasher died: trap: unreachable at ",
      "call chain: host → shell → crasher",
      "owned: 1 BlockRequest",
    ]) {
      expect(PAGE).toContain(line);
      expect(out).toContain(line);
    }
    expect(PAGE).toContain(/domains\/crasher\/index\.ts:\d+:\d+/.exec(out)![0]);
  }
}, 180_000);
