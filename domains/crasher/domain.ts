/**
 * Descriptor of the crasher.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Crashes in the way that it is told, so that anyone can see a crash contained",
  provides: { program: "Shell" },
  uses: { disk: "BlockDevice" },
  limits: { memoryPages: 16, heapObjects: 64 },
});
