/** Start order: providers first, the manifest's order otherwise, circles broken where they are entered. */
import { expect, test } from "vitest";
import { DEFAULT_LIMITS, type ResolvedDomain } from "./manifest.ts";
import { startOrder } from "./order.ts";

const domain = (name: string, ...providers: string[]): ResolvedDomain => ({
  name,
  domain: name,
  limits: DEFAULT_LIMITS,
  provides: [],
  uses: providers.map((provider) => ({ name: provider, interface: "I", provider, object: "o", self: 0 })),
});
const order = (...domains: ResolvedDomain[]): string =>
  startOrder(domains)
    .map((d) => d.name)
    .join(" ");

test.each([
  ["nothing decides", [domain("b"), domain("a")], "b a"],
  ["forward uses", [domain("kv", "disk"), domain("disk"), domain("init")], "disk kv init"],
  ["a chain backwards", [domain("a", "b"), domain("b", "c"), domain("c")], "c b a"],
  ["a diamond", [domain("top", "l", "r"), domain("r", "base"), domain("l", "base"), domain("base")], "base l r top"],
  ["a circle", [domain("p", "q"), domain("q", "p"), domain("r", "q")], "q p r"],
  ["oneself", [domain("x", "x")], "x"],
  ["built-in providers", [domain("x", "kernel", "host", "supervisor")], "x"],
])("%s", (_, domains, expected) => expect(order(...domains)).toBe(expected));
