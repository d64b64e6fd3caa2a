/**
 * What a driver may use up, which data it may change, and a device that cannot be silenced.
 */
import { expect, test } from "vitest";
import { FIRST_DOMAIN, OWNER_DEVICE } from "#shared-heap/layout.ts";
import { ADDRESS } from "#shared-heap/records.ts";
import { bringUp, identify, makeBus, type Bus } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
async function end({ lab }: Bus): Promise<void> {
  lab.audit();
  await lab.close();
}

test("rings are charged to the driver: its quota, and the arena, are errors to it and to nobody else", async () => {
  const bus = await makeBus([new ScriptedDevice()], ["driver", "other"], { limits: { heapBytes: 20 * 4096 } });
  const driver = bus.puppets.driver!;
  driver.ask("claim", 0);
  driver.device("open");
  expect(driver.device("createQueue", 0, 64, 4096)).toHaveLength(6);
  // 64 entries of 64 and of 16 bytes, and 64 lists of half a page.
  expect(driver.device("createQueue", 1, 64, 1 << 20)).toBe("NoMemory");
  bus.lab.audit();
  expect(driver.device("createQueue", 1, 64, 8192)).toHaveLength(6);
  const { heap } = bus.lab.system.kernel;
  expect(heap.charged(FIRST_DOMAIN)).toEqual({ objects: 0, bytes: 5 * 4096 });
  expect(driver.device("destroyQueue", 1)).toHaveLength(6);
  expect(heap.charged(FIRST_DOMAIN).bytes).toBe(2 * 4096);
  await end(bus);
});

test("an object outside the arena is not taken, and the driver is told: its data have to be copied", async () => {
  const device = new ScriptedDevice();
  const bus = await makeBus([device], ["driver"], { arena: "main" });
  const driver = bus.puppets.driver!;
  bringUp(driver, device, true);
  const page = driver.make("Page");
  driver.write({ opcode: 0x0c, id: 2 }, { opcode: 6, id: 1, object: page, dw: { 10: 1 } });
  expect((driver.device("submit", 0, driver.batch, 2) as number[]).slice(0, 2)).toEqual([1, 1]);
  driver.write({ opcode: 6, id: 1, object: page, dw: { 10: 1 } });
  expect((driver.device("submit", 0, driver.batch, 1) as number[]).slice(0, 2)).toEqual([0, 1]);
  expect([device.fetch()![0]! & 0xff, device.fetch()]).toEqual([0x0c, null]);
  expect(driver.ask("peek", page, 0)).toBe(0);
  driver.write({ opcode: 0x0c, id: 3 });
  expect((driver.device("submit", 0, driver.batch, 1) as number[]).slice(0, 2)).toEqual([1, 0]);
  await end(bus);
});

test("an arena that is full", async () => {
  const bus = await makeBus([new ScriptedDevice()], ["driver"], { arenas: { dma: 65536 } });
  const driver = bus.puppets.driver!;
  driver.ask("claim", 0);
  driver.device("open");
  for (let i = 0; i < 8; i++) driver.make("Page");
  expect(driver.device("createQueue", 0, 256, 65536)).toBe("NoMemory");
  bus.lab.audit();
  expect(driver.device("createQueue", 0, 8, 4096)).toHaveLength(6);
  await end(bus);
});

test.each([
  ["number", 65, 8, 0],
  ["number, negative", 0xffffffff, 8, 0],
  ["one entry", 1, 1, 0],
  ["none", 1, 0, 0],
  ["no power of two", 1, 9, 0],
  ["more than CAP.MQES", 1, 1024, 0],
  ["negative", 1, 0x80000000, 0],
  ["transfer", 1, 8, (2 << 20) + 1],
])("queues that cannot be: %s", async (_name, id, entries, transfer) => {
  const bus = await makeBus([new ScriptedDevice()]);
  const driver = bus.puppets.driver!;
  driver.ask("claim", 0);
  driver.device("open");
  expect(driver.device("createQueue", id, entries, transfer)).toBe("Invalid");
  expect(driver.device("destroyQueue", id)).toBe("Invalid");
  expect(driver.submit(id, { opcode: 0, id: 0 })).toBe("Invalid");
  expect(driver.device("complete", id, driver.batch)).toBe("Invalid");
  await end(bus);
});

test("doorbells that the device does not have: no queue", async () => {
  const device = new ScriptedDevice();
  device.registers[1] = 15; // CAP.DSTRD
  const bus = await makeBus([device]);
  bus.puppets.driver!.ask("claim", 0);
  bus.puppets.driver!.device("open");
  expect(bus.puppets.driver!.device("createQueue", 0, 8, 0)).toBe("Invalid");
  await end(bus);
});

