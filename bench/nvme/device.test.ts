/**
 * The NVMe benchmark on a device of another process: it is only read, unless its own serial number was given. No time
 * is looked at.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { nativeMissing } from "#tools/native/build.ts";
import { ServedModel } from "../../test/support/served.ts";
import { parseOptions } from "../lib/options.ts";
import { measureNvme, type Measured } from "./nvme.ts";

describe.skipIf(nativeMissing() !== null)("on a device that is no model of ours", () => {
  let folder: string;
  let server: ServedModel;
  const disk = (): string => join(folder, "disk");
  const backend = (): string => `vfio-user:${join(folder, "nvme")}`;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "samara-bench-"));
    const options = [
      "serial=BENCH1",
      "readyMs=1",
      "mmioReadNs=0",
      "bytes=4194304",
      "writeCache=false",
      `file=${disk()}`,
    ];
    server = await ServedModel.start(join(folder, "nvme"), options);
  });

  afterEach(async () => {
    expect(await server.stop()).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  });

  const measure = (...more: string[]): Promise<Measured> =>
    measureNvme(
      parseOptions(["nvme", "--rounds", "1", "--device", backend(), "--only", "rand-qd32-domain", ...more]),
      null,
    );
  const isBlank = (): boolean => readFileSync(disk()).every((byte) => byte === 0);

  it("reads", { timeout: 120_000 }, async () => {
    const { cases } = await measure();
    expect(cases.map((c) => c.case)).toEqual(["device-read-rand-qd32-domain"]);
    expect(cases[0]!.value).toBeGreaterThan(0);
    expect(isBlank()).toBe(true);
  });

  it("writes nothing when the serial number is another one's", { timeout: 120_000 }, async () => {
    await expect(measure("--destroy", "BENCH2")).rejects.toThrow(
      `--destroy BENCH2: nothing was written, the serial number of ${backend()} is "BENCH1"`,
    );
    expect(isBlank()).toBe(true);
  });

  it("writes when it is the device's", { timeout: 120_000 }, async () => {
    const { cases } = await measure("--destroy", "BENCH1");
    expect(cases.map((c) => c.case)).toEqual(["device-read-rand-qd32-domain", "device-write-rand-qd32-domain"]);
    expect(isBlank()).toBe(false);
  });
});
