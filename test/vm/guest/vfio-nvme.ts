/**
 * Runs in a guest: the vfio back end on QEMU's NVMe controller, without the kernel and the driver. Prints one JSON object.
 *
 * `node vfio-nvme.ts NATIVE BDF`. Register and queue layout: NVM Express 1.4, 3.1 and 4.2.
 */
import { writeFileSync } from "node:fs";
import type { DeviceEvent } from "#kernel/device/backend.ts";
import { hugePages } from "../../../drivers/vfio/heap.ts";
import { loadNative } from "../../../drivers/vfio/native.ts";
import { openVfio } from "../../../drivers/vfio/vfio.ts";

const [file, bdf] = process.argv.slice(2);
const native = loadNative(file!);
const MIB = 1 << 20;
/** The window, and what lies in it: queues of 32 entries, data. */
const WINDOW = 2 * MIB;
const SUBMISSION = WINDOW;
const COMPLETION = WINDOW + 0x1000;
const DATA = WINDOW + 0x2000;
const OUTSIDE = WINDOW + 2 * MIB;
const ENTRIES = 32;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const said = (run: () => unknown): string => {
  try {
    return String(run());
  } catch (error) {
    return (error as Error).message;
  }
};

writeFileSync("/proc/sys/vm/nr_hugepages", "8");
const wasm = new WebAssembly.Memory({ initial: 128, maximum: 128, shared: true });
const memory = wasm.buffer as unknown as SharedArrayBuffer;
const bytes = new Uint8Array(memory);
const words = new Int32Array(memory);
// Where the memory lies is chance: in twice their size there is one at least.
const huge = hugePages(native, memory, { iova: WINDOW, bytes: 4 * MIB });

const device = openVfio(native, bdf!);
const events: DeviceEvent[] = [];
device.onEvent = (event) => events.push(event);
device.map(memory, [{ iova: WINDOW, bytes: 2 * MIB }]);
const fired: number[] = [];
const enable = (): number => device.interrupts(4, (vector) => fired.push(vector));

/** Identify Controller (5.15.2.2) into `target`. @returns the status field; -1: no completion */
async function identify(target: number): Promise<number> {
  bytes.fill(0, SUBMISSION, DATA);
  device.write32(0, 0x14, 0);
  while ((device.read32(0, 0x1c) & 1) !== 0) await wait(1);
  device.write32(0, 0x24, ((ENTRIES - 1) << 16) | (ENTRIES - 1));
  for (const [register, address] of [
    [0x28, SUBMISSION],
    [0x30, COMPLETION],
  ]) {
    device.write32(0, register!, address!);
    device.write32(0, register! + 4, 0);
  }
  device.write32(0, 0x14, (4 << 20) | (6 << 16) | 1);
  while ((device.read32(0, 0x1c) & 1) === 0) await wait(1);
  words[SUBMISSION / 4] = 0x06;
  words[SUBMISSION / 4 + 6] = target;
  words[SUBMISSION / 4 + 10] = 1;
  device.write32(0, 0x1000, 1);
  const phase = COMPLETION / 4 + 3;
  for (let ms = 0; (Atomics.load(words, phase) & 0x1_0000) === 0; ms += 5) {
    if (ms > 10_000) return -1;
    await wait(5);
  }
  return Atomics.load(words, phase) >>> 17;
}

/** The interrupt of a completion is behind the completion. */
async function interrupted(count: number): Promise<number> {
  for (let ms = 0; fired.length < count && ms < 10_000; ms += 5) await wait(5);
  return fired.length;
}

const text = (from: number, length: number): string =>
  new TextDecoder().decode(bytes.slice(from, from + length)).trimEnd();

const seen: Record<string, unknown> = { huge, name: device.name, identity: device.identity, bars: device.bars };
seen.beforeStart = device.read32(0, 8);
seen.vectors = enable();
device.start();
seen.version = device.read32(0, 8);
seen.status = await identify(DATA);
seen.serial = text(DATA + 4, 20);
seen.interrupts = await interrupted(1);
seen.second = said(() => openVfio(native, bdf!));

bytes.fill(3, OUTSIDE, OUTSIDE + 4096);
await identify(OUTSIDE);
seen.untouched = bytes.subarray(OUTSIDE, OUTSIDE + 4096).every((byte) => byte === 3);

await device.quiesce();
seen.quiet = { command: device.configRead(4, 2) & 6, register: device.read32(0, 8) };
bytes.fill(0, DATA, DATA + 4096);
fired.length = 0;
enable();
device.start();
seen.configurationAfterReset = device.read32(0, 0x14);
seen.statusAfterReset = await identify(DATA);
seen.serialAfterReset = text(DATA + 4, 20);
seen.interruptsAfterReset = await interrupted(1);

// Whoever touches a register of a function that does not decode memory would die of a signal.
device.configWrite(4, 2, 0);
seen.notDecoding = device.read32(0, 8);
device.start();
seen.decoding = device.read32(0, 8);
const raw = native.VfioDevice;
seen.missing = said(() => new raw("/sys/bus/pci/devices/0000:00:1e.7"));

// The system wants the device back: it says so, and waits until we let go.
writeFileSync("/lab/unbind", "");
for (let ms = 0; events.length === 0 && ms < 20_000; ms += 20) await wait(20);
seen.events = [...new Set(events.map(({ kind, text: why }) => `${kind}: ${why}`))];
await device.quiesce();
await device.close();
seen.closed = device.read32(0, 8);
process.stdout.write(`${JSON.stringify(seen)}\n`);
