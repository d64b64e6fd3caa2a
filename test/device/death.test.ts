/**
 * A device that lies, a driver that dies, and both at once: what the device has stays the device's until it is silent,
 * whoever dies meanwhile; what it makes up moves nothing.
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { inspectDomain } from "#runtime/control/handlers.ts";
import { formatInspect } from "#runtime/control/inspect.ts";
import { FIRST_DOMAIN, OWNER_DEVICE } from "#shared-heap/layout.ts";
import { ADDRESS, BLOCK } from "#shared-heap/records.ts";
import { bringUp, identify, makeBus, type Bus, type Command, type Puppet } from "../support/puppet.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

const MARK = 0xa5;
let bus: Bus;
let device: ScriptedDevice;
let driver: Puppet;
let other: Puppet;
beforeEach(async () => {
  device = new ScriptedDevice();
  bus = await makeBus([device], ["driver", "other"]);
  driver = bus.puppets.driver!;
  other = bus.puppets.other!;
});
afterEach(async () => {
  device.release();
  await settled();
  bus.lab.audit();
  await bus.lab.close();
  expect(bus.lab.system.kernel.heap.check()).toEqual([]);
});

const settled = () => new Promise((resolve) => setTimeout(resolve, 5));
const heap = () => bus.lab.system.kernel.heap;
const info = () => bus.lab.system.devices()[0]!;
const read = (object: number, id = 1): Command => ({ opcode: 2, id, nsid: 1, object, dw: { 12: 7 } });
const NOTHING = { objects: 0, bytes: 0 };

describe("a device that lies", () => {
  let page: number;
  beforeEach(() => {
    bringUp(driver, device, true);
    identify(driver, device);
    page = driver.make("Page");
    expect(driver.submit(1, read(page))).toBe(1);
  });
  const told = () => bus.lab.system.deviceReports.filter((r) => r.kind === "lied");

  test.each([
    ["an identifier that nothing has", 2, {}],
    ["an identifier beyond the queue", 0xffff, {}],
    ["in another submission queue's name", 1, { as: 0 }],
    ["in the name of a queue that is not there", 1, { as: 9 }],
  ])("completes %s", (_name, id, options) => {
    device.complete(id, { queue: 1, ...options });
    expect(driver.complete(1)).toEqual([]);
    expect(heap().ownerAt(page >>> 10)).toBe(OWNER_DEVICE);
    expect(info().faults).toBe(1);
    expect(told()).toMatchObject([
      { device: "d0", driver: "driver", text: "completed what queue 1 has not (1 faults so far)" },
    ]);
    device.complete(1, { queue: 1 });
    expect(driver.complete(1)).toHaveLength(1);
  });

  test("completes twice", () => {
    device.complete(1, { queue: 1 });
    device.complete(1, { queue: 1 });
    expect(driver.complete(1)).toHaveLength(1);
    expect(info().faults).toBe(1);
  });

  test("turns no phase: nothing is there", () => {
    device.complete(1, { queue: 1 });
    driver.complete(1);
    device.rings[1]!.phase = 0;
    for (let i = 0; i < 5; i++) device.complete(i, { queue: 1 });
    expect(driver.complete(1)).toEqual([]);
    expect(info().faults).toBe(0);
  });

  test("inspect of the driver shows the device, and what it did", () => {
    device.complete(7, { queue: 1 });
    driver.complete(1);
    const lines = formatInspect(inspectDomain(bus.lab.system, "driver"));
    expect(lines).toContain(
      "  drives d0 (test:scripted): open; 2 queue pairs, 1 command under way; 1 fault of the device",
    );
    expect(lines).toContain("  d0 lied: completed what queue 1 has not (1 faults so far)");
    expect(formatInspect(inspectDomain(bus.lab.system, "other")).join()).not.toContain("d0");
  });

  test("floods: a call ends, and reports are few", () => {
    for (let round = 0; round < 200; round++) {
      for (let i = 0; i < 8; i++) device.complete(77, { queue: 1 });
      expect(driver.complete(1)).toEqual([]);
    }
    expect(info().faults).toBeGreaterThan(800);
    expect(told().length).toBeLessThan(15);
  });

  test("overwrites its rings and the list of pages: nothing but itself is confused", () => {
    const { windows } = device;
    const rings = device.rings[1]!;
    device.write(rings.sq, new Uint8Array(8 * 64).fill(0xff));
    device.write(rings.cq, new Uint8Array(8 * 16).fill(0xff));
    expect(driver.complete(1)).toEqual([]);
    expect(windows).toHaveLength(1);
    expect(driver.device("reset")).toHaveLength(6);
  });

  test("is refused an access by its IOMMU: reported with the driver's name", () => {
    for (let i = 0; i < 100; i++) device.onEvent!({ kind: "dma-fault", text: "write to 0x1000" });
    const reports = bus.lab.system.deviceReports.filter((r) => r.kind === "dma-fault");
    expect(reports).toHaveLength(7);
    expect(reports[0]).toEqual({
      device: "d0",
      driver: "driver",
      kind: "dma-fault",
      text: "write to 0x1000 (1 faults so far)",
    });
    expect(bus.lab.system.trace("driver").some((e) => e.kind === "device" && e.detail === "d0 dma-fault")).toBe(true);
  });

  test("answers Identify Namespace with a format that is not known: no I/O, and nobody dies", () => {
    for (const [shift, metadata] of [
      [0, 0],
      [8, 0],
      [15, 0],
      [32, 0],
      [255, 0],
      [9, 8],
    ]) {
      driver.ask("dispose", identify(driver, device, shift, metadata));
      expect(driver.submit(1, read(driver.make("Page"), 2))).toBe("Refused");
    }
    driver.ask("dispose", identify(driver, device, 12));
    expect(driver.submit(1, { ...read(driver.make("Page"), 2), dw: {} })).toBe(1);
  });

  test("has a namespace that was not identified: no I/O", () => {
    for (const nsid of [0, 2, 1023, 1024, 0x7fffffff, 0xffffffff])
      expect(driver.submit(1, { ...read(driver.make("Page"), 2), nsid })).toBe("Refused");
  });
});

describe("a driver that dies", () => {
  /** Makes pages until there is no more room; their addresses. */
  function fill(puppet: Puppet): [number, number][] {
    const blocks: [number, number][] = [];
    for (let page = puppet.make("Page"); page !== 0; page = puppet.make("Page"))
      blocks.push([heap().at(ADDRESS, page >>> 10), heap().at(BLOCK, page >>> 10)]);
    return blocks;
  }

  test("the device completes late into its buffer: that is nobody's until the device is silent", async () => {
    bringUp(driver, device, true);
    identify(driver, device);
    const large = driver.make("Large");
    const at = heap().at(ADDRESS, large >>> 10);
    driver.submit(1, { ...read(large), dw: { 12: 127 } });
    const entry = device.fetch(1)!;
    const list = entry[8]!;
    const { sq, cq } = device.rings[1]!;
    device.hold = true;
    expect(() => driver.ask("trap")).toThrow("crashed");
    await settled();
    expect(device.running).toBe(false);
    // It lives again while its former life's device is not silent yet.
    bus.lab.system.restart("driver");
    driver.batch = 0;
    driver.ask("claim", 0);
    expect(driver.device("open")).toBe("Busy");
    bus.lab.audit();
    const blocks = fill(other);
    expect(blocks.length).toBeGreaterThan(100);
    const given = (address: number): boolean => blocks.some(([b, n]) => address >= b && address < b + n);
    for (const address of [at, at + 65535, list, sq, cq]) expect(given(address)).toBe(false);
    device.write(at, new Uint8Array(65536).fill(MARK));
    device.write(cq, new Uint8Array(128).fill(MARK));
    for (const [address, bytes] of blocks) expect(device.read(address, bytes).every((b) => b === 0)).toBe(true);
    device.release();
    await settled();
    const after = fill(other);
    expect(after.some(([b, n]) => at >= b && at < b + n)).toBe(true);
    for (const [address, bytes] of after) expect(device.read(address, bytes).every((b) => b === 0)).toBe(true);
    expect(driver.device("open")).toHaveLength(6);
  });

  const states: [string, () => void | Promise<void>][] = [
    ["opened", () => void driver.device("open")],
    [
      "with queues that the device does not know",
      () => {
        driver.device("open");
        driver.device("createQueue", 0, 8, 4096);
        driver.device("createQueue", 1, 8, 4096);
      },
    ],
    ["enabled", () => bringUp(driver, device)],
    [
      "while a queue is made",
      () => {
        bringUp(driver, device);
        driver.device("createQueue", 1, 8, 4096);
        driver.submit(0, { opcode: 5, id: 0, dw: { 10: 1 | (7 << 16), 11: 1 } });
      },
    ],
    [
      "with commands under way",
      () => {
        bringUp(driver, device, true);
        identify(driver, device);
        for (let id = 0; id < 7; id++) driver.submit(1, read(driver.make("Page"), id));
      },
    ],
    [
      "with completions that nobody took",
      () => {
        bringUp(driver, device, true);
        identify(driver, device);
        driver.submit(1, read(driver.make("Page")));
        device.complete(1, { queue: 1 });
      },
    ],
    [
      "disabling",
      () => {
        bringUp(driver, device, true);
        driver.device("write32", 0, 0x14, 0x460000);
      },
    ],
    [
      "resetting",
      () => {
        bringUp(driver, device, true);
        identify(driver, device);
        driver.submit(1, read(driver.make("Page")));
        device.hold = true;
        driver.device("reset");
      },
    ],
    [
      "closing",
      () => {
        bringUp(driver, device, true);
        identify(driver, device);
        driver.submit(1, read(driver.make("Page")));
        device.hold = true;
        driver.device("close");
      },
    ],
    [
      "gone",
      async () => {
        bringUp(driver, device, true);
        identify(driver, device);
        driver.submit(1, read(driver.make("Page")));
        device.onEvent!({ kind: "gone", text: "pulled" });
        await settled();
      },
    ],
  ];
  test.each(states)("%s: all is given back, and the next life drives it", async (name, reach) => {
    driver.ask("claim", 0);
    await reach();
    expect(() => driver.ask("trap")).toThrow("crashed");
    await settled();
    bus.lab.audit();
    expect(device.running).toBe(false);
    device.release();
    await settled();
    bus.lab.audit();
    expect(info()).toMatchObject({ state: "closed", driver: null, queues: 0, outstanding: 0 });
    expect([heap().charged(FIRST_DOMAIN), heap().charged(OWNER_DEVICE)]).toEqual([NOTHING, NOTHING]);
    bus.lab.system.restart("driver");
    driver.batch = 0;
    if (name === "gone") return;
    bringUp(driver, device, true);
    expect(driver.submit(1, { opcode: 0, id: 0, nsid: 1 })).toBe(1);
  });

  test("a device that is silent at once: its next life drives it within the same call", () => {
    device.instant = true;
    bringUp(driver, device, true);
    identify(driver, device);
    driver.submit(1, read(driver.make("Page")));
    bus.lab.system.restart("driver");
    expect(info()).toMatchObject({ state: "closed", queues: 0, outstanding: 0 });
    driver.batch = 0;
    bringUp(driver, device, true);
    expect(driver.device("reset")).toHaveLength(6);
    expect((driver.device("state") as number[]).slice(0, 3)).toEqual([1, 0, 0]);
    expect(driver.submit(1, { opcode: 0, id: 0 })).toBe("Invalid");
  });

  test("killed inside a call of its own: nothing is freed before it has left", async () => {
    bringUp(driver, device, true);
    bus.lab.system.kill("driver");
    await settled();
    expect(bus.lab.faults.map((f) => f.kind)).toEqual(["killed"]);
    expect(info().state).toBe("closed");
  });
});

