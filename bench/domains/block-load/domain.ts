/**
 * Descriptor of the client of the recovery benchmark.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Reads and writes random blocks of a device, in loops",
  provides: { load: "BlockLoad" },
  uses: { disk: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 8, heapObjects: 2, heapBytes: 64 * 1024, sliceMs: 10_000 },
});
