/**
 * The NVMe driver with a model, recorded; and the same driver with the record in the model's place.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { DeviceSet } from "#drivers/backends.ts";
import { compareRecords } from "#drivers/wrappers/diff.ts";
import { parseRecord, type DeviceRecord } from "#drivers/wrappers/record.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import type { NvmeClient } from "../../build/gen/host/nvme.ts";
import { manifestOf, READY } from "../nvme/lab.ts";

const folder = mkdtempSync(join(tmpdir(), "samara-record-"));
afterAll(() => rmSync(folder, { recursive: true }));
const load = (file: string): DeviceRecord => parseRecord(readFileSync(file, "utf8"), file);

interface Session {
  readonly state: unknown;
  readonly identity: unknown;
  readonly namespace: unknown;
}

/** Boots a system with the driver, waits until the controller is up, and asks who it is. */
async function session(set: DeviceSet, options = {}): Promise<Session> {
  const build = await buildSystem(manifestOf({}, { readyMs: 5, mmioReadNs: 0, bytes: 1 << 20, ...options }));
  const system = await System.boot(build.system, { images: build.images, devices: set.make });
  try {
    const nvme = system.client<NvmeClient>("nvme.nvme");
    await expect.poll(() => nvme.state(), { timeout: 20_000 }).toMatchObject({ ok: true, value: { state: READY } });
    return { state: nvme.state(), identity: nvme.controller(), namespace: nvme.namespace() };
  } finally {
    await system.stop();
    set.close();
  }
}

test("a start of the driver is replayed without the device, to the same answers", async () => {
  const file = join(folder, "start");
  const first = await session(new DeviceSet({ record: new Map([["nvme0", file]]) }), { serial: "REPLAYED" });
  const again = new DeviceSet({
    replay: new Map([["nvme0", file]]),
    record: new Map([["nvme0", `${file}-again`]]),
  });
  // Whatever the manifest says of the model now: it is not asked.
  const second = await session(again, { serial: "OTHER" });
  expect(again.differences()).toEqual(new Map([["nvme0", null]]));
  expect(second).toEqual(first);
  expect(JSON.stringify(second.identity)).toContain("REPLAYED");
  expect(load(`${file}-again`).header.name).toBe("replay:model:nvme (register reads free)");
  expect(compareRecords(load(file), load(`${file}-again`))).toBe(null);
});
