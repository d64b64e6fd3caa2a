/**
 * Our client against our server, in two processes: registers, memory both ways, interrupts, reset, ends.
 */
import { fork } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import type { DeviceBackend, DeviceEvent } from "#kernel/device/backend.ts";
import { buildNative, nativeFile, nativeMissing } from "../../tools/native/build.ts";
import { ROOT } from "../../tools/lib/paths.ts";
import { loadNative } from "./native.ts";
import type { Native } from "./native.ts";
import { ID, Reg, VECTORS } from "./test/device.ts";
import { ended, started } from "./test/process.ts";
import { connectVfioUser } from "./vfio-user.ts";

const PAGE = 65_536;

describe.skipIf(nativeMissing() !== null)("a device of another process", () => {
  let native: Native;
  let folder: string;
  let path: string;
  let server: ChildProcess;
  let notes: string[];
  let device: DeviceBackend;
  let memory: SharedArrayBuffer;

  beforeAll(() => void (native = loadNative(buildNative())));

  const serve = (): Promise<ChildProcess> => started("server.ts", [path], notes);

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "samara-vfio-user-"));
    path = join(folder, "device");
    notes = [];
    server = await serve();
    device = connectVfioUser(native, path);
    const wasm = new WebAssembly.Memory({ initial: 8, maximum: 8, shared: true });
    memory = wasm.buffer as unknown as SharedArrayBuffer;
  });

  afterEach(async () => {
    await device.close();
    await ended(server);
    rmSync(folder, { recursive: true, force: true });
  });

  function map(): void {
    device.map(memory, [
      { iova: PAGE, bytes: 2 * PAGE },
      { iova: 4 * PAGE, bytes: PAGE },
    ]);
  }

  function copy(source: number, destination: number, bytes: number, vector: number): void {
    device.write32(0, Reg.SOURCE, source);
    device.write32(0, Reg.DESTINATION, destination);
    device.write32(0, Reg.BYTES, bytes);
    device.write32(0, Reg.START, vector);
  }

  const settled = (reg: number, count: number): Promise<void> =>
    vi.waitFor(() => expect(device.read32(0, reg)).toBe(count));

  test("says who it is, and has registers once it is started", () => {
    expect(device.name).toBe(`vfio-user:${path}`);
    expect(device.identity).toEqual({
      vendor: 0x1b36,
      device: 0xaa,
      classCode: 0x08_80_00,
      revision: 3,
      subsystemVendor: 0x1af4,
      subsystem: 0x1100,
    });
    expect(device.bars.map(({ bytes }) => bytes)).toEqual([0x4000, 0, 0, 0, 0, 0]);
    expect(device.read32(0, Reg.ID)).toBe(0xffff_ffff);
    device.start();
    expect(device.read32(0, Reg.ID)).toBe(ID);
    device.write32(0, Reg.SCRATCH, 0xdead_beef);
    expect(device.read32(0, Reg.SCRATCH)).toBe(0xdead_beef);
    expect(device.configRead(0x04, 2) & 0b110).toBe(0b110);
    // A BAR that is asked for its size.
    device.configWrite(0x10, 4, 0xffff_ffff);
    expect(device.configRead(0x10, 4)).toBe(0xffff_c004);
    expect(device.configRead(0x2c, 1)).toBe(0xf4);
    expect(() => device.configRead(0xffe, 4)).toThrow(RangeError);
  });

  test("reaches the windows both ways, and no byte outside of them", async () => {
    map();
    device.start();
    const bytes = new Uint8Array(memory);
    bytes.fill(1);
    bytes.set([10, 20, 30, 40], PAGE + 100);
    copy(PAGE + 100, 4 * PAGE + 8, 4, 0);
    await settled(Reg.DONE, 1);
    expect([...bytes.subarray(4 * PAGE + 7, 4 * PAGE + 13)]).toEqual([1, 10, 20, 30, 40, 1]);
    const before = bytes.slice();
    const outside = [
      [PAGE, 3 * PAGE],
      [0, PAGE],
      [PAGE, 3 * PAGE - 2],
      [5 * PAGE, PAGE],
      [PAGE, 0xffff_fffe],
    ];
    for (const [i, [source, destination]] of outside.entries()) {
      copy(source!, destination!, 4, 0);
      await settled(Reg.REFUSED, i + 1);
    }
    expect(bytes.every((byte, i) => byte === before[i])).toBe(true);
  });

  test("reaches nothing while it is no bus master", async () => {
    map();
    device.start();
    device.configWrite(0x04, 2, 0b010);
    copy(PAGE, PAGE + 8, 4, 0);
    await settled(Reg.REFUSED, 1);
  });

  test("interrupts: each vector its own, in the event loop, until they are taken away", async () => {
    const fired: number[] = [];
    map();
    expect(device.interrupts(100, (vector) => fired.push(vector))).toBe(VECTORS);
    device.start();
    for (const vector of [0, 31, 32, VECTORS - 1]) copy(PAGE, PAGE + 8, 4, vector);
    expect(fired).toEqual([]);
    await vi.waitFor(() => expect(fired.toSorted((a, b) => a - b)).toEqual([0, 31, 32, VECTORS - 1]));
    expect(device.interrupts(1, () => fired.push(-1))).toBe(1);
    copy(PAGE, PAGE + 8, 4, 5);
    copy(PAGE, PAGE + 8, 4, 0);
    await vi.waitFor(() => expect(fired).toHaveLength(5));
    expect(fired.at(-1)).toBe(-1);
    expect(device.interrupts(0, () => {})).toBe(0);
  });

  test("quiesce: bus mastering off, reset, interrupts gone; then it can be started again", async () => {
    map();
    device.interrupts(4, () => {});
    device.start();
    device.write32(0, Reg.SCRATCH, 7);
    const quiet = device.quiesce();
    expect(device.read32(0, Reg.SCRATCH)).toBe(0xffff_ffff);
    expect(() => device.start()).toThrow(/started while it is being reset/);
    await quiet;
    expect(device.configRead(0x04, 2) & 0b110).toBe(0);
    device.start();
    expect(device.read32(0, Reg.SCRATCH)).toBe(0);
    copy(PAGE, PAGE + 8, 4, 0);
    await settled(Reg.DONE, 1);
  });

  test("quiesce is seen to be over without the event loop", async () => {
    map();
    device.start();
    device.write32(0, Reg.SCRATCH, 7);
    const over = device.quiesce();
    for (const end = performance.now() + 5_000; !device.quiesced!() && performance.now() < end;);
    device.start();
    expect(device.read32(0, Reg.SCRATCH)).toBe(0);
    device.write32(0, Reg.SCRATCH, 8);
    await over;
    expect(device.read32(0, Reg.SCRATCH)).toBe(8);
  });

  test("a server that dies is a device that is gone, and says so", async () => {
    const events: DeviceEvent[] = [];
    device.onEvent = (event) => events.push(event);
    map();
    device.start();
    server.kill("SIGKILL");
    await once(server, "exit");
    expect(device.read32(0, Reg.ID)).toBe(0xffff_ffff);
    device.write32(0, Reg.SCRATCH, 1);
    expect(device.configRead(0, 2)).toBe(0xffff);
    await vi.waitFor(() => expect(events).toHaveLength(1));
    expect(events[0]!.kind).toBe("gone");
    expect(events[0]!.text).toMatch(/^vfio-user:.*(EPIPE|ECONNRESET|the server closed the connection)/);
    await device.quiesce();
    expect(device.interrupts(1, () => {})).toBe(0);
    // The next server finds the socket of the dead one, and takes its place.
    notes = [];
    server = await serve();
    await device.close();
    device = connectVfioUser(native, path);
    device.start();
    expect(device.read32(0, Reg.ID)).toBe(ID);
  });

  test("a server that does not answer is given up, and keeps the windows", async () => {
    map();
    device.start();
    server.kill("SIGSTOP");
    expect(device.read32(0, Reg.ID)).toBe(0xffff_ffff);
    server.kill("SIGCONT");
    await expect(device.quiesce()).rejects.toThrow(/given up, and may still have memory mapped/);
  });

  test("a device that vanishes reads as all ones", () => {
    device.start();
    device.write32(0, Reg.VANISH, 1);
    expect(device.read32(0, Reg.ID)).toBe(0xffff_ffff);
    expect(device.configRead(0, 4)).toBe(0xffff_ffff);
  });

  test("its state outlives a client, whose memory and interrupts go with it", async () => {
    map();
    device.start();
    device.write32(0, Reg.SCRATCH, 9);
    await device.close();
    device = connectVfioUser(native, path);
    device.start();
    expect(device.read32(0, Reg.SCRATCH)).toBe(9);
    copy(PAGE, PAGE + 8, 4, 0);
    await settled(Reg.REFUSED, 1);
  });

  test("one server serves at one path, and takes its socket with it", async () => {
    const second = fork(join(ROOT, "drivers/vfio/test/server.ts"), [nativeFile(), path], {
      execArgv: [],
      stdio: "pipe",
    });
    let said = "";
    second.stderr!.on("data", (chunk) => (said += String(chunk)));
    expect((await once(second, "exit"))[0]).toBe(1);
    expect(said).toContain("somebody serves a device there already");
    server.kill("SIGTERM");
    await once(server, "exit");
    expect(server.exitCode).toBe(0);
    expect(existsSync(path)).toBe(false);
    expect(() => connectVfioUser(native, path)).toThrow(`ENOENT: ${path}: `);
  });

  test("nothing is left of a device that was closed: no descriptor, no mapping, no thread", async () => {
    const count = (): number[] => ["fd", "task"].map((kind) => readdirSync(`/proc/self/${kind}`).length);
    const mappings = (): number => readFileSync("/proc/self/maps", "utf8").split("\n").length;
    map();
    device.interrupts(8, () => {});
    await device.close();
    const before = count();
    const maps = mappings();
    for (let i = 0; i < 10; i++) {
      device = connectVfioUser(native, path);
      // A window of this heap keeps the memory file that it has.
      map();
      expect(device.interrupts(8, () => {})).toBe(8);
      device.start();
      await device.quiesce();
      await device.close();
    }
    // Fewer, when the collector finds the memory files of earlier tests' heaps meanwhile.
    count().forEach((now, kind) => expect(now).toBeLessThanOrEqual(before[kind]!));
    expect(mappings()).toBeLessThan(maps + 10);
    const fds = `/proc/${server.pid}/fd`;
    const open = readdirSync(fds).length;
    for (let i = 0; i < 5; i++) {
      device = connectVfioUser(native, path);
      map();
      device.interrupts(8, () => {});
      await device.close();
    }
    await vi.waitFor(() => expect(readdirSync(fds).length).toBeLessThanOrEqual(open));
  });
});