describe("whose object it was", () => {
  beforeEach(() => {
    bringUp(driver, device, true);
    identify(driver, device);
  });
  /** A page that `other` made, which the driver posts. */
  function borrowed(): number {
    const page = driver.ask("accept", other.client.give!(other.make("Page")).value);
    expect(driver.submit(1, read(page))).toBe(1);
    return page;
  }

  test("who is charged for it dies: the device is charged, then whoever it comes back to", async () => {
    const before = heap().charged(FIRST_DOMAIN).objects;
    borrowed();
    expect(heap().charged(FIRST_DOMAIN + 1).objects).toBe(1);
    expect(() => other.ask("trap")).toThrow("crashed");
    await settled();
    bus.lab.audit();
    expect([heap().charged(FIRST_DOMAIN + 1).objects, heap().charged(OWNER_DEVICE).objects]).toEqual([0, 1]);
    device.complete(1, { queue: 1 });
    const [[, handle]] = driver.complete(1) as [number[]];
    expect(heap().charged(OWNER_DEVICE)).toEqual(NOTHING);
    expect(heap().charged(FIRST_DOMAIN).objects).toBe(before + 1);
    driver.ask("dispose", handle);
  });

  test("its driver dies: it is freed, and who made it is charged no more", async () => {
    borrowed();
    expect(() => driver.ask("trap")).toThrow("crashed");
    await settled();
    expect(heap().charged(FIRST_DOMAIN + 1)).toEqual(NOTHING);
  });
});