test("a controller that was left enabled: no admin queue before it is disabled", async () => {
  const device = new ScriptedDevice();
  device.registers[0x14 >> 2] = 1;
  device.registers[0x1c >> 2] = 1;
  const bus = await makeBus([device]);
  const driver = bus.puppets.driver!;
  driver.ask("claim", 0);
  driver.device("open");
  expect(driver.device("createQueue", 0, 8, 4096)).toBe("Refused");
  driver.device("write32", 0, 0x14, 0);
  driver.device("read32", 0, 0x1c);
  expect(driver.device("createQueue", 0, 8, 4096)).toHaveLength(6);
  await end(bus);
});

const SERIAL = "S3R1AL";
const writing = (object: number) => [
  { opcode: 1, id: 1, nsid: 1, object, dw: { 12: 7 } },
  { opcode: 8, id: 1, nsid: 1, dw: { 12: 7 } },
  { opcode: 9, id: 1, nsid: 1, object, dw: { 10: 0, 11: 4 } },
];
test.each([
  ["a model", {}, true],
  ["real, nothing in the manifest", { real: true }, false],
  ["real, another serial number", { real: true, writable: "S3R1A" }, false],
  ["real, its serial number", { real: true, writable: SERIAL }, true],
])("writing: %s", async (_name, options, allowed) => {
  const device = new ScriptedDevice(options);
  const bus = await makeBus([device]);
  const driver = bus.puppets.driver!;
  bringUp(driver, device, true);
  identify(driver, device);
  const writable = () => (driver.device("state") as number[])[3];
  expect(writable()).toBe(device.real ? 0 : 1);
  const page = driver.make("Page");
  driver.submit(0, { opcode: 6, id: 2, object: page, dw: { 10: 1 } });
  const entry = device.fetch()!;
  device.write(entry[6]! + 4, new TextEncoder().encode(SERIAL.padEnd(20)));
  device.complete(2);
  driver.complete();
  expect(writable()).toBe(allowed ? 1 : 0);
  for (const i of [0, 1, 2]) {
    const command = writing(driver.make("Page"))[i]!;
    expect(driver.submit(1, command)).toBe(allowed ? 1 : "Refused");
    if (!allowed) continue;
    device.complete(device.fetch(1)![0]! >>> 16, { queue: 1 });
    driver.complete(1);
  }
  // What was before it is taken, and reading and flushing are allowed.
  const more = [{ opcode: 0, id: 3, nsid: 1 }, writing(driver.make("Page"))[0]!];
  expect(driver.submit(1, ...more)).toBe(allowed ? 2 : 1);
  await end(bus);
});

test("a device that cannot be silenced keeps what it has for ever, and is driven no more", async () => {
  const device = new ScriptedDevice();
  const bus = await makeBus([device], ["driver", "other"]);
  const driver = bus.puppets.driver!;
  bringUp(driver, device, true);
  identify(driver, device);
  const page = driver.make("Page");
  const at = bus.lab.system.kernel.heap.at(ADDRESS, page >>> 10);
  driver.submit(1, { opcode: 2, id: 1, nsid: 1, object: page });
  device.hold = true;
  driver.device("close");
  device.release(new Error("no answer"));
  await settled();
  expect(bus.lab.system.deviceReports.at(-1)).toMatchObject({ device: "d0", kind: "stuck" });
  // What a back end says of itself after that counts for nothing, however often it is asked.
  device.silent = true;
  driver.device("state");
  expect(driver.device("open")).toBe("Gone");
  bus.lab.system.kill("driver");
  await settled();
  bus.lab.audit();
  const { heap } = bus.lab.system.kernel;
  expect(heap.charged(FIRST_DOMAIN)).toEqual({ objects: 0, bytes: 0 });
  expect(heap.charged(OWNER_DEVICE).objects).toBe(1);
  for (let made = bus.puppets.other!.make("Page"); made !== 0; made = bus.puppets.other!.make("Page"))
    expect(heap.at(ADDRESS, made >>> 10)).not.toBe(at);
  await end(bus);
});

test("a reset that fails: the driver is told, and gets nothing back", async () => {
  const device = new ScriptedDevice();
  const bus = await makeBus([device]);
  const driver = bus.puppets.driver!;
  bringUp(driver, device, true);
  device.hold = true;
  driver.device("reset");
  device.release(new Error("no answer"));
  await settled();
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 1, 1]);
  expect(driver.submit(1, { opcode: 0, id: 0 })).toBe("Busy");
  await end(bus);
});

test("a back end that throws is the host program's failure: the driver lives", async () => {
  const device = new ScriptedDevice();
  const bus = await makeBus([device]);
  const driver = bus.puppets.driver!;
  bringUp(driver, device, true);
  device.read32 = () => {
    throw new Error("the socket is closed");
  };
  expect(driver.device("read32", 0, 0x1c)).toBe("fault 257");
  expect(bus.lab.faults.map((f) => [f.domain, f.kind, f.message])).toEqual([
    ["host", "service", "Error: the socket is closed"],
  ]);
  driver.device("reset");
  await settled();
  expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 1]);
  await end(bus);
});
