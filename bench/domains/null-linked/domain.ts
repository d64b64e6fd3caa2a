/**
 * Descriptor of the load on a disk that does nothing, both in one domain.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Keeps a number of requests in flight on a null disk that is linked into it",
  provides: { load: "QueueLoad" },
  // Never called: a domain makes objects of those types alone that its capabilities speak of.
  uses: { types: "BlockDevice" },
  runtime: "stub",
  limits: { memoryPages: 8, heapObjects: 160, heapBytes: 2 * 1024 * 1024, sliceMs: 10_000 },
});
