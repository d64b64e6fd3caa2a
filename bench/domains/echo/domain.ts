/**
 * Descriptor of the callee of the crossing benchmark.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Answers calls that do almost nothing",
  provides: { echo: "Echo" },
  uses: { next: "Echo" },
  runtime: "stub",
  limits: { memoryPages: 8, sliceMs: 10_000 },
});
