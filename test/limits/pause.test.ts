/**
 * A slice is CPU time: it does not go by while a debugger holds the thread, nor while the process is stopped.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterEach, expect, test } from "vitest";
import { Debugger } from "../support/debugger.ts";

const SLICE_MS = 250;
const CHILD = fileURLToPath(new URL("./pause-child.ts", import.meta.url));

let child: ChildProcess;
let output = { out: "", err: "" };
afterEach(() => void child.kill("SIGKILL"));

async function start(...options: string[]): Promise<void> {
  output = { out: "", err: "" };
  child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", ...options, CHILD, String(SLICE_MS)]);
  child.stdout!.on("data", (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr!.on("data", (chunk: Buffer) => (output.err += chunk.toString()));
  await expect.poll(() => output, { timeout: 60_000 }).toMatchObject({ out: "computing\n" });
}

async function end(): Promise<{ calls: number; faults: unknown[] }> {
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.stdin!.write("end\n");
  expect(await ended).toBe(0);
  return JSON.parse(output.out.split("\n")[1]!) as { calls: number; faults: unknown[] };
}

test("a debugger pauses it in the middle of a call, and may compute there: nobody dies", async () => {
  await start("--inspect=127.0.0.1:0");
  const inspector = await Debugger.attach(/ws:\/\/\S+/.exec(output.err)![0]);
  await inspector.send("Debugger.enable");
  await inspector.send("Debugger.pause");
  type Paused = { callFrames: { functionName: string }[] };
  let { callFrames } = await inspector.event<Paused>("Debugger.paused");
  // Nearly always a call of the domain is under way; else once more.
  while (!callFrames.some(({ functionName }) => functionName.includes("Work$"))) {
    await inspector.send("Debugger.resume");
    await sleep(10);
    await inspector.send("Debugger.pause");
    ({ callFrames } = await inspector.event<Paused>("Debugger.paused"));
  }
  const burn = `(() => {
    const used = () => Object.values(process.threadCpuUsage()).reduce((a, b) => a + b);
    const end = used() + ${1.2 * SLICE_MS * 1000};
    while (used() < end);
  })()`;
  await inspector.send("Runtime.evaluate", { expression: burn });
  await sleep(30 * SLICE_MS);
  await inspector.send("Debugger.resume");
  inspector.close();
  await sleep(2 * SLICE_MS);
  const { calls, faults } = await end();
  expect(faults).toEqual([]);
  expect(calls).toBeGreaterThan(2);
});

test("the process is stopped and goes on: nobody dies", async () => {
  await start();
  for (let i = 0; i < 5; i++) {
    child.kill("SIGSTOP");
    await sleep(3 * SLICE_MS);
    child.kill("SIGCONT");
    await sleep(10);
  }
  const { calls, faults } = await end();
  expect(faults).toEqual([]);
  expect(calls).toBeGreaterThan(2);
});
