/**
 * What a driver and a device can do when both are honest: the whole way of a command, and who owns its object meanwhile.
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { FIRST_DOMAIN, OWNER_DEVICE } from "#shared-heap/layout.ts";
import { ADDRESS } from "#shared-heap/records.ts";
import { bringUp, identify, makeBus, type Bus, type Puppet } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

let bus: Bus;
let device: ScriptedDevice;
let driver: Puppet;
beforeEach(async () => {
  device = new ScriptedDevice();
  bus = await makeBus([device]);
  driver = bus.puppets.driver!;
});
afterEach(async () => {
  expect(bus.lab.faults).toEqual([]);
  bus.lab.audit();
  await bus.lab.close();
  expect(device.closed).toBe(true);
  expect(bus.lab.system.kernel.heap.check()).toEqual([]);
});

const heap = () => bus.lab.system.kernel.heap;
const addressOf = (handle: number): number => heap().at(ADDRESS, handle >>> 10);

test("a device is found, opened, and says what it is", () => {
  expect(driver.ask("claim", 1)).toBe(4);
  expect(driver.ask("claim", 0)).toBe(0);
  expect(driver.device("identity")).toEqual([0x1af4, 0x10, 0x010802, 2, 0x1af4, 0x1100]);
  expect(driver.device("read32", 0, 0)).toBe("NotYours");
  expect(driver.device("open")).toHaveLength(6);
  expect(device.running).toBe(true);
  expect(driver.device("open")).toBe("Busy");
  expect((driver.device("read32", 0, 0) as number[])[0]).toBe(0x0f0101ff);
  expect((driver.device("configRead", 0, 4) as number[])[0]).toBe(0x00101af4);
  expect(driver.device("configRead", 2, 4)).toBe("Invalid");
  expect(driver.device("configRead", 4096, 1)).toBe("Invalid");
  expect(driver.device("read32", 0, 0x1000)).toBe("Refused");
  expect(driver.device("read32", 0, 2)).toBe("Refused");
  expect(driver.device("read32", 1, 0)).toBe("Refused");
  expect(bus.lab.system.devices()).toMatchObject([{ name: "d0", state: "open", driver: "driver", outstanding: 0 }]);
});

test("the rings lie in the device's arena, and their addresses are the kernel's to write", () => {
  bringUp(driver, device, true);
  const written = Object.fromEntries(device.writes);
  expect(written[0x24]).toBe((7 << 16) | 7);
  for (const register of [0x28, 0x30]) {
    expect(written[register]! % 4096).toBe(0);
    expect(device.reaches(written[register]!, 4096)).toBe(true);
    expect(written[register + 4]).toBe(0);
  }
  const { bytes, objects } = heap().charged(FIRST_DOMAIN);
  expect([bytes, objects]).toEqual([6 * 4096, 1]);
});

test("an object goes to the device and comes back under a new handle, with what the device wrote", () => {
  bringUp(driver, device, true);
  driver.ask("dispose", identify(driver, device));
  const page = driver.make("Page");
  driver.ask("poke", page, 0, 1);
  const at = addressOf(page);
  expect(driver.submit(1, { opcode: 2, id: 3, nsid: 1, object: page, dw: { 12: 7 } })).toBe(1);
  expect(heap().ownerAt(page >>> 10)).toBe(OWNER_DEVICE);
  bus.lab.audit();
  const entry = device.fetch(1)!;
  expect([...entry]).toEqual([2 | (3 << 16), 1, 0, 0, 0, 0, at, 0, 0, 0, 0, 0, 7, 0, 0, 0]);
  device.write(at, [0x78, 0x56, 0x34, 0x12]);
  expect(driver.complete(1)).toEqual([]);
  device.complete(3, { queue: 1, dw0: 99 });
  const [[dw0, handle, id, status]] = driver.complete(1) as [number[]];
  expect([dw0, id, status]).toEqual([99, 3 | (1 << 16), 0]);
  expect(handle).not.toBe(page);
  expect(driver.ask("peek", handle!, 0)).toBe(0x12345678);
  expect(device.rings[1]!.cqHead).toBe(3 - 2);
  driver.ask("dispose", handle);
});

test.each([
  ["within a page", 0, 0, (at: number) => [at, 0]],
  ["at an offset", 0, 512, (at: number) => [at + 512, 0]],
  ["over two pages", 7, 512, (at: number) => [at + 512, at + 4096]],
  ["two whole pages", 15, 0, (at: number) => [at, at + 4096]],
])("PRP entries: %s", (_name, blocks, offset, expected) => {
  bringUp(driver, device, true);
  identify(driver, device);
  const large = driver.make("Large");
  driver.submit(1, { opcode: 1, id: 0, nsid: 1, object: large, offset, dw: { 12: blocks } });
  const entry = device.fetch(1)!;
  expect([entry[6], entry[8]]).toEqual(expected(addressOf(large)));
});

test("PRP lists: every page once, in a list that the kernel wrote", () => {
  bringUp(driver, device, true);
  identify(driver, device);
  const large = driver.make("Large");
  const at = addressOf(large);
  driver.submit(1, { opcode: 2, id: 5, nsid: 1, object: large, offset: 1024, dw: { 12: 125 } });
  const entry = device.fetch(1)!;
  expect(entry[6]).toBe(at + 1024);
  expect(device.reaches(entry[8]!, 128)).toBe(true);
  const list = new Int32Array(device.read(entry[8]!, 15 * 8).buffer);
  expect([...list]).toEqual(Array.from({ length: 15 }, (_, i) => [at + (i + 1) * 4096, 0]).flat());
});

test("no more commands than the queue has room for, and again when some came back", () => {
  bringUp(driver, device, true);
  const flush = (id: number) => ({ opcode: 0, id, nsid: 1 });
  expect(driver.submit(1, ...[0, 1, 2, 3, 4, 5, 6, 7].map(flush))).toBe(7);
  expect(driver.submit(1, flush(7))).toBe(0);
  for (let round = 0; round < 20; round++) {
    const id = device.fetch(1)![0]! >>> 16;
    device.complete(id, { queue: 1 });
    expect(driver.complete(1)).toEqual([[0, 0, id | (1 << 16), 0]]);
    expect(driver.submit(1, flush(id))).toBe(1);
  }
});

test("errors of the device arrive with the object", () => {
  bringUp(driver, device, true);
  identify(driver, device);
  const page = driver.make("Page");
  driver.submit(1, { opcode: 2, id: 0, nsid: 1, object: page, dw: { 12: 0 } });
  device.fetch(1);
  device.complete(0, { queue: 1, status: 0x4281 });
  expect(driver.complete(1)[0]!.slice(2)).toEqual([1 << 16, 0x4281]);
});

test("interrupts make the driver's step run, and say which", async () => {
  bringUp(driver, device);
  expect((driver.device("interrupts", 8) as number[])[0]).toBe(4);
  const before = driver.ask("steps");
  device.fired!(0);
  device.fired!(3);
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(driver.ask("steps")).toBeGreaterThan(before);
  expect((driver.device("pending") as number[])[0]).toBe(0b1001);
  expect((driver.device("pending") as number[])[0]).toBe(0);
  expect((driver.device("interrupts", 0) as number[])[0]).toBe(0);
  expect(driver.device("interrupts", 4096)).toBe("Invalid");
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

test("disabled and seen not ready: what was under way comes back as ended, and the queues can be made again", () => {
  bringUp(driver, device, true);
  identify(driver, device);
  const page = driver.make("Page");
  driver.submit(1, { opcode: 2, id: 6, nsid: 1, object: page });
  driver.submit(0, { opcode: 0x0c, id: 2 });
  expect(driver.device("destroyQueue", 1)).toBe("Busy");
  expect(driver.device("createQueue", 0, 8, 0)).toBe("Refused");
  driver.device("write32", 0, 0x14, 0x460000);
  expect(driver.complete(1)).toEqual([]);
  expect(driver.device("createQueue", 0, 8, 0)).toBe("Refused");
  expect(driver.submit(1, { opcode: 0, id: 0 })).toBe("Invalid");
  driver.device("read32", 0, 0x1c);
  expect(driver.device("createQueue", 1, 8, 0)).toBe("Busy");
  const [[, handle, id, status]] = driver.complete(1) as [number[]];
  expect([id, status! >>> 0]).toEqual([6 | (1 << 16), 0xffff0001]);
  expect(driver.ask("peek", handle!, 0)).toBe(0);
  expect(driver.complete(0)).toEqual([[0, 0, 2, 0xffff0001]]);
  expect(driver.device("destroyQueue", 1)).toHaveLength(6);
  expect(driver.device("destroyQueue", 1)).toBe("Invalid");
  expect(driver.device("createQueue", 0, 4, 4096)).toHaveLength(6);
  driver.device("write32", 0, 0x14, 0x460001);
  expect(driver.submit(0, { opcode: 0x0c, id: 2 })).toBe(1);
});

test("enabled again before it was seen not ready: only when the device is not", () => {
  bringUp(driver, device);
  driver.device("write32", 0, 0x14, 0x460000);
  device.registers[0x1c >> 2] = 1;
  expect(driver.device("write32", 0, 0x14, 0x460001)).toBe("Busy");
  device.registers[0x1c >> 2] = 0;
  expect(driver.device("write32", 0, 0x14, 0x460001)).toHaveLength(6);
  expect(driver.submit(0, { opcode: 0x0c, id: 0 })).toBe("Invalid");
});

test("queues are deleted as they were made, and their memory goes back", () => {
  bringUp(driver, device, true);
  const before = heap().charged(FIRST_DOMAIN).bytes;
  driver.submit(1, { opcode: 0, id: 0, nsid: 1 });
  const ask = (opcode: number, status = 0) => {
    expect(driver.submit(0, { opcode, id: 0, dw: { 10: 1 } })).toBe(1);
    device.answer(0, status);
    driver.complete();
  };
  ask(0, 0x10c);
  expect(driver.submit(1, { opcode: 0, id: 1, nsid: 1 })).toBe(1);
  ask(0);
  expect(driver.submit(1, { opcode: 0, id: 2, nsid: 1 })).toBe("Invalid");
  expect(driver.complete(1).map(([, , id, status]) => [id! & 0xffff, status! >>> 0])).toEqual([
    [0, 0xffff0001],
    [1, 0xffff0001],
  ]);
  expect(driver.device("destroyQueue", 1)).toBe("Busy");
  ask(4);
  expect(driver.device("destroyQueue", 1)).toHaveLength(6);
  expect(heap().charged(FIRST_DOMAIN).bytes).toBe(before - 3 * 4096);
});

test("reset: in progress until the device is silent, then everything comes back", async () => {
  bringUp(driver, device, true);
  identify(driver, device);
  const page = driver.make("Page");
  driver.submit(1, { opcode: 2, id: 1, nsid: 1, object: page });
  device.hold = true;
  expect(driver.device("reset")).toHaveLength(6);
  expect(device.running).toBe(false);
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 1, 0]);
  expect(driver.device("complete", 1, driver.batch)).toBe("Busy");
  expect(driver.device("reset")).toBe("Busy");
  const steps = driver.ask("steps");
  device.release();
  await settled();
  expect(driver.ask("steps")).toBeGreaterThan(steps);
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 0]);
  expect(device.running).toBe(true);
  expect(driver.complete(1)[0]!.slice(2)).toEqual([1 | (1 << 16), 0xffff0001]);
  expect(driver.complete(0)).toEqual([]);
  expect(driver.device("createQueue", 0, 8, 4096)).toHaveLength(6);
});

test("within a plain call, in which no promise resolves, a device that is silent is seen to be", async () => {
  bringUp(driver, device, true);
  identify(driver, device);
  driver.submit(1, { opcode: 2, id: 1, nsid: 1, object: driver.make("Page") });
  device.hold = true;
  driver.device("reset");
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 1, 0]);
  device.silent = true;
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 0]);
  expect(driver.complete(1)[0]!.slice(2)).toEqual([1 | (1 << 16), 0xffff0001]);
  device.silent = false;
  driver.device("close");
  expect(driver.device("open")).toBe("Busy");
  device.silent = true;
  expect(driver.device("open")).toHaveLength(6);
  expect(driver.device("createQueue", 0, 8, 4096)).toHaveLength(6);
  // The promises of both come true later, and change nothing.
  device.release();
  await settled();
  expect(device.running).toBe(true);
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 0]);
  expect(bus.lab.system.devices()[0]!.queues).toBe(1);
  bus.lab.audit();
});

test("closed: nothing is the device's any more once it is silent, and it can be opened again", async () => {
  const empty = heap().charged(FIRST_DOMAIN);
  bringUp(driver, device, true);
  driver.ask("dispose", identify(driver, device));
  driver.submit(1, { opcode: 2, id: 1, nsid: 1, object: driver.make("Page") });
  device.hold = true;
  expect(driver.device("close")).toHaveLength(6);
  expect(driver.device("pending")).toBe("NotYours");
  expect(driver.device("open")).toBe("Busy");
  bus.lab.audit();
  device.release();
  await settled();
  driver.ask("dispose", driver.batch);
  driver.batch = 0;
  expect(heap().charged(FIRST_DOMAIN)).toEqual(empty);
  bringUp(driver, device, true);
  expect(bus.lab.system.deviceReports.map((r) => `${r.device} ${r.kind} ${r.driver}`)).toEqual([
    "d0 opened driver",
    "d0 closed driver",
    "d0 opened driver",
  ]);
  const traced = bus.lab.system.trace("driver").filter((entry) => entry.kind === "device");
  expect(traced.map((entry) => entry.detail)).toEqual(["d0 opened", "d0 closed", "d0 opened"]);
});

test("surprise removal: the driver is told, reads ones, and gets everything back", async () => {
  bringUp(driver, device, true);
  identify(driver, device);
  driver.submit(1, { opcode: 2, id: 1, nsid: 1, object: driver.make("Page") });
  device.onEvent!({ kind: "gone", text: "pulled" });
  await settled();
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 1]);
  expect((driver.device("read32", 0, 0x1c) as number[])[0]! >>> 0).toBe(0xffffffff);
  expect(driver.device("write32", 0, 0x14, 0)).toBe("Gone");
  expect(driver.submit(1, { opcode: 0, id: 0 })).toBe("Gone");
  expect(driver.complete(1)[0]!.slice(2)).toEqual([1 | (1 << 16), 0xffff0002]);
  expect(driver.device("close")).toHaveLength(6);
  await settled();
  expect(driver.device("open")).toBe("Gone");
  expect(bus.lab.system.deviceReports).toContainEqual({ device: "d0", driver: "driver", kind: "gone", text: "pulled" });
});
