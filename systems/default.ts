/**
 * The system that `npm start` boots: a RAM disk, a key-value store on it, a client, and a shell for the console.
 *
 * Each RAM disk has its driver and its medium. The store reaches its disk through a shadow, which restarts the driver
 * when it fails; the second disk, `scratch`, the shell may overwrite. `crasher` crashes on command and stays dead, so
 * that people can look at it.
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
    scratch: { domain: "ramdisk", uses: { medium: "scratchMedium.blocks" }, restart: "on-fault" },
    disk: { domain: "block-shadow", uses: { disk: "ramdisk.disk", driver: "supervisor.ramdisk" }, restart: "on-fault" },
    kv: { domain: "kv", uses: { disk: "disk.disk" }, restart: "on-fault" },
    client: { domain: "client", uses: { store: "kv.store", console: "host.console" } },
    crasher: { domain: "crasher", uses: { disk: "scratch.disk" } },
    shell: {
      domain: "shell",
      restart: "on-fault",
      uses: { system: "kernel.system", store: "kv.store", disk: "scratch.disk", crasher: "crasher.program" },
    },
  },
});
