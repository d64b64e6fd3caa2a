/**
 * devices: what PCI devices there are, and what stands between each and use.
 *
 *   --json       one JSON object
 *   --root DIR   another tree than / (DIR/sys, DIR/proc, DIR/dev)
 *
 * Under each device stands what is in its way (the IOMMU is off, its group is shared, another driver has it, …) and the
 * command that helps.
 */
import type { Command } from "../lib/command.ts";
import { show } from "../lib/remote.ts";
import { formatList, listDevices } from "../pci/list.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";
import { machineObstacles } from "../pci/rules.ts";

export const command: Command = {
  options: { ...MACHINE_OPTIONS, json: { type: "boolean" } },
  positionals: [0, 0],
  run: async (args) => {
    const machine = machineOf(args);
    const [lacks, real] = [machineObstacles(machine), listDevices(machine)];
    show({ lacks, real }, args, () => formatList(lacks, real));
    return 0;
  },
};
