/** The state of a soak run: what is done, what is missing, and what a file must look like. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../lib/paths.ts";
import {
  addStep,
  extend,
  missingSteps,
  modulesDone,
  newState,
  readState,
  STEP,
  stepSeeds,
  writeState,
} from "./state.ts";

let directory = "";
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), "soak-"));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("steps are done in any order, and each is missing until it is", () => {
  const state = newState(100, 4 * STEP + 1);
  expect([...missingSteps(state)]).toEqual([0, 1, 2, 3, 4]);
  for (const step of [3, 0, 4, 1]) addStep(state, step);
  expect(state.done).toEqual([
    [0, 1],
    [3, 4],
  ]);
  expect([...missingSteps(state)]).toEqual([2]);
  expect(modulesDone(state)).toBe(3 * STEP + 1);
  expect(stepSeeds(state, 4)).toEqual({ seed: 100 + 4 * STEP, modules: 1 });
  addStep(state, 2);
  expect(state.done).toEqual([[0, 4]]);
  expect([...missingSteps(state)]).toEqual([]);
});

test("a run that is made longer does its last step, which was a short one, again", () => {
  const state = newState(0, STEP + 5);
  addStep(state, 0);
  addStep(state, 1);
  extend(state, 3 * STEP);
  expect([...missingSteps(state)]).toEqual([1, 2]);
  const whole = newState(0, STEP);
  addStep(whole, 0);
  extend(whole, 2 * STEP);
  expect([...missingSteps(whole)]).toEqual([1]);
  extend(whole, 5);
  expect(whole.modules).toBe(2 * STEP);
});

test("a file comes back as it was written; what is none is refused", () => {
  const file = join(directory, "a", "state.json");
  expect(readState(file)).toBeNull();
  const state = newState(7, 50_000);
  addStep(state, 2);
  writeState(file, state);
  expect(readState(file)).toEqual(state);
  for (const text of [
    "",
    "[]",
    "{}",
    JSON.stringify({ ...state, done: [[3, 2]] }),
    JSON.stringify({ ...state, seed: -1 }),
  ]) {
    writeFileSync(file, text);
    expect(() => readState(file)).toThrow(`${file}: is no state of a soak run`);
  }
});

/** Exit code and what was printed. */
function soak(...args: string[]): [number, string] {
  try {
    return [
      0,
      execFileSync(process.execPath, ["tools/soak.ts", ...args], { cwd: ROOT, encoding: "utf8", stdio: "pipe" }),
    ];
  } catch (error) {
    const { status, stderr } = error as { status: number; stderr: string };
    return [status, stderr];
  }
}

test("the program runs modules, and goes on where it was", () => {
  const file = join(directory, "run.json");
  const [code, text] = soak("20", "7", "--state", file, "--workers", "1");
  expect([code, text.split("\n").at(-2)]).toEqual([0, expect.stringMatching(/^soak: nothing broke out of 20 modules/)]);
  const state = JSON.parse(readFileSync(file, "utf8")) as object;
  expect(state).toMatchObject({ seed: 7, modules: 20, done: [[0, 0]] });
  writeFileSync(file, JSON.stringify({ ...state, done: [] }));
  expect(soak("--state", file)[1]).toContain("go on with --resume");
  expect(soak("--state", file, "--resume")[1]).toContain("nothing broke out of 20 modules");
  expect(soak("--state", join(directory, "none"), "--resume")).toEqual([
    2,
    expect.stringContaining("nothing to go on"),
  ]);
  expect(soak("many")).toEqual([2, 'soak: MODULES must be a whole number, is "many"\n']);
  expect(soak("--fast")).toEqual([2, expect.stringContaining("--fast")]);
});
