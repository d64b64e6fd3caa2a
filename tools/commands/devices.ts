/**
 * devices: the devices of running systems, and this machine's PCI devices with what stands between each and use.
 *
 *   --system NAME   of that system only
 *   --root DIR      another tree than / (DIR/sys, DIR/proc, DIR/dev)
 *   --json          one JSON object
 *
 * Under each real device stands what is in its way (the IOMMU is off, its group is shared, another driver has it, …)
 * and the command that helps.
 */
import { ControlClient } from "#runtime/control/client.ts";
import { listRunning } from "#runtime/control/socket.ts";
import type { DevicesAnswer, RunningDevice } from "../device/handlers.ts";
import type { Arguments, Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, RUN, show } from "../lib/remote.ts";
import { className } from "../pci/functions.ts";
import { formatId, formatList, listDevices } from "../pci/list.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";
import { machineObstacles } from "../pci/rules.ts";

interface Driven extends RunningDevice {
  readonly system: string;
}

/** Devices of the system that `--system` names, or of all that run. */
async function drivenDevices({ options }: Arguments): Promise<Driven[]> {
  const wanted = options.system as string | undefined;
  const systems = wanted === undefined ? await listRunning(RUN) : [wanted];
  const found: Driven[] = [];
  for (const system of systems) {
    const client = await ControlClient.connect(RUN, system);
    try {
      const { devices } = await client.request<DevicesAnswer>("devices");
      found.push(...devices.map((device) => ({ system, ...device })));
    } finally {
      client.close();
    }
  }
  return found;
}

function formatDriven(device: Driven): string {
  const { system, name, backend, identity, driver, state, gone, writable, faults, outstanding, event } = device;
  const title = `${name} of system ${system}  ${className(identity.classCode)} ${formatId(identity)}`;
  const facts = [
    backend,
    driver === null ? "no driver" : `driven by ${driver}`,
    gone ? "gone" : state,
    writable ? "writable" : "read-only",
    ...(outstanding === 0 ? [] : [`${outstanding} commands under way`]),
    ...(faults === 0 ? [] : [`${faults} faults of the device`]),
  ];
  return [title, `    ${facts.join(", ")}`, ...(event === null ? [] : [`    ${event}`])].join("\n");
}

export const command: Command = {
  options: { ...REMOTE_OPTIONS, ...MACHINE_OPTIONS },
  positionals: [0, 0],
  run: async (args) => {
    const machine = machineOf(args);
    const running = await drivenDevices(args);
    const [lacks, real] = [machineObstacles(machine), listDevices(machine)];
    show({ running, lacks, real }, args, () => [...running.map(formatDriven), formatList(lacks, real)].join("\n"));
    return 0;
  },
};
