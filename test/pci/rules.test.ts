/**
 * Each rule of `bind` that keeps a device from being taken, and its message; and what may be taken all the same.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { bind } from "#tools/pci/bind.ts";
import { readFunction } from "#tools/pci/functions.ts";
import { listDevices } from "#tools/pci/list.ts";
import { refusals, type RuleOptions } from "#tools/pci/rules.ts";
import { PaperMachine } from "./host.ts";

const NVME = "0000:00:04.0";
const NIC = "0000:00:05.0";

let host: PaperMachine;
beforeEach(() => {
  host = new PaperMachine();
});
afterEach(() => host.remove());

const reasons = (address: string, options?: RuleOptions): string[] =>
  refusals(host, readFunction(host, address), options);

function nvme(partitions = 0): void {
  host.function(NVME, { driver: "nvme" });
  host.disk(NVME, "nvme0n1", { partitions });
}

const mounted = (device: string, source: string, point = "/data"): void =>
  host.file("/proc/self/mountinfo", `29 1 ${device} / ${point} rw,relatime shared:1 - ext4 ${source} rw\n`);

test("an unused, empty disk may be taken", () => {
  nvme(2);
  expect(reasons(NVME)).toEqual([]);
});

describe("a disk in use stays", () => {
  test("mounted", () => {
    nvme();
    mounted("259:0", "/dev/nvme0n1");
    expect(reasons(NVME)).toEqual(["nvme0n1 is mounted at /data"]);
  });
  test("a partition is mounted, at a place with a blank", () => {
    nvme(2);
    mounted("259:2", "/dev/nvme0n1p2", String.raw`/my\040data`);
    expect(reasons(NVME)).toEqual(["nvme0n1p2 is mounted at /my data"]);
  });
  test("mounted with a device number of the file system's own (Btrfs)", () => {
    nvme(1);
    mounted("0:44", "/dev/nvme0n1p1");
    expect(reasons(NVME)).toEqual(["nvme0n1p1 is mounted at /data"]);
  });
  test("mounted under another name of the device", () => {
    nvme(1);
    host.symlink("/dev/disk/by-uuid/1234", "/dev/nvme0n1p1");
    mounted("0:44", "/dev/disk/by-uuid/1234");
    expect(reasons(NVME)).toEqual(["nvme0n1p1 is mounted at /data"]);
  });
  test("swap", () => {
    nvme(1);
    host.file("/proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n/dev/nvme0n1p1   partition\t1024\t0\t-2\n");
    expect(reasons(NVME)).toEqual(["nvme0n1p1 is swap"]);
  });
  test("part of an md array, whose file system is mounted", () => {
    nvme(1);
    host.holder("nvme0n1p1", "md0");
    mounted("259:2", "/dev/md0");
    expect(reasons(NVME)).toEqual([
      "nvme0n1p1 is part of the RAID array md0 (md)",
      "nvme0n1p1 → md0 is mounted at /data",
    ]);
  });
  test("an LVM volume on LUKS on a partition is swap", () => {
    nvme(1);
    host.holder("nvme0n1p1", "dm-0", { "dm/uuid": "CRYPT-LUKS2-1", "dm/name": "cryptroot" });
    host.holder("dm-0", "dm-1", { "dm/uuid": "LVM-abc", "dm/name": "vg-swap" });
    host.file("/proc/swaps", "Filename\tType\n/dev/dm-1 partition\n");
    expect(reasons(NVME)).toEqual([
      "nvme0n1p1 is part of the encrypted volume cryptroot (dm-crypt)",
      "nvme0n1p1 → dm-0 is part of the logical volume vg-swap (LVM)",
      "nvme0n1p1 → dm-0 → dm-1 is swap",
    ]);
  });
  test("part of something else of the device mapper", () => {
    nvme();
    host.holder("nvme0n1", "dm-0", { "dm/uuid": "mpath-1", "dm/name": "mpatha" });
    expect(reasons(NVME)).toEqual(["nvme0n1 is part of mpatha (device mapper)"]);
  });
  test("part of a ZFS pool", () => {
    nvme(1);
    host.folder("/sys/module/zfs");
    host.programs.set("zpool", { code: 0, out: "  pool: tank\n\tNAME\n\ttank\n\t  /dev/nvme0n1p1  ONLINE\n" });
    expect(reasons(NVME)).toEqual(["nvme0n1p1 is part of a ZFS pool"]);
  });
  test("held by somebody of whom nothing else shows", () => {
    nvme(1);
    host.busy.add("/dev/nvme0n1p1");
    expect(reasons(NVME)).toEqual([
      "nvme0n1p1 is held by the kernel or another program (an exclusive open is refused)",
    ]);
  });
  test("a disk behind the multipath layer is the function's too", () => {
    host.function(NVME, { driver: "nvme" });
    host.folder(`/sys/devices/pci0000:00/${NVME}/nvme/nvme3`);
    const subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0";
    host.symlink("/sys/class/nvme-subsystem/nvme-subsys0", subsystem);
    host.symlink(`${subsystem}/nvme3`, `/sys/devices/pci0000:00/${NVME}/nvme/nvme3`);
    host.file(`${subsystem}/nvme0n1/dev`, "259:9\n");
    host.symlink("/sys/class/block/nvme0n1", `${subsystem}/nvme0n1`);
    mounted("259:9", "/dev/nvme0n1", "/");
    expect(reasons(NVME)).toEqual(["nvme0n1 is mounted at /"]);
  });
  test("a SATA disk with a file system behind an AHCI controller", () => {
    host.function(NVME, { driver: "ahci", class: 0x010601 });
    host.disk(NVME, "sda", { below: "ata1/host0/target0:0:0/0:0:0:0/block" });
    host.file(
      "/dev/sda",
      Uint8Array.from({ length: 8192 }, (_, i) => [0x53, 0xef][i - 1080] ?? 0),
    );
    host.file(`/sys/devices/pci0000:00/${NVME}/ata1/host0/target0:0:0/0:0:0:0/block/sda/size`, "16\n");
    expect(reasons(NVME)).toEqual(["sda carries an ext2, ext3 or ext4 file system"]);
  });
});

test("a virtual machine's way to its folders stays", () => {
  const path = host.function(NVME, { driver: "virtio-pci", class: 0x018000 });
  host.driver("virtiofs");
  host.symlink(`${path}/virtio2/driver`, "/sys/bus/pci/drivers/virtiofs");
  expect(reasons(NVME)).toEqual(["folders of the host of this virtual machine come through it (virtiofs)"]);
});

describe("a disk that nobody can look at stays", () => {
  test("no driver shows it", () => {
    host.function(NVME);
    expect(reasons(NVME)).toEqual([
      "no driver is bound to it, so nobody can see what is on it; let its own have it first " +
        "(echo 0000:00:04.0 | sudo tee /sys/bus/pci/drivers_probe), or say --unseen when you know that it holds nothing",
    ]);
    expect(reasons(NVME, { unseen: true })).toEqual([]);
  });
  test("its driver shows no disk: another program's, or a controller that hides it", () => {
    host.function(NVME, { driver: "uio_pci_generic" });
    expect(reasons(NVME)).toEqual([
      "its driver uio_pci_generic shows no disk of it; say --unseen when you know that it holds nothing",
    ]);
    expect(reasons(NVME, { unseen: true })).toEqual([]);
  });
  test("what vfio-pci has already was looked at before", () => {
    host.function(NVME, { driver: "vfio-pci" });
    expect(reasons(NVME)).toEqual([]);
  });
  test("its file in /dev is missing, or shorter than the disk", () => {
    nvme();
    host.file("/dev/nvme0n1", new Uint8Array(512));
    const early = "/dev/nvme0n1 cannot be read: it ends early, so nobody knows what is on it; run this as root";
    expect(reasons(NVME)).toEqual([early]);
    host.delete("/dev/nvme0n1");
    expect(reasons(NVME)).toEqual([early.replace("it ends early", "there is no such file")]);
  });
});

describe("a network interface that the host needs stays", () => {
  const nic = (name = "eth0"): void => {
    host.function(NIC, { class: 0x020000, driver: "e1000e" });
    host.interface(name, NIC);
  };
  test("one of no use may be taken", () => {
    nic();
    host.function(NVME, { class: 0x020000 });
    host.interface("eth1", NVME);
    host.routes("eth1 0.0.0.0/0", "eth0 10.1.0.0/16");
    expect(reasons(NIC)).toEqual([]);
  });
  test("the default route", () => {
    nic();
    host.routes("eth0 0.0.0.0/0");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries the default route"]);
  });
  test("the default route of IPv6", () => {
    nic();
    const zero = "0".repeat(32);
    host.file("/proc/net/ipv6_route", `${zero} 00 ${zero} 00 fe80${"0".repeat(28)} 400 3 0 00000003     eth0\n`);
    expect(reasons(NIC)).toEqual(["its interface eth0 carries the default route"]);
  });
  test("the default route over a VLAN on a bond", () => {
    nic();
    host.interface("bond0", null, ["eth0"]);
    host.interface("bond0.7", null, ["bond0"]);
    host.routes("bond0.7 0.0.0.0/0");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries the default route, through bond0.7"]);
  });
  test("the default route over a bridge, as an older kernel shows it", () => {
    nic();
    host.interface("br0", null);
    host.folder("/sys/class/net/br0/brif/eth0");
    host.routes("br0 0.0.0.0/0");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries the default route, through br0"]);
  });
  test("a tunnel may run over any interface with a route", () => {
    nic();
    host.interface("wg0", null);
    host.routes("wg0 0.0.0.0/0", "eth0 192.0.2.0/24");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries the default route, through wg0"]);
  });
  test("this SSH session, over the longest route to its client", () => {
    nic();
    host.env.SSH_CONNECTION = "198.51.100.7 50000 198.51.100.1 22";
    host.routes("eth2 198.0.0.0/8", "eth0 198.51.100.0/24");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries this SSH session (to 198.51.100.7)"]);
  });
  test("a session over IPv6, and one that names its interface", () => {
    nic();
    const zero = "0".repeat(32);
    const net = `20010db8${"0".repeat(24)}`;
    host.file("/proc/net/ipv6_route", `${net} 20 ${zero} 00 ${zero} 100 1 0 00000001     eth0\n`);
    host.env.SSH_CONNECTION = "2001:db8::7 50000 2001:db8::1 22";
    expect(reasons(NIC)).toEqual(["its interface eth0 carries this SSH session (to 2001:db8::7)"]);
    host.env.SSH_CONNECTION = "fe80::7%eth0 50000 fe80::1%eth0 22";
    expect(reasons(NIC)).toContain("its interface eth0 carries this SSH session (to fe80::7%eth0)");
    host.routes("eth0 192.0.2.0/24");
    host.env.SSH_CONNECTION = "::ffff:192.0.2.7 50000 ::ffff:192.0.2.1 22";
    expect(reasons(NIC)).toEqual(["its interface eth0 carries this SSH session (to ::ffff:192.0.2.7)"]);
  });
  test("sudo took SSH_CONNECTION out of the environment: an ancestor has it", () => {
    nic();
    host.file(`/proc/${host.pid}/environ`, "PATH=/bin\0");
    host.file(`/proc/${host.pid}/stat`, `${host.pid} (node (x) S) S 40 1 1 0`);
    host.file("/proc/40/environ", "SHELL=/bin/sh\0SSH_CONNECTION=192.0.2.7 1 192.0.2.1 22\0");
    host.routes("eth0 192.0.2.0/24");
    expect(reasons(NIC)).toEqual(["its interface eth0 carries this SSH session (to 192.0.2.7)"]);
  });
});

describe("IOMMU groups", () => {
  test("a mate with a driver would be cut off; bound together they may go", () => {
    host.function(NVME, { driver: "nvme", group: 7 });
    host.disk(NVME, "nvme0n1");
    host.function(NIC, { driver: "e1000e", class: 0x020000, group: 7 });
    host.function("0000:00:06.0", { group: 7, class: 0x0c0330 });
    host.function("0000:00:1c.0", { driver: "pcieport", class: 0x060400, header: 1, group: 7 });
    expect(reasons(NVME)).toEqual([
      "its IOMMU group 7 also holds 0000:00:05.0 (e1000e), which would be cut off; when none of them is needed, " +
        "bind all at once: sudo npm run samara -- bind 0000:00:04.0 0000:00:05.0",
    ]);
    expect(reasons(NVME, { together: [NVME, NIC] })).toEqual([]);
  });
  test("a bridge is never taken", () => {
    host.function("0000:00:1c.0", { driver: "pcieport", class: 0x060400, header: 1 });
    expect(reasons("0000:00:1c.0")).toEqual(["it is a bridge: other devices are behind it"]);
  });
  test("bind refuses without an IOMMU, or a group, or vfio-pci", () => {
    host.function(NVME, { driver: "nvme", group: null });
    host.disk(NVME, "nvme0n1");
    expect(() => bind(host, [NVME], { print: () => {} })).toThrow(
      "refused:\n  0000:00:04.0: the IOMMU is off; switch VT-d on in the firmware's setup; then sudo sed -i ",
    );
    host.folder("/sys/kernel/iommu_groups/1");
    expect(() => bind(host, [NVME], { print: () => {} })).toThrow(
      "0000:00:04.0: it is in no IOMMU group: the IOMMU does not cover it",
    );
    host.delete("/sys/bus/pci/drivers/vfio-pci");
    expect(() => bind(host, [NVME], { print: () => {} })).toThrow(
      "0000:00:04.0: the module vfio-pci is not loaded; sudo modprobe vfio-pci",
    );
  });
});

test("devices says for each what is in its way, and the command that helps", () => {
  nvme();
  host.function(NIC, { driver: "vfio-pci", class: 0x020000, group: 9 });
  host.function("0000:00:06.0", { driver: "xhci_hcd", class: 0x0c0330, group: 9 });
  host.function("0000:00:1c.0", { driver: "pcieport", class: 0x060400, header: 1 });
  const found = Object.fromEntries(listDevices(host).map((device) => [device.address, device.obstacles]));
  expect(found).toEqual({
    [NVME]: [{ what: "it is bound to another driver, nvme", help: "sudo npm run samara -- bind 0000:00:04.0" }],
    [NIC]: [
      {
        what: "its group 9 is shared with 0000:00:06.0 (xhci_hcd)",
        help: "sudo npm run samara -- bind 0000:00:06.0",
      },
      { what: "this user may not open /dev/vfio/9", help: 'sudo chown "$USER" /dev/vfio/9' },
    ],
    "0000:00:06.0": [
      { what: "it is bound to another driver, xhci_hcd", help: "sudo npm run samara -- bind 0000:00:06.0" },
    ],
    "0000:00:1c.0": [],
  });
});
