/**
 * Descriptor of the client of the recovery benchmark.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Reads and writes random blocks in loops",
  provides: { workload: "Workload" },
  uses: { disk: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 2, heapObjects: 256, heapBytes: 1 << 20, sliceMs: 10_000 },
});
