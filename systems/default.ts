/**
 * The system that `npm start` boots: an NVMe disk, a key-value store on it, a client, and a shell for the console.
 *
 * The disk is a model of an NVMe controller; its data lie in a file, so the store is there again after the next boot.
 * The store reaches the disk's driver through a shadow, which restarts the driver when it fails; the second disk,
 * `scratch`, is in memory, and the shell may overwrite it. `crasher` crashes on command and stays dead, so that people
 * can look at it.
 */
import { defineSystem } from "#kernel/manifest/manifest.ts";

const MIB = 1024 * 1024;

export default defineSystem({
  name: "default",
  description: "An NVMe disk, a key-value store on it, a client and a shell",
  heap: { bytes: 64 * MIB, objects: 65_536, arenas: { dma: 16 * MIB } },
  // Blocks of 4 KiB, which the controller writes whole or not at all.
  devices: {
    nvme0: { backend: "model:nvme", options: { file: "build/disks/default.img", lbaBytes: 4096 }, arenas: ["dma"] },
  },
  domains: {
    init: { domain: "init", uses: { system: "kernel.system", console: "host.console" } },
    pci: { domain: "pci", uses: { bus: "kernel.pci" }, restart: "on-fault" },
    nvme: { domain: "nvme", arena: "dma", uses: { slot: "pci.nvme" } },
    scratchMedium: { domain: "medium", limits: { heapObjects: 64 } },
    scratch: { domain: "ramdisk", uses: { medium: "scratchMedium.blocks" }, restart: "on-fault" },
    disk: {
      domain: "block-shadow",
      arena: "dma",
      uses: { disk: "nvme.disk", driver: "supervisor.nvme" },
      restart: "on-fault",
    },
    kv: { domain: "kv", arena: "dma", uses: { disk: "disk.disk" }, restart: "on-fault" },
    client: { domain: "client", uses: { store: "kv.store", console: "host.console" } },
    crasher: { domain: "crasher", uses: { disk: "scratch.disk" } },
    shell: {
      domain: "shell",
      restart: "on-fault",
      uses: { system: "kernel.system", store: "kv.store", disk: "scratch.disk", crasher: "crasher.program" },
    },
  },
});
