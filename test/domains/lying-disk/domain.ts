/**
 * Descriptor of a driver that lies; it takes the place of a RAM disk's driver, so it provides and uses the same.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "A block device over a medium that answers wrongly when it is told to",
  provides: { disk: "BlockDevice", faults: "FaultInjection" },
  uses: { medium: "BlockMedium" },
  runtime: "stub",
  limits: { memoryPages: 2, heapObjects: 0, heapBytes: 0 },
});
