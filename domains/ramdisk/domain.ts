/**
 * Descriptor of the RAM disk's driver. How large the disk is, its medium says.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A block device over a medium in memory, with fault points for tests of recovery",
  provides: { disk: "BlockDevice", faults: "FaultInjection" },
  uses: { medium: "BlockMedium" },
  runtime: "stub",
  limits: { memoryPages: 2, heapObjects: 0, heapBytes: 0 },
});
