/**
 * `kernel.pci`: the bus with all devices of a system, and their back ends at boot and at the end.
 *
 * Invariant: what the bus hands out is a capability to the kernel's own `PciDevice`, never to a back end.
 */
import type { DeviceBackend } from "../../kernel/device/backend.ts";
import { KernelError } from "../../kernel/errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { PCI_DEVICE, type ResolvedDevice } from "../../kernel/manifest/manifest.ts";
import { targetOf } from "../../kernel/domain/imports.ts";
import { FIRST_HANDLE } from "../../shared-heap/layout.ts";
import { answer, refused } from "./lifecycle.ts";
import type { Service, System } from "./system.ts";

/** Makes the back end of one device of the manifest. What it throws ends the boot. */
export type DeviceFactory = (entry: ResolvedDevice, system: System) => DeviceBackend | Promise<DeviceBackend>;

/** The one object of the interface `PciBus`. */
export function pciBusService(kernel: Kernel): Service {
  const { devices, hostDomain, linker } = kernel;
  return [
    {
      count: () => answer(devices.all.length),
      name: (index: number) => (index < devices.all.length ? answer(devices.all[index]!.name) : refused("Invalid")),
      device: (index: number) => {
        if (index >= devices.all.length) return refused("Invalid");
        const capability = linker.grant(hostDomain, targetOf(hostDomain, PCI_DEVICE, index));
        return capability < FIRST_HANDLE ? refused("NoMemory") : answer({ capability });
      },
    },
  ];
}

/** Makes every device's back end, and lets it see its arenas. @throws KernelError (link) */
export async function attachDevices(system: System, make: DeviceFactory | undefined): Promise<void> {
  for (const entry of system.manifest.devices ?? []) {
    if (make === undefined)
      throw new KernelError("link", `device ${entry.name}: the program gives the system no devices`);
    let backend;
    try {
      backend = await make(entry, system);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new KernelError("link", `device ${entry.name} (${entry.backend}): ${why}`, { cause: error });
    }
    await system.kernel.devices.add(entry, backend);
  }
}
