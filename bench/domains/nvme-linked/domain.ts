/**
 * Descriptor of the load with the NVMe driver linked into it.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Keeps a number of requests in flight on an NVMe controller that it drives itself",
  provides: { load: "QueueLoad", nvme: "Nvme" },
  // The disk is never called: a domain makes objects of those types alone that its capabilities speak of.
  uses: { slot: "PciSlot", types: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 24, heapObjects: 1024, heapBytes: 16 * 1024 * 1024, threads: 128, sliceMs: 10_000 },
});
