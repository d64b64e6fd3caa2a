/**
 * The programs of the heap benchmark compute the same on plain memory and on the exchange heap, and what the rows say
 * about the loader is so. No time is looked at.
 */
import { describe, expect, it } from "vitest";
import { measureHeap, programCases } from "./heap.ts";
import { PROGRAMS } from "./programs.ts";
import { parseOptions } from "../lib/options.ts";

describe.each(PROGRAMS)("%s", (program) => {
  it("has every variant, and all agree", async () => {
    const cases = await programCases(program);
    expect(cases.map(({ name }) => name)).toEqual(
      ["raw", "checked", "unelided", "unchecked"].map((variant) => `${variant}-${program}`),
    );
    const sums = new Set(cases.map(({ run }) => run(777)));
    expect(sums.size).toBe(1);
    expect(sums.has(0)).toBe(false);
  });

  it("leaves the ticks out when asked to", async () => {
    const ticks = (cases: { note: string }[]): string[] =>
      cases.slice(1).map(({ note }) => / (\d+) ticks/.exec(note)![1]);
    expect(ticks(await programCases(program, false))).toEqual(["0", "0", "0"]);
    expect(ticks(await programCases(program, true))).not.toContain("0");
  });
});

it("measures allocation and containers with the real kernel and loader", async () => {
  const options = parseOptions(["heap", "--only", "alloc-free,put-take", "--rounds", "2"]);
  const { cases, samples } = await measureHeap(options, { cyclesPerNs: () => 1 });
  expect(cases.map((c) => c.case)).toEqual(["alloc-free", "put-take"]);
  for (const { samples: list } of samples) expect(list).toHaveLength(2);
});
