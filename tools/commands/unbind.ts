/**
 * unbind BDF | --all: gives PCI devices back to the driver that they had before `bind`.
 *
 *   --all        everything that Samara took and nobody uses: also after a kill -9
 *   --dry-run    prints each write to /sys, and does none
 *   --root DIR   another tree than / (DIR/sys, DIR/proc, DIR/dev)
 *
 * A device that Samara did not take goes to whatever driver of the host matches it.
 */
import { UsageError, type Command } from "../lib/command.ts";
import { restore, restoreAll, type Restored } from "../pci/bind.ts";
import { fullAddress, readFunction } from "../pci/functions.ts";
import { readJournal } from "../pci/journal.ts";
import type { Machine } from "../pci/machine.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";
import { VFIO } from "../pci/rules.ts";

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function one(machine: Machine, address: string, dryRun: boolean): Restored {
  const { driver } = readFunction(machine, address);
  const noted = readJournal(machine).some((entry) => entry.address === address);
  if (driver === VFIO || noted) return { address, driver: restore(machine, address, { dryRun, print }), error: null };
  return { address, driver, error: `${address} is not vfio-pci's (driver: ${driver ?? "none"})` };
}

export const command: Command = {
  options: { ...MACHINE_OPTIONS, all: { type: "boolean" }, "dry-run": { type: "boolean" } },
  positionals: [0, 32],
  run: async (args) => {
    const all = args.options.all === true;
    if (all === args.positionals.length > 0) throw new UsageError("unbind: write: unbind BDF, or: unbind --all");
    const [machine, dryRun] = [machineOf(args), args.options["dry-run"] === true];
    const results = all
      ? restoreAll(machine, { dryRun, print })
      : args.positionals.map((address) => one(machine, fullAddress(address), dryRun));
    for (const { error } of results) if (error !== null) process.stderr.write(`samara: ${error}\n`);
    if (!dryRun)
      for (const { address, driver, error } of results)
        if (error === null) print(`${address}: ${driver ?? "no driver"}`);
    if (results.length === 0) print("nothing is left to give back");
    return results.every(({ error }) => error === null) ? 0 : 1;
  },
};
