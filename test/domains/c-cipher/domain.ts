/**
 * Descriptor of c-cipher: a block device over a block device.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Keeps blocks enciphered on another disk; written in C",
  provides: { disk: "BlockDevice" },
  uses: { disk: "BlockDevice" },
  limits: { memoryPages: 4, heapObjects: 64 },
});
