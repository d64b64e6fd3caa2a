/**
 * The NVMe driver on a controller that another process serves (`samara serve`): everything between a client and a device
 * that is not in this process, kernel, grammar and sockets included.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
import { buildNative, nativeMissing } from "#tools/native/build.ts";
import { loadNative } from "#drivers/vfio/native.ts";
import { connectVfioUser } from "#drivers/vfio/vfio-user.ts";
import type { BlockDeviceClient } from "../../build/gen/host/block-device.ts";
import type { NvmeClient } from "../../build/gen/host/nvme.ts";
import { ServedModel } from "../support/served.ts";
import { answered, ModelClient, random, type Records } from "../recovery/disk.ts";
import { FAILED, manifestOf, POLLING, reaches, ready, type NvmeLab } from "./lab.ts";

const SERIAL = "SERVED1";

describe.skipIf(nativeMissing() !== null)("a controller of another process", () => {
  let records: Records;
  let folder: string;
  let server: ServedModel;
  let killed = false;
  let system: System;

  beforeAll(async () => {
    buildNative();
    records = (await import("../../build/gen/host/block-device.ts")) as Records;
  });

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "samara-served-"));
    const options = [`serial=${SERIAL}`, "readyMs=1", "bytes=4194304", `file=${join(folder, "disk")}`];
    killed = false;
    server = await ServedModel.start(join(folder, "nvme"), options);
  });

  afterEach(async () => {
    await system?.stop();
    expect(await server.stop()).toBe(killed ? null : 0);
    rmSync(folder, { recursive: true, force: true });
  });

  async function boot(writable: string | undefined): Promise<Pick<NvmeLab, "system" | "disk" | "nvme">> {
    const { devices, ...rest } = manifestOf();
    const device = { ...devices!.nvme0!, backend: `vfio-user:${join(folder, "nvme")}`, options: {} };
    const nvme0 = writable === undefined ? device : { ...device, writable };
    const build = await buildSystem({ ...rest, devices: { nvme0 } });
    const generated = await import("../../build/gen/host/interfaces.ts");
    system = await System.boot(build.system, {
      images: build.images,
      records: generated.records,
      devices: ({ backend }) => connectVfioUser(loadNative(buildNative()), backend.slice("vfio-user:".length)),
    });
    system.heap.useArena("dma");
    const disk = system.client<BlockDeviceClient>("nvme.disk");
    return { system, disk, nvme: system.client<NvmeClient>("nvme.nvme") };
  }

  async function work(one: ModelClient, rounds: number): Promise<void> {
    for (let i = 0; i < rounds; i++) {
      one.submit();
      one.submit();
      one.poll();
      await new Promise((resolve) => setImmediate(resolve));
    }
    one.drain();
    one.verify();
    expect(one.errors).toBe(0);
  }

  test("reads and writes by interrupts and by polling, and keeps what it was given from one system to the next", async () => {
    const lab = (await boot(SERIAL)) as NvmeLab;
    await ready(lab);
    const one = new ModelClient(system, records, "nvme.disk", 64, random(1));
    await work(one, 25);
    answered(lab.nvme.configure(1, 64, POLLING, 1_000));
    await ready(lab);
    await work(one, 25);
    answered(lab.disk.flush());
    expect(system.deviceReports.filter(({ kind }) => kind !== "opened" && kind !== "closed")).toEqual([]);
    expect(system.kernel.heap.check()).toEqual([]);
    await system.stop();
    const again = (await boot(undefined)) as NvmeLab;
    await ready(again);
    expect(system.faults).toEqual([]);
  });

  test("one that may not be written to: what changes data is refused, and nothing waits behind it", async () => {
    const lab = (await boot(undefined)) as NvmeLab;
    await ready(lab);
    const one = new ModelClient(system, records, "nvme.disk", 64, random(2));
    expect(await lab.nvme.writeZeroes(0n, 1, false)).toEqual({ ok: false, error: "WriteProtected" });
    const many = [lab.nvme.deallocate(0n, 8), lab.nvme.writeZeroes(0n, 1, true), lab.nvme.flush()];
    expect((await Promise.all(many)).map((answer) => answer.ok)).toEqual([false, false, true]);
    expect(lab.disk.read(one.request(3, null)).ok).toBe(true);
    expect(lab.disk.write(one.request(3, 1)).ok).toBe(false);
    expect(lab.disk.read(one.request(3, null)).ok).toBe(true);
    expect(answered(lab.nvme.state()).inFlight).toBe(0);
  });

  test("a process that dies is a device that is gone: the driver says so, the system goes on", async () => {
    const lab = (await boot(SERIAL)) as NvmeLab;
    await ready(lab);
    killed = true;
    await server.stop("SIGKILL");
    await reaches(lab, FAILED);
    await vi.waitFor(() => expect(system.devices()[0]!.gone).toBe(true));
    expect(lab.disk.flush().ok).toBe(false);
    expect(system.kernel.heap.check()).toEqual([]);
  });
});
