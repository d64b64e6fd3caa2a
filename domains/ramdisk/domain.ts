/**
 * Descriptor of the RAM disk. Its size is its quota of objects: one for each block (see README.md).
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A block device in the exchange heap, as large as the domain's quota",
  provides: { disk: "BlockDevice" },
  limits: { memoryPages: 64, heapObjects: 1024, heapBytes: 16 * 1024 * 1024 },
});
