/**
 * The load and the NVMe driver in one domain: what is left when no interface stands between them.
 */
import { QueueLoadServer } from "idl/block-load";
import { NvmeServer } from "idl/nvme";
import { PciSlot } from "idl/pci";
import { Disk } from "../../../drivers/nvme/disk";
import { Driver } from "../../../drivers/nvme/driver";
import { Service } from "../../../drivers/nvme/service";
import { Loop } from "../queue-load/loop";

const driver = new Driver(PciSlot.use("slot"));
QueueLoadServer.provide(new Loop<Disk>(new Disk(driver)));
NvmeServer.provide(new Service(driver));

export function step(): i32 {
  return driver.step();
}
