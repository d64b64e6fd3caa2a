/**
 * `samara bind`, `unbind` and `selftest` on a real Linux: its sysfs, its md, LVM and swap, its routes, and QEMU's devices.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { buildNative } from "../../tools/native/build.ts";
import { bdf, network, nvme, type GuestDevice } from "../../tools/vm/devices.ts";
import { Guest } from "../../tools/vm/guest.ts";
import { LAB, MIB, Workspace, describeVm } from "./support.ts";

const SAMARA = "node --disable-warning=ExperimentalWarning tools/samara.ts";
const DISK = bdf(4);
const NIC = bdf(6);
const BYTES = 32 * MIB;

/** Two controllers as functions of one device: Linux has them in one IOMMU group. */
function twins(slot: number, files: readonly [string, string]): GuestDevice {
  const args = files.flatMap((file, i) => [
    "-drive",
    `file=${file},if=none,format=raw,id=twin${i}`,
    "-device",
    `nvme,drive=twin${i},serial=TWIN${i},addr=${slot.toString(16)}.${i}${i === 0 ? ",multifunction=on" : ""}`,
  ]);
  return { slot, args };
}

describeVm("devices of the guest", () => {
  const files = new Workspace();
  let guest: Guest;

  const samara = (args: string, before = ""): ReturnType<Guest["run"]> => guest.run(`${before}${SAMARA} ${args}`);
  const driver = (address: string): Promise<string> =>
    guest.must(`basename $(readlink -f /sys/bus/pci/devices/${address}/driver)`);
  /** What `bind` says when it refuses. */
  async function refused(address: string, before = ""): Promise<string> {
    const { status, output } = await samara(`bind ${address}`, before);
    expect(status, output).toBe(1);
    expect(output).toMatch(/^samara: refused:\n/);
    return output.slice("samara: refused:\n".length).replaceAll(`  ${address}: `, "");
  }

  /** Linux' name of the first controller's namespace; it appears a while after its driver. */
  async function nameOfDisk(): Promise<string> {
    const path = `/sys/bus/pci/devices/${DISK}/nvme/nvme*/nvme*n1`;
    return (await guest.must(`until ls -d ${path} >/dev/null 2>&1; do sleep 0.1; done; basename ${path}`)).trim();
  }

  const zero = (name: string): Promise<string> =>
    guest.must(`dd if=/dev/zero of=/dev/${name} bs=1M count=${BYTES / MIB} 2>&1`);

  beforeAll(async () => {
    buildNative();
    const disk = nvme({ slot: 4, file: files.image("disk", BYTES), serial: "BIND" });
    const twin = twins(7, [files.image("twin0", MIB), files.image("twin1", MIB)]);
    guest = await Guest.boot(LAB, { devices: [disk, network(6), twin] });
    await guest.must("modprobe nvme && modprobe vfio-pci && modprobe virtio_net");
    await guest.must("until [ -e /dev/nvme2n1 ]; do sleep 0.1; done");
  });
  afterAll(async () => {
    await guest?.close();
    files.remove();
  });

  test("bind, self-test, unbind; a dry run prints the writes and does none", async () => {
    const dry = await samara(`bind ${DISK} --dry-run`);
    expect(dry).toEqual({
      status: 0,
      output:
        `echo vfio-pci > /sys/bus/pci/devices/${DISK}/driver_override\n` +
        `echo ${DISK} > /sys/bus/pci/drivers/nvme/unbind\n` +
        `echo ${DISK} > /sys/bus/pci/drivers_probe\n`,
    });
    expect(await driver(DISK)).toBe("nvme\n");
    expect((await samara(`bind ${DISK}`)).status).toBe(0);
    expect(await driver(DISK)).toBe("vfio-pci\n");
    const report = await samara(`selftest ${DISK}`);
    expect(report.output).toMatch(/ QEMU NVMe Ctrl, firmware [^]*\n21 passed, 0 failed, 0 skipped\n$/);
    expect(await samara("unbind --all")).toEqual({ status: 0, output: `${DISK}: nvme\n` });
    expect(await driver(DISK)).toBe("nvme\n");
  });

  describe("a disk", () => {
    let name: string;
    beforeEach(async () => {
      name = await nameOfDisk();
      await zero(name);
    });

    test("with a file system, mounted or not", async () => {
      await guest.must(`mkfs.ext4 -q /dev/${name} && mount /dev/${name} /mnt`);
      expect(await refused(DISK)).toBe(`${name} is mounted at /mnt\n`);
      await guest.must("umount /mnt");
      expect(await refused(DISK)).toBe(`${name} carries an ext2, ext3 or ext4 file system\n`);
    });

    test("that is swap", async () => {
      await guest.must(`mkswap /dev/${name} && swapon /dev/${name}`);
      expect(await refused(DISK)).toBe(`${name} is swap\n`);
      await guest.must(`swapoff /dev/${name}`);
    });

    test("of an md array that runs, or rests", async () => {
      const member = `--level=1 --raid-devices=2 --metadata=1.0 --run /dev/${name} missing`;
      await guest.must(`mdadm --create /dev/md0 ${member} </dev/null 2>&1`);
      expect(await refused(DISK)).toBe(`${name} is part of the RAID array md0 (md)\n`);
      await guest.must("mdadm --stop /dev/md0 2>&1");
      expect(await refused(DISK)).toBe(`${name} carries a RAID member (md 1.0)\n`);
    });

    test("of LVM, with an active volume or without", async () => {
      await guest.must(`pvcreate /dev/${name} && vgcreate vg /dev/${name}`);
      expect(await refused(DISK)).toBe(`${name} carries an LVM physical volume\n`);
      await guest.must("lvcreate --noudevsync -Zn -Wn -l 2 -n lv vg");
      expect(await refused(DISK)).toBe(`${name} is part of the logical volume vg-lv (LVM)\n`);
      await guest.must("vgchange --noudevsync -an vg");
    });
  });

  test("the network interface of the default route, and of an SSH session", async () => {
    const eth = (await guest.must(`ls /sys/bus/pci/devices/${NIC}/virtio*/net`)).trim();
    // QEMU's network announces a route for IPv6, too.
    await guest.must(`echo 1 >/proc/sys/net/ipv6/conf/${eth}/disable_ipv6`);
    await guest.must(`ip link set ${eth} up && ip addr add 10.0.2.15/24 dev ${eth}`);
    await guest.must(`ip route add default via 10.0.2.2`);
    expect(await refused(NIC)).toBe(`its interface ${eth} carries the default route\n`);
    await guest.must("ip route del default");
    const ssh = "SSH_CONNECTION='10.0.2.2 50000 10.0.2.15 22' ";
    expect(await refused(NIC, ssh)).toBe(`its interface ${eth} carries this SSH session (to 10.0.2.2)\n`);
    expect((await samara(`bind ${NIC} --dry-run`)).status).toBe(0);
  });

  test("a function whose group mate is in use; both together may go, and come back", async () => {
    const [first, second] = [bdf(7), bdf(7).replace(/0$/, "1")];
    expect(await refused(first)).toMatch(
      new RegExp(`^its IOMMU group \\d+ also holds ${second} \\(nvme\\), which would be cut off; `),
    );
    expect((await samara(`bind ${first} ${second}`)).status).toBe(0);
    expect([await driver(first), await driver(second)]).toEqual(["vfio-pci\n", "vfio-pci\n"]);
    const back = await samara("unbind --all");
    expect(back.output).toBe(`${first}: nvme\n${second}: nvme\n`);
  });

  test("who takes a device and is killed gives it back; with its guard killed, unbind --all repairs", async () => {
    await zero(await nameOfDisk());
    const take = `node --disable-warning=ExperimentalWarning test/vm/guest/keep.ts ${DISK} >/lab/kept & echo $! >/lab/pid`;
    const taken = "until grep -q taken /lab/kept; do sleep 0.2; done";
    await guest.must(`${take}; ${taken}`);
    expect(await driver(DISK)).toBe("vfio-pci\n");
    await guest.must(`kill -9 $(cat /lab/pid); until [ -e /sys/bus/pci/drivers/nvme/${DISK} ]; do sleep 0.2; done`);
    await guest.must(`rm /lab/kept; ${take}; ${taken}`);
    await guest.must("kill -9 $(grep -l guard.ts /proc/[0-9]*/cmdline | cut -d/ -f3) $(cat /lab/pid)");
    expect(await driver(DISK)).toBe("vfio-pci\n");
    const { output } = await samara("doctor");
    expect(output).toContain("a system that has ended did not give it back to nvme");
    expect(await samara("unbind --all")).toEqual({ status: 0, output: `${DISK}: nvme\n` });
  });
});
