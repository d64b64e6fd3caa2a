/**
 * Devices through the control socket: what there is, accesses, faults on demand, and mistakes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { DeviceSet, vfioAddresses } from "#drivers/backends.ts";
import { ControlClient } from "#runtime/control/client.ts";
import { ControlServer } from "#runtime/control/server.ts";
import { deviceHandlers, type DevicesAnswer, type MmioAnswer } from "#tools/device/handlers.ts";

const folder = mkdtempSync(join(tmpdir(), "samara-devices-"));
const NAME = "devices";
const FAST = { host: "stepped", mmioReadNs: 0, readyMs: 0, bytes: 1 << 20 };
const STATE = {
  name: "nvme0",
  state: "open",
  gone: false,
  driver: "nvme",
  writable: true,
  faults: 0,
  outstanding: 2,
};
const set = new DeviceSet();
let server: ControlServer;
let client: ControlClient;

beforeAll(async () => {
  for (const name of ["nvme0", "nvme1"]) set.make({ name, backend: "model:nvme", options: FAST });
  const state = { state: "open", gone: false, driver: "nvme", writable: true, faults: 0, outstanding: 2 };
  server = await ControlServer.listen(
    folder,
    NAME,
    deviceHandlers(set, () => [{ name: "nvme0", ...state }]),
  );
  client = await ControlClient.connect(folder, NAME);
});
afterAll(async () => {
  client.close();
  await server.close();
  rmSync(folder, { recursive: true });
});

test("devices: what the kernel knows, and what the back end is", async () => {
  const { devices } = await client.request<DevicesAnswer>("devices");
  const { identity } = set.devices.get("nvme0")!;
  expect(devices).toEqual([
    { ...STATE, backend: "model:nvme (ready at once, register reads free)", real: false, event: null, identity },
  ]);
});

test("mmio: the first question begins, the next ones go on", async () => {
  const device = set.devices.get("nvme0")!;
  device.configRead(0, 4);
  const first = await client.request<MmioAnswer>("mmio", { device: "nvme0" });
  expect(first).toMatchObject({ accesses: [], lost: 0, identity: { classCode: 0x010802 } });
  device.configWrite(4, 2, 6);
  device.read32(0, 8);
  const { accesses, last } = await client.request<MmioAnswer>("mmio", { device: "nvme0", since: first.last });
  expect(accesses).toMatchObject([
    { kind: "config-write", offset: 4, width: 2, value: 6 },
    { kind: "read", bar: 0, offset: 8, value: 0x10400 },
  ]);
  expect((await client.request<MmioAnswer>("mmio", { device: "nvme0", since: last })).accesses).toEqual([]);
});

test("fault: arms one, and answers with it", async () => {
  const fault = "lost-completion:count=2";
  expect(await client.request("fault", { device: "nvme0", fault })).toEqual({ device: "nvme0", fault });
});

describe("mistakes", () => {
  test.each<[string, Record<string, unknown>, RegExp]>([
    ["mmio", {}, /^"device" is missing, or no text$/],
    ["mmio", { device: "nvme7" }, /^there is no device "nvme7" \(did you mean "nvme0"\?\)$/],
    ["fault", { device: "disk", fault: "hang" }, /^there is no device "disk"; there is nvme0, nvme1$/],
    ["mmio", { device: "nvme0", since: -1 }, /^"since" is the number of an access$/],
    ["fault", { device: "nvme0" }, /^"fault" is missing, or no text$/],
    [
      "fault",
      { device: "nvme0", fault: "hung" },
      /^nvme0: unknown fault "hung"; there are error, lost-completion, .*hang/,
    ],
    ["fault", { device: "nvme0", fault: "hang:until=noon" }, /^nvme0: .*until/],
  ])("%s %j", async (command, args, message) => {
    await expect(client.request(command, args)).rejects.toThrow(message);
  });

  test.each<[string, Record<string, string | number | boolean>, RegExp]>([
    ["model:ide", {}, /there is no model "ide"; there are: nvme/],
    ["model:nvme", { colour: 1 }, /unknown option colour; there are file, /],
    ["floppy:a", {}, /there is no back end "floppy:a"; there are model:nvme, vfio:BDF, vfio-user:PATH, replay:FILE/],
    ["vfio:0000:00:04.0", {}, /vfio:0000:00:04.0 needs the native library, which is not here/],
    ["vfio-user:/run/x", { a: 1 }, /vfio-user takes no options, not a either/],
    ["replay:/no/such", {}, /the record \/no\/such cannot be read: ENOENT/],
  ])("a back end %s %j", (backend, options, message) => {
    expect(() => new DeviceSet().make({ name: "x", backend, options })).toThrow(message);
  });
});

test("the addresses of real devices", () => {
  const entry = (name: string, backend: string) => ({ name, backend, options: {} });
  expect(vfioAddresses([entry("a", "model:nvme"), entry("b", "vfio:0000:00:04.0")])).toEqual(["0000:00:04.0"]);
});
