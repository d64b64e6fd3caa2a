/** Configuration space: what a driver may write and what not, sizes of BARs, capabilities, function level reset. */
import { expect, test } from "vitest";
import { ConfigSpace } from "./config-space.ts";
import { describeModel } from "./create.ts";

const COMMAND = 4;
const about = describeModel("nvme", {}).function;

/** Offsets of the capabilities, by id. */
function capabilities(config: ConfigSpace): Map<number, number> {
  const found = new Map<number, number>();
  for (let at = config.read(0x34, 1); at !== 0; at = config.read(at + 1, 1)) found.set(config.read(at, 1), at);
  return found;
}

test("identity, class, BAR 0 with 64 bits and its size", () => {
  const config = new ConfigSpace(about);
  expect([config.read(0, 2), config.read(2, 2), config.read(9, 1), config.read(0xa, 2)]).toEqual([
    0x1af4, 0x10f0, 2, 0x0108,
  ]);
  expect(config.read(0x10, 4)).toBe(0b100);
  config.write(0x10, 4, 0xffff_ffff);
  config.write(0x14, 4, 0xffff_ffff);
  expect([config.read(0x10, 4), config.read(0x14, 4)]).toEqual([0xffff_c004, 0xffff_ffff]);
});

test("identity and capabilities cannot be written, and accesses that are not aligned do nothing", () => {
  const config = new ConfigSpace(about);
  const before = config.bytes.slice();
  for (const offset of [0, 8, 0x2c, 0x34, 0x40, 0x54, 0x58, 0x84, 0x100, 4092, 4096, -4])
    config.write(offset, 4, 0xffff_ffff);
  for (const [offset, width] of [
    [1, 2],
    [2, 4],
    [4, 3],
  ])
    config.write(offset!, width!, 0xffff_ffff);
  expect(config.bytes).toEqual(before);
  expect([config.read(4096, 4), config.read(1, 2), config.read(-1, 1)]).toEqual([0xffff_ffff, 0xffff, 0xff]);
});

test("power management, MSI-X and PCI Express", () => {
  const config = new ConfigSpace(about);
  const found = capabilities(config);
  expect([...found.keys()]).toEqual([0x01, 0x11, 0x10]);
  const msix = found.get(0x11)!;
  expect([config.read(msix + 2, 2), config.read(msix + 4, 4), config.read(msix + 8, 4)]).toEqual([8, 0x2000, 0x3000]);
  // Device Capabilities: function level reset.
  expect((config.read(found.get(0x10)! + 4, 4) >>> 28) & 1).toBe(1);
});

test.each([
  [8, 2, 0x8000],
  [8, 4, 0x8000],
  [9, 1, 0x80],
])("a function level reset: offset %i, %i bytes", (offset, width, value) => {
  const config = new ConfigSpace(about);
  const told: string[] = [];
  config.onControl = () => told.push(config.busMaster ? "on" : "off");
  config.onReset = () => told.push("reset");
  config.write(COMMAND, 2, 0x0006);
  expect([config.busMaster, config.memoryDecoding]).toEqual([true, true]);
  config.write(capabilities(config).get(0x10)! + offset, width, value);
  expect(told).toEqual(["on", "off", "reset"]);
  expect(config.bytes).toEqual(new ConfigSpace(about).bytes);
});
