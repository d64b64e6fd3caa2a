/**
 * Descriptor of the block guard: a block shadow with a checksum for each block.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A block shadow that notices wrong data, lost and misplaced writes, and lies about what was done",
  provides: { disk: "BlockDevice" },
  uses: { disk: "BlockDevice", driver: "Lifecycle" },
  runtime: "stub",
  // 16 bytes for each block of the disk. At start it reads all of them.
  limits: { memoryPages: 128, heapObjects: 1024, heapBytes: 8 * 1024 * 1024, sliceMs: 2000 },
});
