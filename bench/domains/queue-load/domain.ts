/**
 * Descriptor of the client of the benchmarks of queues.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Keeps a number of requests in flight on a block device, in loops",
  provides: { load: "QueueLoad" },
  uses: { disk: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 8, heapObjects: 160, heapBytes: 2 * 1024 * 1024, sliceMs: 10_000 },
});
