/**
 * Samara in a guest: our NVMe driver on a device that others wrote, QEMU's, through vfio-pci and an IOMMU.
 *
 * What the driver wrote is compared with the image on this machine, so neither side can be wrong in the same way.
 */
import { closeSync, openSync, readSync, writeFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { bdf, nvme } from "../../tools/vm/devices.ts";
import { Guest } from "../../tools/vm/guest.ts";
import { BLOCK, contents } from "../recovery/disk.ts";
import { LAB, MIB, Workspace, describeVm } from "./support.ts";

const SLOT = 4;
const BYTES = 8 * MIB;
/** Far more than it takes: two emulated processors on a busy machine of two are the slowest of all. */
const RUN_MS = 420_000;
const TEST_MS = RUN_MS + 120_000;
const SEED = Number(process.env.SAMARA_SEED ?? 7);

interface Report {
  readonly interrupts: number;
  readonly errors: number;
  readonly done: number;
  readonly versions: readonly number[];
}

/** Blocks of the image that do not hold what the driver's clients were told. */
function differing(image: string, versions: readonly number[]): number[] {
  const file = openSync(image, "r");
  const block = Buffer.alloc(BLOCK);
  const wrong = versions.flatMap((version, i) => {
    readSync(file, block, 0, BLOCK, i * BLOCK);
    return block.equals(contents(i, version)) ? [] : [i];
  });
  closeSync(file);
  return wrong;
}

describeVm("our NVMe driver on QEMU's controller", () => {
  const files = new Workspace();
  afterAll(() => files.remove());

  test.each([
    [1, 4],
    [2, 2],
  ])(
    "%i processors: interrupts, polling, %i crashes in mid-load",
    { timeout: TEST_MS },
    async (processors, crashes) => {
      const serial = `REAL${processors}`;
      const image = files.image(serial, BYTES);
      const guest = await Guest.boot(LAB, { devices: [nvme({ slot: SLOT, file: image, serial })], processors });
      try {
        await guest.must(`. tools/vm/guest/vfio.sh; vfio ${bdf(SLOT)}`);
        const output = await guest.must(
          `node test/vm/guest/nvme-load.ts ${bdf(SLOT)} ${serial} ${crashes} ${SEED}`,
          RUN_MS,
        );
        const report = JSON.parse(output) as Report;
        expect(report, `seed ${SEED}`).toMatchObject({
          model: "QEMU NVMe Ctrl",
          bytes: BYTES,
          lies: 0,
          errors: 0,
          calm: { faults: 0 },
          faults: Array.from({ length: crashes }, () => "nvme"),
          problems: [],
          reports: ["opened", ...Array.from({ length: crashes }, () => ["closed", "opened"]).flat()],
        });
        expect(report.interrupts).toBeGreaterThan(0);
        expect(report.versions.filter((version) => version > 0).length).toBeGreaterThan(report.versions.length / 2);
        // No stray access: all that the device did was within its windows.
        expect((await guest.must("dmesg")).match(/DMAR:.*fault/i)).toBeNull();
        await guest.close();
        expect(differing(image, report.versions), `seed ${SEED}`).toEqual([]);
      } finally {
        await guest.close();
      }
    },
  );

  test(
    "a hostile driver gets nothing past the kernel, is named, and its next life finds a device that works",
    { timeout: TEST_MS },
    async () => {
      const image = files.image("hostile", BYTES);
      writeFileSync(image, Buffer.alloc(BYTES, 0xab));
      const devices = [
        nvme({ slot: SLOT, file: image, serial: "HOSTILE" }),
        nvme({ slot: SLOT + 1, file: files.image("other", BYTES), serial: "OTHER" }),
      ];
      await using guest = await Guest.boot(LAB, { devices });
      const both = `${bdf(SLOT)} ${bdf(SLOT + 1)}`;
      await guest.must(`. tools/vm/guest/vfio.sh; vfio ${both}`);
      const output = await guest.must(`node test/vm/guest/hostile-driver.ts ${both}`, RUN_MS);
      const notYours = "rule: PciDevice.submit of d0: command 0 of queue 1: the object is not the driver's";
      expect(JSON.parse(output)).toEqual({
        attacks: {
          foreign: notYours,
          forged: notYours,
          freed: notYours,
          // It touches what the device has: as any access to what is not its own.
          early: "trap: unreachable",
          long: expect.stringContaining("8192 bytes at 0 do not lie within an object of 4096 bytes"),
          address: expect.stringContaining("DW8 or DW9 are not 0"),
          ring: expect.stringContaining("register 0x28 (ASQ) is not the driver's to write"),
          othersRing: notYours,
          othersRingByAddress: expect.stringContaining("DW8 or DW9 are not 0"),
          ledger: notYours,
          ledgerByAddress: expect.stringContaining("DW8 or DW9 are not 0"),
        },
        contents: 0xabababab,
      });
      expect((await guest.must("dmesg")).match(/DMAR:.*fault/i)).toBeNull();
    },
  );
});
