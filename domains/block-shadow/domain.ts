/**
 * Descriptor of the block shadow. Its quota must hold what a crash of the driver loses: 128 requests, and two deques.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Stands in front of a block device, restarts it when it fails, and does again what was lost",
  provides: { disk: "BlockDevice" },
  uses: { disk: "BlockDevice", driver: "Lifecycle" },
  runtime: "stub",
  limits: { memoryPages: 16, heapObjects: 1024, heapBytes: 8 * 1024 * 1024 },
});
