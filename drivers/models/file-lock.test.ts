/**
 * A file has one user: a second one hears who has it, and the lock of a process that was killed holds nobody up.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
