/**
 * The NVMe driver: a block device over an NVM Express controller.
 *
 * `step` keeps the controller going: it is called after each interrupt, and while something is under way. Invariant:
 * nothing here waits at start; a device that is missing, hangs or lies ends no life of this domain.
 */
import { BlockDeviceServer } from "idl/block-device";
import { ClosingCloseResult, ClosingServer } from "idl/closing";
import { NvmeServer } from "idl/nvme";
import { PciSlot } from "idl/pci";
import { Disk } from "./disk";
import { Driver } from "./driver";
import { Service } from "./service";

const driver = new Driver(PciSlot.use("slot"));

/** Tells the controller that it may lose power. */
class End extends ClosingServer {
  close(): ClosingCloseResult {
    if (driver.isReady) driver.shutDown();
    return ClosingCloseResult.ok();
  }
}

BlockDeviceServer.provide(new Disk(driver));
NvmeServer.provide(new Service(driver));
ClosingServer.provide(new End());

export function step(): i32 {
  return driver.step();
}
