/**
 * Descriptor of the key-value service.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A key-value store in a log on a block device, with checksums; survives re-opening",
  provides: { store: "KeyValue" },
  uses: { disk: "BlockDevice" },
  limits: { memoryPages: 512, heapObjects: 16 },
});
