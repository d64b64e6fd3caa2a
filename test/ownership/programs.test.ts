/**
 * The ownership check against programs that break its rules, and against programs that keep them.
 *
 * Each folder is compiled once. Every exported function of test/domains/_mistakes has a mistake, and the messages are
 * those of its comments, word by word; of test/domains/_sound nothing is said.
 */
import { beforeAll, describe, expect, test } from "vitest";
import { compilePrograms, readPrograms, saidOf } from "./programs.ts";

const MISTAKES = "test/domains/_mistakes";
const SOUND = "test/domains/_sound";

describe("programs that are rejected", () => {
  const programs = readPrograms(MISTAKES);
  const files = [...programs.keys()].filter((file) => file !== "world.ts");
  let said: Map<string, string[]>;
  beforeAll(async () => {
    const { compiled, warnings } = await compilePrograms(MISTAKES);
    expect(compiled.isSound).toBe(false);
    said = saidOf(warnings, programs);
  }, 60_000);

  test.each(files)("%s: what is said is what stands there", (file) => {
    expect(said.get(file)).toEqual(programs.get(file)!.expected);
  });

  test.each(files)("%s: every function has a mistake, or calls one that has", (file) => {
    const { functions } = programs.get(file)!;
    const starts = [...functions.values()];
    const lines = said.get(file)!.map((message) => Number.parseInt(message, 10));
    const clean = [...functions].filter(([name, first], i) => {
      const next = starts[i + 1] ?? Infinity;
      const before = starts[i - 1] ?? 0;
      // Helpers and classes stand before the function that needs them.
      return !HELPED.has(name)
        ? !lines.some((l) => l >= first && l < next)
        : !lines.some((l) => l > before && l < next);
    });
    expect(clean.map(([name]) => name)).toEqual([]);
  });

  test("there are at least sixty", () => {
    const count = files.reduce((sum, file) => sum + programs.get(file)!.functions.size, 0);
    expect(count).toBeGreaterThanOrEqual(60);
  });
});

/** Functions whose mistake lies in what they call, which stands right before them. */
const HELPED: ReadonlySet<string> = new Set([
  "fallsThrough",
  "freesInImplementation",
  "freesReadonly",
  "freesWhatIsLent",
  "hidesInNumber",
  "inClassStatic",
  "inField",
  "inNamespace",
  "inNullableField",
  "inParameterProperty",
  "inResultField",
  "lostInField",
  "returnsLoan",
  "storesLoan",
  "useAfterSuper",
]);

describe("programs that are accepted", () => {
  const programs = readPrograms(SOUND);

  test("nothing is said", { timeout: 60_000 }, async () => {
    const { warnings } = await compilePrograms(SOUND);
    expect(warnings).toBe("");
  });

  test("there are at least sixty", () => {
    const count = [...programs.values()].reduce((sum, { functions }) => sum + functions.size, 0);
    expect(count).toBeGreaterThanOrEqual(60);
  });
});
