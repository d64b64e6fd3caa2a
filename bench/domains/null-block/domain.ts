/**
 * Descriptor of a disk that does nothing.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Answers every request of a block device at once, and moves no data",
  provides: { disk: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 4, heapObjects: 160, heapBytes: 2 * 1024 * 1024, sliceMs: 10_000 },
});
