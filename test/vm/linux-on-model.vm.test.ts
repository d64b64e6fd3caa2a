/**
 * Linux's own nvme driver on our NVMe model, which another process serves over vfio-user behind QEMU's IOMMU.
 *
 * The model is right when Linux is content with it: file system, load with verified data, what nvme-cli reads, errors.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { vfioUser } from "../../tools/vm/devices.ts";
import { Guest } from "../../tools/vm/guest.ts";
import { guestProgram } from "../../tools/vm/lab.ts";
import { ServedModel } from "../support/served.ts";
import { LAB, MIB, Workspace, describeVm } from "./support.ts";

const SERIAL = "SAMARA-VM-1";
const BYTES = 64 * MIB;
/** What the kernel prints when something went wrong with a device or with the driver. */
const TROUBLE = /DMAR: .*fault|nvme.*(?:timeout|[Ff]ail|error|disabl|invalid|warn)|I\/O error|Call Trace|WARNING|BUG/;

describeVm("Linux's nvme driver on our model", () => {
  const files = new Workspace();
  const disk = join(files.dir, "disk");
  let model: ServedModel;
  let guest: Guest;

  beforeAll(async () => {
    const options = [`file=${disk}`, `bytes=${BYTES}`, `serial=${SERIAL}`, "readyMs=50"];
    model = await ServedModel.start(join(files.dir, "nvme.sock"), options);
    guest = await Guest.boot(LAB, { devices: [vfioUser(4, model.socket)] });
  });
  afterAll(async () => {
    await guest?.close();
    await model?.stop();
    files.remove();
  });

  /** Lines of dmesg since the last call that speak of trouble. */
  async function trouble(): Promise<string[]> {
    const lines = (await guest.must("dmesg -c")).split("\n");
    return lines.filter((line) => TROUBLE.test(line));
  }

  test("is found, with all its queues, and nvme-cli reads it sensibly", async () => {
    const [state, model_, serial] = (await guest.must("cd /sys/class/nvme/nvme0; cat state model serial")).split("\n");
    expect([state, serial!.trim()]).toEqual(["live", SERIAL]);
    expect(model_).toMatch(/Samara/i);
    expect(Number(await guest.must("cat /sys/block/nvme0n1/size"))).toBe(BYTES / 512);
    const controller = JSON.parse(await guest.must("nvme id-ctrl -o json /dev/nvme0")) as Record<string, unknown>;
    expect(controller).toMatchObject({ vid: 0x1af4, ver: 0x10400, nn: 1, vwc: expect.any(Number) as number });
    expect((controller.vwc as number) & 1).toBe(1);
    const namespace = JSON.parse(await guest.must("nvme id-ns -o json /dev/nvme0n1")) as Record<string, unknown>;
    expect(namespace).toMatchObject({ nsze: BYTES / 512, ncap: BYTES / 512, mc: 0, dps: 0 });
    const smart = JSON.parse(await guest.must("nvme smart-log -o json /dev/nvme0")) as Record<string, number>;
    expect(smart).toMatchObject({ critical_warning: 0, media_errors: 0, percent_used: 0 });
    expect(smart.temperature).toBeGreaterThan(273);
    expect(smart.temperature).toBeLessThan(373);
    expect(await guest.must("nvme error-log -e 4 /dev/nvme0")).toMatch(/error_count\s*:\s*0/);
    expect(await guest.must("nvme fw-log /dev/nvme0; nvme get-feature -f 7 -H /dev/nvme0")).toMatch(/Queue/);
    expect(await trouble()).toEqual([]);
  });

  test("mkfs, mount, fio with verified data, unmount, fsck", async () => {
    await guest.must(
      `mkfs.ext4 -q -E nodiscard /dev/nvme0n1; mkdir -p /run/mnt; mount -o discard /dev/nvme0n1 /run/mnt`,
    );
    const job = "--size=12M --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 --fsync=64 --randrepeat=0";
    const mixed = "--name=small --rw=randrw --bs=4k --iodepth=32";
    // 256 KiB: larger than one command may be, so Linux splits it; 36 KiB: a PRP list that does not fill its page.
    const large = "--name=large --rw=write --bsrange=36k-256k --iodepth=4";
    await guest.must(`cd /run/mnt; fio ${job} ${mixed} ${large} --minimal`);
    await guest.must("head -c 3000000 /dev/urandom > /run/mnt/kept; cp /run/mnt/kept /run/kept; rm /run/mnt/small*");
    await guest.must("fstrim /run/mnt; umount /run/mnt; fsck.ext4 -f -n /dev/nvme0n1");
    await guest.must(
      "echo 3 > /proc/sys/vm/drop_caches; mount -o ro /dev/nvme0n1 /run/mnt; cmp /run/kept /run/mnt/kept",
    );
    await guest.must("umount /run/mnt");
    expect(await trouble()).toEqual([]);
  });

  test("write zeroes, discard and flush do what they say", async () => {
    const at = "conv=notrunc oflag=direct status=none";
    await guest.must(`tr '\\0' 'x' </dev/zero | head -c 1048576 > /run/x`);
    await guest.must(`dd if=/run/x of=/dev/nvme0n1 bs=64k seek=900 count=4 ${at}`);
    // Logical blocks 115208 to 115215: the second 4 KiB of what was written. The count is 0's based.
    await guest.must("nvme write-zeroes /dev/nvme0n1 -s 115208 -c 7; nvme flush /dev/nvme0n1 -n 1");
    const read = (block: number): Promise<string> =>
      guest.must(`dd if=/dev/nvme0n1 bs=4k skip=${block} count=1 iflag=direct status=none | tr '\\0' 0 | head -c 4`);
    expect([await read(14_400), await read(14_401), await read(14_402)]).toEqual(["xxxx", "0000", "xxxx"]);
    await guest.must("blkdiscard -o 58982400 -l 65536 /dev/nvme0n1");
    expect(await read(14_402)).toBe("0000");
    expect(await trouble()).toEqual([]);
  });

  test("an error of the medium is Linux's error, and is in the error log; a command that is lost is aborted", async () => {
    // Do Not Retry is set: without it, Linux asks again and hears nothing bad.
    model.inject("error:opcode=2,status=0x4281");
    const failed = await guest.run("dd if=/dev/nvme0n1 of=/dev/null bs=4k count=1 skip=9 iflag=direct");
    expect(failed).toMatchObject({ status: 1 });
    expect(failed.output).toContain("No data available");
    expect(await guest.must("nvme error-log -e 1 /dev/nvme0")).toMatch(/error_count\s*:\s*[1-9]/);
    expect((await guest.must("dmesg -c")).match(/critical medium error/)).not.toBeNull();
    await guest.must("echo 1000 > /sys/class/block/nvme0n1/queue/io_timeout");
    model.inject("lost-completion:opcode=2");
    await guest.must("dd if=/dev/nvme0n1 of=/dev/null bs=4k count=1 skip=9 iflag=direct status=none");
    expect(await guest.must("dmesg -c")).toMatch(/timeout/);
    expect((await guest.must("cat /sys/class/nvme/nvme0/state")).trim()).toBe("live");
  });

  test("survives a reset of the controller and of the function, and being taken away and given back", async () => {
    await guest.must("nvme reset /dev/nvme0");
    await guest.must(
      "cd /sys/bus/pci/drivers/nvme; echo 0000:00:04.0 > unbind; echo 1 > ../../devices/0000:00:04.0/reset",
    );
    await guest.must(
      "cd /sys/bus/pci/drivers/nvme; echo 0000:00:04.0 > bind; for i in $(seq 50); do [ -e /dev/nvme0n1 ] && break; sleep 0.1; done",
    );
    await guest.must("fsck.ext4 -f -n /dev/nvme0n1");
    expect(await trouble()).toEqual([]);
  });

  test("what Linux wrote is in the file, and stays there when the guest is off", async () => {
    const seen = (await guest.must("sync; echo 3 > /proc/sys/vm/drop_caches; sha256sum </dev/nvme0n1")).split(" ")[0];
    await guest.close();
    expect(await model.stop()).toBe(0);
    const bytes = readFileSync(disk);
    expect(bytes.length).toBe(BYTES);
    expect(createHash("sha256").update(bytes).digest("hex")).toBe(seen);
    const fsck = guestProgram(LAB, "usr/sbin/e2fsck");
    const run = spawnSync(fsck.file, [...fsck.args, "-f", "-n", disk], { encoding: "utf8" });
    expect(run.status, run.stdout + run.stderr).toBe(0);
  });
});
