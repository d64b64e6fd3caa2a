/**
 * The system that `npm start` boots: a RAM disk, a key-value store on it, a client, and a shell for the console.
 *
 * Domains start in this order. Each RAM disk has its driver and its medium; the second one, `scratch`, the shell may
 * overwrite. `crasher` crashes on command.
 */
import { defineSystem } from "#kernel/manifest/manifest.ts";

const MIB = 1024 * 1024;

export default defineSystem({
  name: "default",
  description: "A RAM disk, a key-value store, a client and a shell",
  heap: { bytes: 64 * MIB, objects: 65_536 },
  domains: {
    init: { domain: "init", uses: { system: "kernel.system", console: "host.console" } },
    medium: { domain: "medium" },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    scratchMedium: { domain: "medium", limits: { heapObjects: 64 } },
    scratch: { domain: "ramdisk", uses: { medium: "scratchMedium.blocks" } },
    kv: { domain: "kv", uses: { disk: "ramdisk.disk" } },
    client: { domain: "client", uses: { store: "kv.store", console: "host.console" } },
    crasher: { domain: "crasher", uses: { disk: "scratch.disk" } },
    shell: {
      domain: "shell",
      uses: { system: "kernel.system", store: "kv.store", disk: "scratch.disk", crasher: "crasher.program" },
    },
  },
});
