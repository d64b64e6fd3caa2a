/**
 * A controller that says nonsense of itself: the driver refuses it or works with what is left, and lives.
 *
 * What the model answers to Identify is changed in memory before the driver sees it. The sizes of blocks that the device
 * layer goes by come from the same answers, so both are tried.
 */
import { afterEach, beforeAll, expect, test } from "vitest";
import { answered, ModelClient, random, type Records } from "../recovery/disk.ts";
import { counters, FAILED, INTERRUPTS, makeLab, reaches, ready, type NvmeLab } from "./lab.ts";

/** Registers (3.1.9), an opcode (figure 139), and Controller or Namespace Structures (figure 244). */
const ASQ = 0x28;
const DOORBELL = 0x1000;
const IDENTIFY = 6;
const [NAMESPACE, CONTROLLER, ACTIVE] = [0, 1, 2];
const ADMIN_ENTRIES = 32;

let records: Records;
let lab: NvmeLab | null = null;
beforeAll(async () => {
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
});
afterEach(async () => {
  expect(lab!.system.faults).toEqual([]);
  await lab!.close();
});

type Change = (page: DataView) => void;

/** From now on the answer to Identify with this structure is another. */
function corrupt({ backend, system }: NvmeLab, structure: number, change: Change): void {
  const memory = system.kernel.heap.bytes;
  const view = new DataView(memory.buffer);
  const inner = backend.write32.bind(backend);
  backend.write32 = (bar, offset, value) => {
    // Nothing else runs between the model's answer and the driver's look at it.
    inner(bar, offset, value);
    if (bar !== 0 || offset !== DOORBELL) return;
    const at = backend.read32(0, ASQ) + ((value + ADMIN_ENTRIES - 1) % ADMIN_ENTRIES) * 64;
    if ((view.getUint32(at, true) & 0xff) !== IDENTIFY || (view.getUint32(at + 40, true) & 0xff) !== structure) return;
    change(new DataView(memory.buffer, view.getUint32(at + 24, true), 4096));
  };
}

const wrong: [string, number, Change][] = [
  ["entries of another size", CONTROLLER, (page) => page.setUint8(512, 0x77)],
  ["no namespace", ACTIVE, (page) => page.setUint32(0, 0, true)],
  ["namespace FFFFFFFFh", ACTIVE, (page) => page.setUint32(0, 0xffff_ffff, true)],
  ["no logical block", NAMESPACE, (page) => page.setBigUint64(0, 0n, true)],
  ["more bytes than there are numbers", NAMESPACE, (page) => page.setBigUint64(0, 0xffff_ffff_ffff_ffffn, true)],
  ["blocks of 2^31 bytes", NAMESPACE, (page) => page.setUint8(130, 31)],
  ["blocks of one byte", NAMESPACE, (page) => page.setUint8(130, 0)],
  ["metadata", NAMESPACE, (page) => page.setUint16(128, 8, true)],
  ["zeros everywhere", NAMESPACE, (page) => new Uint8Array(page.buffer, page.byteOffset, 4096).fill(0)],
  ["ones everywhere", CONTROLLER, (page) => new Uint8Array(page.buffer, page.byteOffset, 4096).fill(0xff)],
];
test.each(wrong)("%s: it is given up", async (_, structure, change) => {
  lab = await makeLab();
  await ready(lab);
  corrupt(lab, structure, change);
  answered(lab.nvme.configure(1, 64, INTERRUPTS, 100));
  await reaches(lab, FAILED);
  expect(counters(lab).lies).toBeGreaterThan(0);
});

const odd: [string, number, Change][] = [
  ["transfers of 2^267 bytes", CONTROLLER, (page) => page.setUint8(77, 255)],
  ["unprintable names", CONTROLLER, (page) => new Uint8Array(page.buffer, page.byteOffset + 4, 68).fill(0xee)],
  ["a larger namespace than there is", NAMESPACE, (page) => page.setBigUint64(0, 1n << 40n, true)],
];
test.each(odd)("%s: what is left works", async (_, structure, change) => {
  lab = await makeLab();
  await ready(lab);
  corrupt(lab, structure, change);
  answered(lab.nvme.configure(1, 64, INTERRUPTS, 100));
  lab.system.heap.useArena("dma");
  const one = new ModelClient(lab.system, records, "nvme.disk", 50, random(1));
  for (let i = 0; i < 5; i++) one.submit();
  one.drain();
  one.verify();
  expect(one.errors).toBe(0);
  expect(answered(lab.nvme.controller()).transfer).toBe(131_072);
  // Beyond the end that the medium has, the device itself refuses.
  expect(lab.disk.read(one.request(2 ** 30, null))).toEqual({ ok: false, error: "OutOfRange" });
});
