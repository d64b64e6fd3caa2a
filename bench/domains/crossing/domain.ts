/**
 * Descriptor of the caller of the crossing benchmark.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

/** As many callees as `--domains` can ask for. */
export const CALLEES = 64;

export default defineDomain({
  description: "Calls Echo in loops",
  provides: { crossing: "Crossing" },
  uses: Object.fromEntries(Array.from({ length: CALLEES }, (_, i) => [`echo${i}`, "Echo"])),
  runtime: "stub",
  limits: { memoryPages: 8, sliceMs: 60_000 },
});
