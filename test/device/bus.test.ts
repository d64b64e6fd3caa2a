/**
 * The bus driver on a bus of three devices: each driver gets those of its kind, and nothing that it can use without
 * being a driver.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import type { DeviceBackend } from "#kernel/device/backend.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { ScriptedDevice } from "../support/scripted-device.ts";

type Answer = { ok: boolean; value?: Record<string, () => Answer>; error?: string };
type Slot = { claim(index: number): Answer };

const MIB = 2 ** 20;
const devices: Readonly<Record<string, DeviceBackend>> = {
  net0: new ScriptedDevice({ identity: { vendor: 0x8086, device: 0x10fb, classCode: 0x020000 } }),
  nvme0: new ScriptedDevice({ identity: { device: 1 } }),
  other: new ScriptedDevice({ identity: { classCode: 0x030000 } }),
  nvme1: new ScriptedDevice({ identity: { device: 2 } }),
};
const manifest = {
  name: "bus",
  heap: { bytes: 8 * MIB, objects: 1024, arenas: { dma: MIB } },
  devices: Object.fromEntries(Object.keys(devices).map((name) => [name, { backend: "test:x", arenas: ["dma"] }])),
  domains: { pci: { domain: "pci", uses: { bus: "kernel.pci" }, restart: "on-fault" as const } },
};
let system: System;
const slot = (name: string): Slot => system.client<Slot>(`pci.${name}`);

beforeAll(async () => {
  const build = await buildSystem(manifest);
  system = await System.boot(build.system, { images: build.images, devices: ({ name }) => devices[name]! });
});
afterAll(() => system.stop());

/** Device number of a claimed device, or the error. */
function claimed(kind: string, index: number): unknown {
  const answer = slot(kind).claim(index);
  return answer.ok ? answer.value!.identity!().value!.device : answer.error;
}

test("by class, in the bus's order, and no others", () => {
  expect([0, 1, 2].map((i) => claimed("nvme", i))).toEqual([1, 2, "Invalid"]);
});

test("by vendor and device", () => {
  expect([0, 1].map((i) => claimed("ixgbe", i))).toEqual([0x10fb, "Invalid"]);
});

test("the same ones in each life of the bus driver", () => {
  system.crash("pci");
  expect(claimed("nvme", 1)).toBe(2);
  expect(system.kernel.heap.check()).toEqual([]);
});

test("who may drive what is in the graph, by the device's name", () => {
  const edges = system.graph().filter((edge) => edge.interface === "PciDevice" && edge.holder === "pci");
  expect(edges.map(({ provider, object, by }) => `${provider}.${object} ${by}`)).toEqual(
    Object.keys(devices).map((name) => `kernel.${name} passed`),
  );
});

test("the embedding program is no driver", () => {
  const device = slot("nvme").claim(0).value!;
  expect(device.open!()).toEqual({ ok: false, error: "NotYours" });
  expect(device.close!()).toEqual({ ok: false, error: "NotYours" });
});

test("a device for which the program has nothing ends the boot, by name", async () => {
  const build = await buildSystem(manifest);
  const boot = (options: object) => System.boot(build.system, { images: build.images, ...options });
  await expect(boot({})).rejects.toThrow("device net0: the program gives the system no devices");
  const failing = { devices: () => Promise.reject(new Error("no such file")) };
  await expect(boot(failing)).rejects.toThrow("device net0 (test:x): no such file");
  const unmapped = new ScriptedDevice();
  unmapped.map = () => {
    throw new Error("no room");
  };
  await expect(boot({ devices: () => unmapped })).rejects.toThrow("device net0 (test:scripted): no room");
  expect(unmapped.closed).toBe(true);
});
