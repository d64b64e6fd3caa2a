/**
 * Servers that break the protocol, against our client: there is no device, or one that does less, and the reason is said.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { buildNative, nativeMissing } from "../../tools/native/build.ts";
import { loadNative } from "./native.ts";
import type { Native } from "./native.ts";
import { ID, Reg, VECTORS } from "./test/device.ts";
import { LIES } from "./test/hostile-server.ts";
import { ended, started } from "./test/process.ts";
import { connectVfioUser } from "./vfio-user.ts";

describe.skipIf(nativeMissing() !== null)("a server that breaks the protocol", () => {
  let native: Native;
  let folder: string;
  let server: ChildProcess;
  beforeAll(() => {
    native = loadNative(buildNative());
    folder = mkdtempSync(join(tmpdir(), "samara-lies-"));
  });
  afterEach(() => ended(server));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  async function lying(lie: keyof typeof LIES): Promise<string> {
    const path = join(folder, `s${Object.keys(LIES).indexOf(lie)}`);
    server = await started("hostile-server.ts", [path, lie], []);
    return path;
  }

  const atConnect: [keyof typeof LIES, RegExp][] = [
    ["silence", /no answer to command 1 within 1000 ms/],
    ["every answer is a header", /command 1: a reply of 0 bytes, not 4/],
    ["a size of 4 GB", /EPROTO: .*a message of 4294967295 bytes/],
    ["a size of 3", /EPROTO: .*a message of 3 bytes/],
    ["half a header", /EPROTO: .*the peer closed in the middle of a message/],
    ["the id of nobody", /reply 2 to command 1, not 1 to 1/],
    ["another command", /reply 1 to command 2, not 1 to 1/],
    ["everything refused", /command 1 was refused by the server, errno 13/],
    ["questions without end", /the server asks instead of answering/],
    ["another version", /version 9\.1, ours is 0\.1/],
    ["version data of noise", /version data is no JSON/],
    ["no descriptor at most", /a capability is 0/],
    ["no PCI device", /no PCI device with a reset/],
    ["no regions", /0 regions and 5 kinds of interrupts are no PCI device/],
    ["a BAR without end", /region 0 has no possible size/],
    ["half a register", /the server is gone: command 9: a reply of 17 bytes, not 18/],
    ["half a region", /command 5: a reply of 24 bytes, not 32/],
  ];
  test.each(atConnect)("%s: no device", async (lie, why) => {
    const path = await lying(lie);
    expect(() => connectVfioUser(native, path)).toThrow(why);
  });

  const atUse: [keyof typeof LIES][] = [["4 G vectors"], ["no vectors taken"], ["no reset"]];
  test.each(atUse)("%s: a device that does less, or is gone", async (lie) => {
    const device = connectVfioUser(native, await lying(lie));
    const wasm = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    device.map(wasm.buffer as unknown as SharedArrayBuffer, [{ iova: 65_536, bytes: 65_536 }]);
    const vectors = device.interrupts(3_000, () => {});
    device.start();
    const id = device.read32(0, Reg.ID);
    const quiet = await Promise.resolve(device.quiesce()).then(
      () => "quiet",
      (error: Error) => error.message,
    );
    expect([vectors, id, quiet]).toEqual(
      {
        "4 G vectors": [0, ID, "quiet"],
        "no vectors taken": [0, ID, "quiet"],
        "no reset": [VECTORS, ID, "a reset was refused by the server, errno 22"],
      }[lie as string],
    );
    // A reset that was refused is no end of it, whoever asks.
    expect(device.quiesced?.()).toBe(quiet === "quiet");
    await device.close();
  });

  test("no memory taken: said at once", async () => {
    const device = connectVfioUser(native, await lying("no memory taken"));
    const wasm = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
    expect(() => device.map(wasm.buffer as unknown as SharedArrayBuffer, [{ iova: 65_536, bytes: 65_536 }])).toThrow(
      "command 2 was refused by the server, errno 12",
    );
    await device.close();
  });

  test.each<[keyof typeof LIES]>([["capabilities of null"], ["questions before each answer"]])(
    "%s: odd, and no harm",
    async (lie) => {
      const device = connectVfioUser(native, await lying(lie));
      expect(device.interrupts(4, () => {})).toBe(4);
      device.start();
      expect(device.read32(0, Reg.ID)).toBe(ID);
      await device.quiesce();
      await device.close();
    },
  );
});
