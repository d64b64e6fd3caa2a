/**
 * The domains of the load benchmark have the size that their names say, and no two cold ones are the same bytes.
 */
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { assemble } from "../lib/wat.ts";
import { measureLoad } from "./load.ts";
import { domainText, withNonce } from "./program.ts";

it.each([
  [14, 2000],
  [371, 51_000],
])("a domain of %i functions is about %i bytes", async (functions, size) => {
  const bytes = await assemble("domain", domainText(functions));
  expect(Math.abs(bytes.length - size)).toBeLessThan(size * 0.05);
  expect(WebAssembly.validate(withNonce(bytes, 12))).toBe(true);
  expect(withNonce(bytes, 12)).toEqual(withNonce(bytes, 12));
  expect(withNonce(bytes, 12)).not.toEqual(withNonce(bytes, 13));
});

it("refuses to make bytes unique that hold no nonce", () => {
  expect(() => withNonce(new Uint8Array(8), 1)).toThrow("no nonce");
});

it("starts domains, cold and cached", async () => {
  const { cases } = await measureLoad(parseOptions(["load", "--only", "2k", "--rounds", "2"]), {
    cyclesPerNs: () => 1,
  });
  expect(cases.map((c) => [c.case, c.unit, c.samples])).toEqual([
    ["cold-2k", "us", 2],
    ["cached-2k", "us", 2],
  ]);
});
