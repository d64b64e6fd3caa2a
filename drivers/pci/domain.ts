/**
 * Descriptor of the bus driver. One slot for each kind of driver: see match.ts.
 */
import { defineDomain } from "#kernel/manifest/manifest.ts";

export default defineDomain({
  description: "Finds the devices on the PCI bus and gives each driver those of its kind",
  provides: { nvme: "PciSlot", ixgbe: "PciSlot" },
  uses: { bus: "PciBus" },
  runtime: "stub",
  limits: { memoryPages: 2, heapObjects: 0, heapBytes: 0 },
});
