/**
 * Descriptor of the wrong programs, for the tests that run them in spite of the ownership check.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Programs that break the rules of ownership",
  provides: { program: "Shell", medium: "BlockMedium" },
  uses: { disk: "BlockDevice", medium: "BlockMedium" },
  limits: { memoryPages: 16, heapObjects: 64 },
});
