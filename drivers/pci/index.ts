/**
 * The bus driver: looks what devices there are, once, and hands each to the drivers of its kind.
 *
 * It holds a capability to every device and drives none. Invariant: a slot hands out devices of its kind only, in the
 * bus's order, and the same ones to each life of a driver.
 */
import { PciBus, PciDevice, PciError, PciSlotClaimResult, PciSlotServer } from "idl/pci";
import { KINDS, Match } from "./match";

const bus = PciBus.use("bus");

class Slot extends PciSlotServer {
  private devices: Array<PciDevice> = new Array<PciDevice>();

  constructor(private kind: Match) {
    super();
  }

  /** Keeps a device that is of this kind. @returns whether it is */
  offer(device: PciDevice): bool {
    const it = device.identity();
    if (!it.ok || !this.kind.fits(it.classCode, it.vendor, it.device)) return false;
    this.devices.push(device);
    return true;
  }

  claim(index: u32): PciSlotClaimResult {
    if (index >= <u32>this.devices.length) return PciSlotClaimResult.err(PciError.Invalid);
    return PciSlotClaimResult.ok(this.devices[index]);
  }
}

const slots = new Array<Slot>();
for (let i = 0; i < KINDS.length; i++) {
  const slot = new Slot(KINDS[i]);
  slots.push(slot);
  PciSlotServer.provide(slot);
}

/** A device goes to the first kind that it fits. */
function place(device: PciDevice): void {
  for (let i = 0; i < slots.length; i++) if (slots[i].offer(device)) return;
}

const count = bus.count();
if (count.ok)
  for (let i: u32 = 0, end = count.value; i < end; i++) {
    const device = bus.device(i);
    if (device.ok) place(device.value);
  }
