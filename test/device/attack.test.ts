/**
 * A hostile driver: whatever it posts, writes or claims, no byte that is not its own moves, and it is named.
 *
 * Each attack is made against a device that is running, with another domain's objects as canaries in the same arena.
 * Afterwards the culprit is dead by a rule, everybody else lives, the canaries are as they were, and the heap is sound.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FIRST_DOMAIN } from "#shared-heap/layout.ts";
import { bringUp, identify, makeBus, type Bus, type Command, type Puppet } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

const CANARY = 0x5afe5afe;
let bus: Bus;
let device: ScriptedDevice;
let driver: Puppet;
let victim: Puppet;
let canary: number;

beforeAll(async () => {
  device = new ScriptedDevice();
  bus = await makeBus([device, new ScriptedDevice()], ["driver", "victim"], { arenas: { dma: 2 << 20 } });
  driver = bus.puppets.driver!;
  victim = bus.puppets.victim!;
  canary = victim.make("Page");
  for (let at = 0; at < 4096; at += 64) victim.ask("poke", canary, at, CANARY);
});
afterAll(async () => {
  await bus.lab.close();
  expect(bus.lab.system.kernel.heap.check()).toEqual([]);
});
beforeEach(() => {
  bringUp(driver, device, true);
  identify(driver, device);
});
afterEach(async () => {
  await settled();
  for (let at = 0; at < 4096; at += 64) expect(victim.ask("peek", canary, at)).toBe(CANARY);
  bus.lab.audit();
  bus.lab.system.restart("driver");
  await settled();
  bus.lab.faults.length = 0;
  driver.batch = 0;
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));

/** The driver died by a rule, named as the text says; the device is silent, and nothing is anybody's any more. */
async function named(text: RegExp | string): Promise<void> {
  await settled();
  expect(bus.lab.faults.map((f) => [f.domain, f.kind])).toEqual([["driver", "rule"]]);
  expect(bus.lab.faults[0]!.message).toMatch(text);
  expect(device.running).toBe(false);
  expect(bus.lab.system.devices()[0]).toMatchObject({ state: "closed", driver: null, outstanding: 0, queues: 0 });
  const { heap } = bus.lab.system.kernel;
  expect([heap.charged(FIRST_DOMAIN), heap.charged(3)]).toEqual([
    { objects: 0, bytes: 0 },
    { objects: 0, bytes: 0 },
  ]);
}

/** Posts it, and dies. The device has seen no doorbell. */
async function refused(queue: number, command: Command | Command[], text: RegExp | string): Promise<void> {
  const before = device.writes.length;
  expect(() => driver.submit(queue, ...[command].flat())).toThrow("crashed");
  expect(device.writes.slice(before).filter(([offset]) => offset >= 0x1000)).toEqual([]);
  await named(text);
}

const read = (object: number, change: Partial<Command> = {}): Command => ({
  opcode: 2,
  id: 4,
  nsid: 1,
  object,
  dw: { 12: 7 },
  ...change,
});
const NOT_YOURS = /PciDevice.submit of d0: command 0 of queue 1: the object is not the driver's/;

