/**
 * Descriptor of the sound programs, for the tests of the ownership check.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Programs that keep the rules of ownership",
  provides: { program: "Shell", medium: "BlockMedium" },
  uses: { disk: "BlockDevice", medium: "BlockMedium" },
  limits: { memoryPages: 16, heapObjects: 64 },
});
