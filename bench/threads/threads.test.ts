/** The threads benchmark measures what it says, and its rows have the names that others read. */
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { measureThreads } from "./threads.ts";

it("measures every case", { timeout: 120_000 }, async () => {
  const { cases } = await measureThreads(parseOptions(["threads", "--rounds", "2"]), { cyclesPerNs: () => 1 });
  expect(cases.map((c) => [c.case, c.unit])).toEqual([
    ["spawn", "ns"],
    ["switch", "ns"],
    ["wake", "ns"],
    ["host-latency", "us"],
    ["idle-10000", "bytes"],
    ["idle-10000-maps", "maps"],
  ]);
  for (const c of cases.filter(({ unit }) => unit !== "maps")) expect(c.value).toBeGreaterThan(0);
});