describe("handles", () => {
  test("another domain's object", () => refused(1, read(canary), NOT_YOURS));
  test("a freed object", async () => {
    const page = driver.make("Page");
    driver.ask("dispose", page);
    await refused(1, read(page), NOT_YOURS);
  });
  test("an object that was given away", async () => {
    const page = driver.make("Page");
    const given = driver.client.give!(page).value;
    await refused(1, read(page), NOT_YOURS);
    victim.ask("accept", given);
  });
  test("an object that lies in another one", async () => {
    const [page, box] = [driver.make("Page"), driver.make("Box")];
    driver.ask("put", page, box);
    await refused(1, read(page), NOT_YOURS);
  });
  test("an object that is borrowed", async () => {
    driver.write(read(0));
    bus.lab.system.heap.useArena("dma");
    const own = bus.lab.system.heap.create("Page");
    const lent = Object.assign(Object.create(Object.getPrototypeOf(await hostObject())), { handle: own });
    expect(driver.client.post!(lent, 1, driver.batch)).toMatchObject({ ok: false, fault: "crashed" });
    await named(/the object is borrowed/);
    bus.lab.system.heap.free(own);
  });
  test("an object that the device has already", async () => {
    const page = driver.make("Page");
    expect(driver.submit(1, read(page))).toBe(1);
    await refused(1, read(page, { id: 5 }), NOT_YOURS);
  });
  test("the same object twice in a batch", async () => {
    const page = driver.make("Page");
    await refused(1, [read(page), read(page, { id: 5 })], /command 1 of queue 1: the object is not the driver's/);
  });
  test("the batch itself", async () => {
    driver.write(read(0));
    await refused(1, read(driver.batch), NOT_YOURS);
  });
  test.each([1, 1023, 1024, (FIRST_DOMAIN << 10) | 0, 0x7fffffff, 0xffffffff, 3 << 10, 5 << 10])(
    "forged: %i",
    (handle) => refused(1, read(handle), NOT_YOURS),
  );
  test("an object where an opcode moves no data", async () => {
    const page = driver.make("Page");
    await refused(1, { opcode: 0, id: 1, nsid: 1, object: page }, /moves no data, but an object is named/);
  });
  test("none where an opcode moves data", () => refused(1, read(0), NOT_YOURS));
});

/** A capability-free way to an instance of the host's object class. */
async function hostObject(): Promise<object> {
  const given = victim.client.give!(victim.make("Page")).value as object;
  expect(victim.client.accept!(given).ok).toBe(true);
  return given;
}

describe("lengths", () => {
  const cases: [string, number, Command, RegExp][] = [
    ["read", 1, { opcode: 2, id: 1, nsid: 1, dw: { 12: 1 } }, /1024 bytes at 0 do not lie within an object of 512/],
    ["write", 1, { opcode: 1, id: 1, nsid: 1, dw: { 12: 1 } }, /1024 bytes at 0/],
    ["compare", 1, { opcode: 5, id: 1, nsid: 1, dw: { 12: 1 } }, /1024 bytes at 0/],
    ["read of the most blocks", 1, { opcode: 2, id: 1, nsid: 1, dw: { 12: 0xffff } }, /33554432 bytes at 0/],
    ["dataset management", 1, { opcode: 9, id: 1, nsid: 1, dw: { 10: 32 } }, /528 bytes at 0/],
    ["identify", 0, { opcode: 6, id: 1, nsid: 1 }, /4096 bytes at 0/],
    ["log page", 0, { opcode: 2, id: 1, dw: { 10: (128 << 16) | 2 } }, /516 bytes at 0/],
    ["log page, upper half", 0, { opcode: 2, id: 1, dw: { 10: 2, 11: 1 } }, /262148 bytes at 0/],
    ["log page, too long", 0, { opcode: 2, id: 1, dw: { 10: 2, 11: 0xffff } }, /a log page of/],
    ["one block at 4", 1, { opcode: 2, id: 1, nsid: 1, offset: 4 }, /512 bytes at 4/],
    ["offset beyond", 1, { opcode: 2, id: 1, nsid: 1, offset: 512 }, /512 bytes at 512/],
    ["offset that overflows", 1, { opcode: 2, id: 1, nsid: 1, offset: 0xfffffe00 }, /512 bytes at 4294966784/],
    ["negative offset", 1, { opcode: 2, id: 1, nsid: 1, offset: 0x80000000 }, /512 bytes at 2147483648/],
    ["unaligned", 1, { opcode: 2, id: 1, nsid: 1, offset: 2 }, /512 bytes at 2/],
  ];
  test.each(cases)("%s", (_name, queue, command, text) =>
    refused(queue, { ...command, object: driver.make("Small") }, text),
  );
  test("more than the queue was made for", async () => {
    expect(driver.device("createQueue", 2, 8, 512)).toHaveLength(6);
    for (const [opcode, dw11] of [
      [5, 1],
      [1, (2 << 16) | 1],
    ] as const) {
      driver.submit(0, { opcode, id: 1, dw: { 10: 2 | (7 << 16), 11: dw11 } });
      device.answer();
      driver.complete();
    }
    await refused(2, read(driver.make("Page")), /4096 bytes, the queue was made for 512/);
  });
});

describe("words of a command", () => {
  test.each([
    ["PRP2, low", { 8: 0x100000 }],
    ["PRP2, high", { 9: 1 }],
    ["metadata, low", { 4: 0x100000 }],
    ["metadata, high", { 5: 1 }],
    ["DW2", { 2: 1 }],
    ["DW3", { 3: 1 }],
    ["fused", { 0: 2 | (1 << 8) | (4 << 16) }],
    ["SGL", { 0: 2 | (1 << 14) | (4 << 16) }],
  ])("%s", (_name, dw) => refused(1, { ...read(driver.make("Page")), dw: { 12: 7, ...dw } }, /DW0 bits 15:8, DW2/));
  test.each([
    ["protection information", { 12: 1 << 29 }],
    ["a directive", { 12: 1 << 20 }],
    ["its value", { 13: 1 << 16 }],
    ["DW14", { 14: 1 }],
    ["DW15", { 15: 1 }],
  ])("%s", (_name, dw) => refused(1, { ...read(driver.make("Page")), dw }, /reserved or unsupported bit/));
  test("an identifier that is under way", async () => {
    driver.submit(1, { opcode: 0, id: 3, nsid: 1 });
    await refused(1, { opcode: 0, id: 3, nsid: 1 }, /command identifier 3 is in use/);
  });
  test("the same identifier twice in a batch", () =>
    refused(
      1,
      [7, 7].map((id) => ({ opcode: 0, id, nsid: 1 })),
      /command 1 of queue 1: command identifier 7/,
    ));
  test("an identifier beyond the queue", () => refused(1, { opcode: 0, id: 8, nsid: 1 }, /identifier 8 is in use or/));
  test("more commands than a batch holds", async () => {
    driver.write({ opcode: 0, id: 0 });
    expect(() => driver.device("submit", 1, driver.batch, 65)).toThrow("crashed");
    await named(/65 commands in a batch of 64/);
  });
  test("a negative number of commands", async () => {
    driver.write({ opcode: 0, id: 0 });
    expect(() => driver.device("submit", 1, driver.batch, 0xffffffff)).toThrow("crashed");
    await named(/4294967295 commands/);
  });
});

describe("opcodes that could reach memory, or more", () => {
  test.each([
    0x0d, 0x10, 0x11, 0x14, 0x15, 0x18, 0x19, 0x1a, 0x1c, 0x1d, 0x1e, 0x7c, 0x80, 0x81, 0x82, 0x84, 0x86, 0xc0, 0xff,
  ])("admin 0x%x", (opcode) =>
    refused(0, { opcode, id: 1, object: driver.make("Page") }, /admin opcode .* is not in the grammar/),
  );
  test.each([0x04, 0x0c, 0x0d, 0x0e, 0x11, 0x15, 0x80, 0xff])("I/O 0x%x", (opcode) =>
    refused(1, { opcode, id: 1, nsid: 1, object: driver.make("Page") }, /I\/O opcode .* is not in the grammar/),
  );
  test.each([0x03, 0x0c, 0x0d, 0x0e, 0x10, 0x16, 0x80, 0x81, 0x83, 0xc0, 0x8000_0006])("set features 0x%x", (feature) =>
    refused(0, { opcode: 9, id: 1, dw: { 10: feature } }, /Set Features .* is not in the grammar/),
  );
  test.each([0x03, 0x0d, 0x81])("get features 0x%x", (feature) =>
    refused(0, { opcode: 10, id: 1, dw: { 10: feature } }, /Get Features .* is not in the grammar/),
  );
  test.each([0x04, 0x10, 0x14, 0x15, 0x80, 0x10001])("identify 0x%x", (cns) =>
    refused(0, { opcode: 6, id: 1, object: driver.make("Page"), dw: { 10: cns } }, /Identify .* is not in the grammar/),
  );
  test.each([0x00, 0x07, 0x08, 0x0d, 0x80, 0xc0, 0x102])("log page 0x%x", (page) =>
    refused(
      0,
      { opcode: 2, id: 1, object: driver.make("Page"), dw: { 10: page } },
      /log page .* is not in the grammar/,
    ),
  );
});

describe("registers", () => {
  const forbidden: [string, number, number, number, RegExp][] = [
    ["ASQ", 0, 0x28, 0x100000, /register 0x28 \(ASQ\) is not the driver's to write/],
    ["ASQ, upper half", 0, 0x2c, 0, /register 0x2c \(ASQ\)/],
    ["ACQ", 0, 0x30, 0x100000, /register 0x30 \(ACQ\)/],
    ["AQA", 0, 0x24, 0xfff0fff, /register 0x24 \(AQA\)/],
    ["NSSR", 0, 0x20, 0x4e564d65, /register 0x20 \(NSSR\)/],
    ["CMBMSC", 0, 0x50, 3, /register 0x50 \(CMBMSC\)/],
    ["CSTS", 0, 0x1c, 0, /register 0x1c \(CSTS\)/],
    ["a doorbell", 0, 0x1000, 1, /0x1000 \(a doorbell, or beyond\)/],
    ["a completion doorbell", 0, 0x1004, 1, /0x1004 \(a doorbell/],
    ["what lies behind, as MSI-X", 0, 0x2000, 1, /0x2000 \(a doorbell, or beyond\)/],
    ["another BAR", 4, 0, 1, /BAR 4 is not the driver's/],
    ["beside a register", 0, 0x16, 1, /register 0x16 is not the driver's/],
    ["pages of 8 KiB", 0, 0x14, 0x4600c1, /CC = 0x4600c1: needs MPS 0/],
    ["another command set", 0, 0x14, 0x460011, /needs MPS 0, CSS 0/],
    ["entries of 128 bytes", 0, 0x14, 0x470001, /IOSQES 6, IOCQES 4/],
  ];
  test.each(forbidden)("%s", async (_name, bar, offset, value, text) => {
    const before = device.writes.length;
    expect(() => driver.device("write32", bar, offset, value)).toThrow("crashed");
    expect(device.writes.length).toBe(before);
    await named(text);
  });
});

describe("making queues", () => {
  beforeEach(() => expect(driver.device("createQueue", 2, 8, 0)).toHaveLength(6));
  const make = (opcode: number, dw10: number, dw11 = 0, dw12 = 0): Command => ({
    opcode,
    id: 1,
    dw: { 10: dw10, 11: dw11, 12: dw12 },
  });
  const size = 7 << 16;
  const cases: [string, Command, RegExp][] = [
    ["a ring that is larger than it is", make(5, 2 | (8 << 16), 1), /queue 2 has 8 entries/],
    ["a ring that is a list of pages", make(5, 2 | size, 0), /DW11 must say PC/],
    ["a queue that is not there", make(5, 3 | size, 1), /there is no I\/O queue 3/],
    ["the admin queue", make(5, size, 1), /there is no I\/O queue 0/],
    ["a queue twice", make(5, 1 | size, 1), /completion queue 1 exists/],
    ["a vector that is not enabled", make(5, 2 | size, (9 << 16) | 3), /interrupt vector 9 is not enabled/],
    ["a vector without interrupts", make(5, 2 | size, (1 << 16) | 1), /interrupt vector 1 is not enabled/],
    ["reserved bits", make(5, 2 | size, 9), /DW11 must say PC/],
    ["a submission queue before its other half", make(1, 2 | size, (2 << 16) | 1), /or its completion queue does not/],
    ["a submission queue twice", make(1, 1 | size, (1 << 16) | 1), /submission queue 1 exists/],
    ["more in DW12", make(5, 2 | size, 1, 1), /DW12 is not 0/],
    ["deleting what is not there", make(4, 2), /queue 2 does not exist/],
    ["deleting a completion queue in use", make(4, 1), /or its submission queue still does/],
    ["deleting with more words", make(0, 1 | (1 << 16)), /with more in DW10/],
  ];
  test.each(cases)("%s", (_name, command, text) => refused(0, command, text));
  test("an object where the ring's address stands", () =>
    refused(0, { ...make(5, 2 | size, 1), object: driver.make("Page") }, /moves no data, but an object is named/));
  test("a submission queue on another completion queue", async () => {
    driver.submit(0, make(5, 2 | size, 1));
    device.answer();
    driver.complete();
    await refused(0, make(1, 2 | size, (1 << 16) | 1), /completion queue of the same number/);
  });
  test("deleting twice", async () => {
    driver.submit(0, make(0, 1));
    await refused(0, { ...make(0, 1), id: 2 }, /queue 1 does not exist/);
  });
});

describe("what is the device's", () => {
  let page: number;
  beforeEach(() => {
    page = driver.make("Page");
    expect(driver.submit(1, read(page))).toBe(1);
  });
  const dies = async (method: string, ...values: unknown[]): Promise<void> => {
    expect(driver.client[method]!(...values)).toMatchObject({ ok: false, fault: "crashed" });
    await settled();
    expect(bus.lab.faults.map((f) => f.domain)).toEqual(["driver"]);
    expect(device.running).toBe(false);
  };
  test("cannot be read", () => dies("peek", page, 0));
  test("cannot be written", () => dies("poke", page, 0, 1));
  test("cannot be freed", () => dies("dispose", page));
  test("cannot be given away", () => dies("give", page));
  test("cannot be put into something", () => dies("put", page, driver.make("Box")));
  test("is not there under the next handle either", () => dies("peek", page + 1, 0));
  test("cannot be claimed early: there is no completion but the device's", async () => {
    expect(driver.complete(1)).toEqual([]);
    expect(driver.complete(0)).toEqual([]);
    expect(driver.device("destroyQueue", 1)).toBe("Busy");
    expect(driver.device("createQueue", 1, 8, 0)).toBe("Busy");
    device.complete(device.fetch(1)![0]! >>> 16, { queue: 1 });
    expect(driver.complete(1)).toHaveLength(1);
  });
});
