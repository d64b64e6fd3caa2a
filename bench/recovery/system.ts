/**
 * The system of the recovery benchmark: a client, the shadow, the driver, and a medium of many blocks.
 *
 * Invariant: the medium's blocks are objects of the exchange heap, so the ledger has as many live objects as the disk
 * has blocks, and each burial of the driver has to look at all of them.
 */
import { defineSystem, type SystemManifest } from "#kernel/manifest/manifest.ts";

/** What a block takes of the heap with what is left over of its page, and room for the requests. */
const BLOCK_BYTES = 5632;
const SPARE_BYTES = 16 << 20;
const SPARE_OBJECTS = 4096;
const PAGE = 65536;

export function recoverySystem(blocks: number): SystemManifest {
  const bytes = Math.ceil((blocks * BLOCK_BYTES) / PAGE) * PAGE;
  return defineSystem({
    name: "recovery",
    heap: { bytes: bytes + SPARE_BYTES, objects: blocks + SPARE_OBJECTS },
    domains: {
      // At start it takes its blocks one by one.
      medium: { domain: "medium", limits: { heapObjects: blocks, heapBytes: bytes, sliceMs: 10_000 } },
      ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
      shadow: { domain: "block-shadow", uses: { disk: "ramdisk.disk", driver: "supervisor.ramdisk" } },
      load: { domain: "block-load", uses: { disk: "shadow.disk" } },
    },
  });
}
