/**
 * The vfio back end (drivers/vfio) through a real vfio-pci and an IOMMU, on devices that others wrote: QEMU's.
 */
import { relative } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ROOT } from "../../tools/lib/paths.ts";
import { buildNative } from "../../tools/native/build.ts";
import { bdf, nvme } from "../../tools/vm/devices.ts";
import { Guest } from "../../tools/vm/guest.ts";
import { LAB, MIB, Workspace, describeVm } from "./support.ts";

const ONES = 0xffff_ffff;
const NVME = 4;
const EDU = 5;
/** What `drivers/vfio/vfio.ts` says when the system asks for a device. */
const ASKED = "gone: the system asks for the device back: it is being unbound or removed";

describeVm("vfio", () => {
  const files = new Workspace();
  let guest: Guest;
  const native = (): string => `/samara/${relative(ROOT, buildNative())}`;

  beforeAll(async () => {
    const edu = { slot: EDU, args: ["-device", `edu,addr=${EDU}`] };
    const disk = nvme({ slot: NVME, file: files.image("disk", 8 * MIB), serial: "VFIO1" });
    guest = await Guest.boot(LAB, { devices: [disk, edu] });
    await guest.must(`. tools/vm/guest/vfio.sh; vfio ${bdf(NVME)} ${bdf(EDU)}`);
  });
  afterAll(async () => {
    await guest?.close();
    files.remove();
  });

  test("QEMU's NVMe: registers, memory, MSI-X, reset, and what the IOMMU refuses", async () => {
    // As an administrator who takes the device away while it is in use.
    const unbind = guest.start(
      `until [ -e /lab/unbind ]; do sleep 0.1; done; echo ${bdf(NVME)} >/sys/bus/pci/drivers/vfio-pci/unbind`,
    );
    const output = await guest.must(`node test/vm/guest/vfio-nvme.ts ${native()} ${bdf(NVME)}`);
    expect(JSON.parse(output)).toEqual({
      huge: { bytes: expect.toSatisfy((bytes) => bytes === 2 * MIB || bytes === 4 * MIB), reason: expect.any(String) },
      name: `vfio:${bdf(NVME)}`,
      identity: expect.objectContaining({ vendor: 0x1b36, device: 0x10, classCode: 0x01_08_02 }),
      bars: [16_384, 0, 0, 0, 0, 0].map((bytes) => ({ bytes })),
      beforeStart: ONES,
      vectors: 4,
      version: 0x1_0400,
      status: 0,
      serial: "VFIO1",
      interrupts: 1,
      second: expect.stringMatching(/^EBUSY: \/sys\/bus\/pci\/devices\/0000:00:04\.0: /),
      untouched: true,
      quiet: { command: 2, register: ONES },
      configurationAfterReset: 0,
      statusAfterReset: 0,
      serialAfterReset: "VFIO1",
      interruptsAfterReset: 1,
      notDecoding: ONES,
      decoding: 0x1_0400,
      missing: expect.stringMatching(/^ENOENT: .*1e\.7\/iommu_group \(no such device, or no IOMMU\)/),
      events: [ASKED],
      closed: ONES,
    });
    expect((await unbind.ended()).status).toBe(0);
    expect(await guest.must("dmesg")).toMatch(/DMAR: .*Request device \[00:04\.0\] fault addr 0x400000/);
  });

  test("QEMU's teaching device: MSI, memory both ways, no byte outside of its window", async () => {
    const output = await guest.must(`node test/vm/guest/vfio-edu.ts ${native()} ${bdf(EDU)}`);
    expect(JSON.parse(output)).toEqual({
      vectors: 1,
      identification: 0x010_000ed,
      inverted: 0xedcb_a987,
      copied: 0xfeed_f00d,
      outside: 0,
      fired: 1,
      afterReset: 0x010_000ed,
    });
  });
});
