/** The lifecycle benchmark restarts what it says, and its rows have the names that others read. */
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { measureLifecycle } from "./lifecycle.ts";

it("restarts domains of each size, and beats beside restarts", async () => {
  const options = parseOptions(["lifecycle", "--only", "restart-2k,gap", "--rounds", "1"]);
  const { cases } = await measureLifecycle(options, { cyclesPerNs: () => 1 });
  expect(cases.map((c) => [c.case, c.unit])).toEqual([
    ["restart-2k", "us"],
    ["gap-p50", "us"],
    ["gap-p9999", "us"],
    ["gap-max", "us"],
    ["rss-per-restart", "bytes"],
    ["gap-p50-fresh", "us"],
    ["gap-p9999-fresh", "us"],
    ["gap-max-fresh", "us"],
    ["rss-per-restart-fresh", "bytes"],
  ]);
  expect(cases.every((c) => c.value !== null)).toBe(true);
});
