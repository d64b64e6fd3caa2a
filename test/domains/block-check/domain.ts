/**
 * Descriptor of the client of the fault campaign.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Reads and writes blocks of which it knows what they must hold",
  provides: { check: "BlockCheck" },
  uses: { disk: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 8, heapObjects: 128, heapBytes: 1024 * 1024, sliceMs: 60_000 },
});
