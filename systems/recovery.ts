/**
 * A system whose disk driver may crash without anybody noticing: try `kill ramdisk` between two `kv` commands.
 *
 * Two stacks of medium, driver and shadow. The store lies on the one with the plain shadow; the other one has the
 * integrity shadow, and is the shell's to overwrite. A shadow has the right to restart its own driver and no other.
 */
import { defineSystem } from "#kernel/manifest/manifest.ts";

const MIB = 1024 * 1024;

export default defineSystem({
  name: "recovery",
  description: "A key-value store on a RAM disk behind a shadow, and a second disk behind an integrity shadow",
  heap: { bytes: 64 * MIB, objects: 65_536 },
  domains: {
    init: { domain: "init", uses: { system: "kernel.system", console: "host.console" } },
    medium: { domain: "medium" },
    ramdisk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    shadow: { domain: "block-shadow", uses: { disk: "ramdisk.disk", driver: "supervisor.ramdisk" } },
    guardedMedium: { domain: "medium" },
    guardedDisk: { domain: "ramdisk", uses: { medium: "guardedMedium.blocks" } },
    guard: { domain: "block-guard", uses: { disk: "guardedDisk.disk", driver: "supervisor.guardedDisk" } },
    kv: { domain: "kv", uses: { disk: "shadow.disk" } },
    client: { domain: "client", uses: { store: "kv.store", console: "host.console" } },
    crasher: { domain: "crasher", uses: { disk: "guard.disk" } },
    shell: {
      domain: "shell",
      uses: { system: "kernel.system", store: "kv.store", disk: "guard.disk", crasher: "crasher.program" },
    },
  },
});
