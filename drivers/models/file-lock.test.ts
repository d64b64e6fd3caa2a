/**
 * A file has one user: a second one hears who has it, and the lock of a process that was killed holds nobody up.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, test } from "vitest";
import { FileMedium } from "./file-medium.ts";
import { lockFile } from "./file-lock.ts";

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "samara-lock-"));
  path = join(dir, "disk");
});
afterEach(() => rmSync(dir, { recursive: true }));

test("a second user is told who the first is, until that gives it back", () => {
  const give = lockFile(path);
  expect(() => lockFile(path)).toThrow(`${path}: process ${process.pid} uses it`);
  give();
  lockFile(path)();
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test("the lock of a process that was killed is taken over", async () => {
  const program = `import { lockFile } from ${JSON.stringify(join(import.meta.dirname, "file-lock.ts"))};
    lockFile(${JSON.stringify(path)}); console.log("has it"); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
  await new Promise<void>((resolve) => child.stdout.once("data", () => resolve()));
  expect(() => lockFile(path)).toThrow(`process ${child.pid} uses it`);
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGKILL");
  await ended;
  lockFile(path)();
});

test("of many who find the lock of a dead process, one has it", async () => {
  const WORKERS = 4;
  const ROUNDS = 100;
  // Rounds begun, and per round: who has come, who got the lock, who was refused.
  const words = new Int32Array(new SharedArrayBuffer(4 * (1 + 3 * ROUNDS)));
  const program = `
    const { lockFile, FileInUse } = await import(${JSON.stringify(import.meta.resolve("./file-lock.ts"))});
    const { workerData: { words, path } } = await import("node:worker_threads");
    for (let round = 0; round < ${ROUNDS}; round++) {
      const at = 1 + 3 * round;
      Atomics.add(words, at, 1);
      while (Atomics.load(words, 0) <= round) Atomics.wait(words, 0, round, 1000);
      try {
        lockFile(path);
        Atomics.add(words, at + 1, 1);
      } catch (error) {
        if (!(error instanceof FileInUse)) throw error;
        Atomics.add(words, at + 2, 1);
      }
    }`;
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
  const workers = Array.from({ length: WORKERS }, () => new Worker(url, { workerData: { words, path }, execArgv: [] }));
  const failed: unknown[] = [];
  for (const worker of workers) worker.on("error", (error) => failed.push(error));
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  for (let round = 0; round < ROUNDS; round++) {
    const at = 1 + 3 * round;
    while (Atomics.load(words, at) < WORKERS && failed.length === 0) await turn();
    writeFileSync(`${path}.lock`, "999999999 1");
    Atomics.store(words, 0, round + 1);
    Atomics.notify(words, 0);
    while (words[at + 1]! + words[at + 2]! < WORKERS && failed.length === 0) await turn();
    expect(failed).toEqual([]);
    expect(words[at + 1], `round ${round}`).toBe(1);
  }
  await Promise.all(workers.map((worker) => worker.terminate()));
});

test.each([
  ["a later process of the same number", `${process.pid} 1`],
  ["no number", "nonsense"],
  ["nothing", ""],
])("a lock with %s in it is nobody's", (_, text) => {
  if (text.startsWith(String(process.pid)) && !existsSync("/proc/self/stat")) return;
  writeFileSync(`${path}.lock`, text);
  lockFile(path)();
});

test("a medium makes its folder, and has its file alone", () => {
  const file = join(dir, "a", "b", "disk");
  const medium = new FileMedium(file, 8192, 0, 512);
  expect(() => new FileMedium(file, 8192, 0, 512)).toThrow("uses it");
  medium.close();
  expect(() => new FileMedium(file, 4096, 0, 512)).toThrow("has 8192 bytes");
  new FileMedium(file, 0, 0, 512).close();
});
