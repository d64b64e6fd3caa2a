/**
 * Descriptor of the keeper.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Keeps values of every kind across a replacement",
  provides: { program: "Shell" },
  uses: { disk: "BlockDevice" },
  limits: { memoryPages: 16, heapObjects: 8 },
});
