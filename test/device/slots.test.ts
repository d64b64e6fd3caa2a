/**
 * A device and a driver that work together: what the device can write to must not be what the kernel trusts.
 *
 * The device writes into all of its windows, at any time. Slots of containers hold handles that the lowered `take`
 * believes, so they lie where no device reaches.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { GENERATION_BITS } from "#shared-heap/layout.ts";
import { ADDRESS, RECORD_SHIFT } from "#shared-heap/records.ts";
import { bringUp, makeBus, type Bus, type Puppet } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

const SECRET = 0x5ec4e7;
let bus: Bus;
let device: ScriptedDevice;
let driver: Puppet;
let victim: Puppet;

beforeAll(async () => {
  device = new ScriptedDevice();
  bus = await makeBus([device], ["driver", "victim"]);
  driver = bus.puppets.driver!;
  victim = bus.puppets.victim!;
});
afterAll(async () => bus.lab.close());

/** Replaces a word wherever it stands in the device's windows. */
function overwrite(from: number, to: number): number {
  const words = new Int32Array(device.memory.buffer);
  let found = 0;
  for (const { iova, bytes } of device.windows)
    for (let i = iova >> 2; i < (iova + bytes) >> 2; i++)
      if (words[i] === from) {
        words[i] = to;
        found++;
      }
  return found;
}

test("the device finds no handle of a container to replace by another's: the driver takes out what it put in", () => {
  bringUp(driver, device);
  const foreign = victim.make("Page");
  victim.ask("poke", foreign, 0, SECRET);
  const [page, box] = [driver.make("Page"), driver.make("Box")];
  driver.ask("poke", page, 0, 1);
  driver.ask("put", page, box);
  expect(overwrite(page, foreign)).toBe(0);
  const mine = driver.ask("unpack", box);
  expect(driver.ask("peek", mine, 0)).toBe(1);
  expect(victim.ask("peek", foreign, 0)).toBe(SECRET);
  bus.lab.audit();
});

test("what a domain of the arena makes without slots lies in the arena, and what has slots does not", () => {
  const { words } = bus.lab.system.kernel.heap;
  const reached = (handle: number): boolean =>
    device.reaches(words[ADDRESS + ((handle >>> GENERATION_BITS) << RECORD_SHIFT)]!);
  expect(reached(driver.make("Page"))).toBe(true);
  expect(reached(driver.make("Box"))).toBe(false);
});

test("a controller is not enabled while it would use rings that were given back", async () => {
  expect(driver.device("write32", 0, 0x14, 0x460000)).toEqual(expect.any(Array));
  expect(driver.device("read32", 0, 0x1c)).toEqual([0, ...Array<unknown>(5).fill(expect.any(Number))]);
  expect(driver.device("destroyQueue", 0)).toEqual(expect.any(Array));
  expect(() => driver.device("write32", 0, 0x14, 0x460001)).toThrow("crashed");
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(bus.lab.faults).toMatchObject([
    { domain: "driver", kind: "rule", message: expect.stringMatching(/CC.EN without admin queues/) },
  ]);
  expect(device.registers[0x14 >> 2]! & 1).toBe(0);
});
