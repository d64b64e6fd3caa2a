/**
 * The devices of a guest, as QEMU's arguments.
 *
 * Invariant: each names its slot on bus 0, so a test knows the address that the guest will see: 0000:00:SLOT.0.
 */

/** A device of a guest. */
export interface GuestDevice {
  /** 4 … 29: slots 0 to 3 and 31 are the machine's own. */
  readonly slot: number;
  /** What QEMU is told. */
  readonly args: readonly string[];
}

/** PCI address of a slot, as Linux writes it. */
export const bdf = (slot: number): string => `0000:00:${slot.toString(16).padStart(2, "0")}.0`;

/** QEMU reads a comma in a value as the end of it, unless it is written twice. */
const escaped = (value: string): string => value.replaceAll(",", ",,");

export interface NvmeOptions {
  readonly slot: number;
  /** Raw image; its size is the namespace's. */
  readonly file: string;
  readonly serial: string;
  /** QEMU's properties of `-device nvme`, such as `mdts=2`. */
  readonly properties?: readonly string[];
}

/** QEMU's own NVMe controller with one namespace. */
export function nvme({ slot, file, serial, properties = [] }: NvmeOptions): GuestDevice {
  const drive = `file=${escaped(file)},if=none,format=raw,id=disk${slot},discard=unmap`;
  const device = ["nvme", `drive=disk${slot}`, `serial=${escaped(serial)}`, `addr=${slot.toString(16)}`, ...properties];
  return { slot, args: ["-drive", drive, "-device", device.join(",")] };
}

/** A device that another process serves over vfio-user. @param socket where it listens. */
export function vfioUser(slot: number, socket: string): GuestDevice {
  const device = { driver: "vfio-user-pci", addr: slot.toString(16), socket: { path: socket, type: "unix" } };
  return { slot, args: ["-device", JSON.stringify(device)] };
}

/** A network card on QEMU's own network, which leads nowhere. */
export function network(slot: number): GuestDevice {
  const card = `virtio-net-pci,netdev=net${slot},addr=${slot.toString(16)}`;
  return { slot, args: ["-netdev", `user,id=net${slot},restrict=on`, "-device", card] };
}