describe("one driver at a time", () => {
  test("who opens second is told to wait, and reaches nothing", async () => {
    bringUp(driver, device, true);
    other.ask("claim", 0);
    expect(other.device("open")).toBe("Busy");
    for (const [method, ...values] of [
      ["close"],
      ["read32", 0, 0x1c],
      ["write32", 0, 0x14, 0],
      ["configRead", 0, 4],
      ["createQueue", 2, 8, 0],
      ["destroyQueue", 1],
      ["interrupts", 1],
      ["pending"],
      ["reset"],
    ] as const)
      expect(other.device(method, ...values)).toBe("NotYours");
    expect(other.submit(1, { opcode: 0, id: 0 })).toBe("NotYours");
    expect(other.device("complete", 1, other.batch)).toBe("NotYours");
    expect(device.running).toBe(true);
    expect((other.device("state") as number[])[0]).toBe(1);
  });

  test("a capability that was passed on makes no second driver; taken back, it is nothing", async () => {
    bringUp(driver, device, true);
    expect(other.client.take!(driver.client.pass!().value).ok).toBe(true);
    expect(other.device("reset")).toBe("NotYours");
    const { hostDomain, linker } = bus.lab.system.kernel;
    linker.revokeDerived([...hostDomain.capabilities!.all()].find((c) => c.interface === "PciDevice")!);
    expect([driver.device("reset"), other.device("open")]).toEqual(["fault 259", "fault 259"]);
    expect(device.running).toBe(true);
    bus.lab.system.kill("driver");
    expect(device.running).toBe(false);
  });

  test("the former driver's number is another domain's later: it has no rights", async () => {
    bringUp(driver, device, true);
    device.hold = true;
    bus.lab.system.restart("driver");
    driver.batch = 0;
    driver.ask("claim", 0);
    expect(driver.device("read32", 0, 0)).toBe("NotYours");
    device.release();
    await settled();
    expect(driver.device("read32", 0, 0)).toBe("NotYours");
  });

  test("a device without a grammar is nobody's", async () => {
    const net = new ScriptedDevice({ identity: { classCode: 0x020000 } });
    const alone = await makeBus([net]);
    alone.puppets.driver!.ask("claim", 0);
    expect(alone.puppets.driver!.device("open")).toBe("Refused");
    expect(net.running).toBe(false);
    await alone.lab.close();
  });
});
