/**
 * Descriptor of the medium. Its size is its quota of objects: one for each block (see README.md).
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Blocks in the exchange heap, as many as the domain's quota gives, that outlive their driver",
  provides: { blocks: "BlockMedium" },
  runtime: "stub",
  // At start it makes all its blocks: about a microsecond each.
  limits: { memoryPages: 64, heapObjects: 1024, heapBytes: 16 * 1024 * 1024, sliceMs: 2000 },
});
