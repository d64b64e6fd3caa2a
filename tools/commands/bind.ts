/**
 * bind BDF…: gives PCI devices to vfio-pci, so that a system can drive them.
 *
 *   --dry-run    prints each write to /sys, and does none
 *   --unseen     also a disk that no driver shows, so that nobody can see what is on it
 *   --root DIR   another tree than / (DIR/sys, DIR/proc, DIR/dev)
 *
 * Refused, with the reason: a disk that is mounted, swap, or part of md, dm, LVM or ZFS, or that carries any signature
 * (a file system, a partition table, …); the network interface of the default route or of this SSH session; a device
 * whose IOMMU group holds others in use (name them all when they may go too); bridges. `unbind` gives back the former
 * driver. See docs/howto/devices.md.
 */
import type { Command } from "../lib/command.ts";
import { bind } from "../pci/bind.ts";
import { fullAddress } from "../pci/functions.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";
import { samara } from "../pci/rules.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

export const command: Command = {
  options: { ...MACHINE_OPTIONS, "dry-run": { type: "boolean" }, unseen: { type: "boolean" } },
  positionals: [1, 32],
  run: async (args) => {
    const addresses = args.positionals.map(fullAddress);
    const dryRun = args.options["dry-run"] === true;
    const bound = bind(machineOf(args), addresses, { dryRun, unseen: args.options.unseen === true, print });
    if (dryRun) return 0;
    for (const address of addresses) {
      const back = `\`${samara(`unbind ${address}`)}\` gives it back`;
      print(bound.includes(address) ? `${address} is vfio-pci's now; ${back}` : `${address} was vfio-pci's already`);
    }
    return 0;
  },
};
