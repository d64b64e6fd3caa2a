/** The null-block benchmark has every case, and the requests arrive wherever the disk is. No time is looked at. */
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { measureNullBlock } from "./null-block.ts";

it("measures the places and shapes that are asked for", async () => {
  const options = parseOptions(["null-block", "--rounds", "2", "--only", "qd32-linked,qd32-domain,qd1-shadow"]);
  const { cases } = await measureNullBlock(options, null);
  expect(cases.map((c) => c.case)).toEqual(["qd32-linked", "qd32-domain", "qd1-shadow"]);
  expect(cases.every((c) => c.value !== null && c.value > 0)).toBe(true);
});
