/**
 * Descriptor of the NVMe driver.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Drives an NVM Express 1.4 controller: a block device, and all else that the controller can do",
  provides: { disk: "BlockDevice", nvme: "Nvme", closing: "Closing" },
  uses: { slot: "PciSlot" },
  runtime: "stub",
  // A thread for each transfer that waits. `read` and `write` wait for the device, which may take seconds to recover.
  limits: { memoryPages: 16, heapObjects: 512, heapBytes: 8 * 1024 * 1024, threads: 128, sliceMs: 10_000 },
});
