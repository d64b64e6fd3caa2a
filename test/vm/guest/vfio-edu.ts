/**
 * Runs in a guest: the vfio back end on QEMU's teaching device, which has MSI, and a DMA engine for 28 bits of address.
 * Prints one JSON object.
 *
 * `node vfio-edu.ts NATIVE BDF`. Source: QEMU, docs/specs/edu.rst.
 */
import { loadNative } from "../../../drivers/vfio/native.ts";
import { openVfio } from "../../../drivers/vfio/vfio.ts";

const [file, bdf] = process.argv.slice(2);
const native = loadNative(file!);
const WINDOW = 65_536;
/** The device's own buffer. */
const BUFFER = 0x4_0000;
const FROM_MEMORY = 1;
const TO_MEMORY = 3;
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const wasm = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
const words = new Uint32Array(wasm.buffer);
const device = openVfio(native, bdf!);
device.map(wasm.buffer as unknown as SharedArrayBuffer, [{ iova: WINDOW, bytes: WINDOW }]);
let fired = 0;
const seen: Record<string, unknown> = { vectors: device.interrupts(8, () => fired++) };
device.start();
seen.identification = device.read32(0, 0);
device.write32(0, 4, 0x1234_5678);
seen.inverted = device.read32(0, 4) >>> 0;

async function copy(source: number, destination: number, command: number): Promise<void> {
  for (const [register, value] of [
    [0x80, source],
    [0x84, 0],
    [0x88, destination],
    [0x8c, 0],
    [0x90, 4],
    [0x94, 0],
    [0x98, command],
  ])
    device.write32(0, register!, value!);
  for (let ms = 0; (device.read32(0, 0x98) & 1) !== 0 && ms < 10_000; ms += 10) await wait(10);
}

words[WINDOW / 4] = 0xfeed_f00d;
await copy(WINDOW, BUFFER, FROM_MEMORY);
await copy(BUFFER, WINDOW + 64, TO_MEMORY);
seen.copied = words[WINDOW / 4 + 16];
await copy(BUFFER, 2 * WINDOW, TO_MEMORY);
seen.outside = words[WINDOW / 2];

device.write32(0, 0x60, 1);
for (let ms = 0; fired === 0 && ms < 10_000; ms += 10) await wait(10);
seen.fired = fired;
await device.quiesce();
words[WINDOW / 4 + 16] = 0;
device.start();
await copy(BUFFER, WINDOW + 64, TO_MEMORY);
seen.afterReset = device.read32(0, 0);
await device.quiesce();
await device.close();
process.stdout.write(`${JSON.stringify(seen)}\n`);
