/**
 * Clients that break the protocol, against our server: each gets an errno or the end of its connection, and the next one
 * is served.
 */
import type { ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { buildNative, nativeMissing } from "../../tools/native/build.ts";
import { loadNative } from "./native.ts";
import type { Native, NativeChannel, NativeDescriptor } from "./native.ts";
import { BAR_BYTES, ID, Reg, VECTORS } from "./test/device.ts";
import { ended, started } from "./test/process.ts";
import { connectVfioUser } from "./vfio-user.ts";
import { Command, ERROR, HEADER, Message, NO_REPLY, REGION_CONFIG, REPLY, Size } from "./wire.ts";

const PAGE = 4096;
const EINVAL = 22;

describe.skipIf(nativeMissing() !== null)("a client that breaks the protocol", () => {
  let native: Native;
  let folder: string;
  let path: string;
  let server: ChildProcess;
  const said: string[] = [];
  let channel: NativeChannel;
  const message = new Message();
  const reply = new Message();

  beforeAll(async () => {
    native = loadNative(buildNative());
    folder = mkdtempSync(join(tmpdir(), "samara-hostile-"));
    path = join(folder, "device");
    server = await started("server.ts", [path], said);
  });
  afterAll(async () => {
    await ended(server);
    expect(server.exitCode).toBe(0);
    rmSync(folder, { recursive: true, force: true });
  });

  beforeEach(() => {
    channel = native.Channel.connect(path);
    send(Command.VERSION, message.setVersion(1, {}));
    expect(answer()).toBe(0);
  });

  /** However it ended: the server is there for the next client, whose device works. */
  afterEach(async () => {
    channel.close();
    const device = connectVfioUser(native, path);
    device.start();
    expect(device.read32(0, Reg.ID)).toBe(ID);
    await device.close();
  });

  function send(command: number, bytes: number, flags = 0): void {
    message.header(1, command, HEADER + bytes, flags);
    channel.send(message.bytes, HEADER + bytes);
  }

  /** errno of the answer, 0 for success. */
  function answer(): number {
    const size = channel.receive(reply.bytes, 10_000);
    expect(size).toBeGreaterThanOrEqual(HEADER);
    expect(reply.id).toBe(1);
    expect(reply.flags & 0xf).toBe(REPLY);
    if ((reply.flags & ERROR) !== 0) expect(size).toBe(HEADER);
    return (reply.flags & ERROR) === 0 ? 0 : reply.error;
  }

  /** The connection ends, and the server says why. */
  async function ends(why: string): Promise<void> {
    try {
      expect(channel.receive(reply.bytes, 10_000)).toBe(0);
    } catch (error) {
      // What the server had not read yet is lost with the connection.
      expect((error as Error).message).toMatch(/^ECONNRESET: /);
    }
    await vi.waitFor(() => expect(said.join("\n")).toContain(why));
  }

  const memory = (bytes: number): NativeDescriptor => {
    const wasm = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    return native.back(new Uint8Array(wasm.buffer, 0, bytes), false);
  };

  function dmaMap(fields: { iova?: bigint; bytes?: bigint; offset?: bigint; flags?: number; argsz?: number }): number {
    const { iova = 0n, bytes = BigInt(PAGE), offset = 0n, flags = 3, argsz = Size.DMA_MAP } = fields;
    message.setU32(0, argsz);
    message.setU32(4, flags);
    message.view.setBigUint64(HEADER + 8, offset, true);
    message.view.setBigUint64(HEADER + 16, iova, true);
    message.view.setBigUint64(HEADER + 24, bytes, true);
    send(Command.DMA_MAP, Size.DMA_MAP);
    return answer();
  }

  function access(command: number, offset: bigint, region: number, count: number, data = 0): number {
    message.view.setBigUint64(HEADER, offset, true);
    message.setU32(8, region);
    message.setU32(12, count);
    send(command, Size.REGION_ACCESS + data);
    return answer();
  }

  function writeWord(region: number, offset: number, value: number): void {
    message.setU32(Size.REGION_ACCESS, value);
    expect(access(Command.REGION_WRITE, BigInt(offset), region, 4, 4)).toBe(0);
  }

  function setIrqs(flags: number, kind: number, start: number, count: number, argsz: number = Size.IRQ_SET): number {
    [argsz, flags, kind, start, count].forEach((value, i) => message.setU32(4 * i, value));
    send(Command.DEVICE_SET_IRQS, Size.IRQ_SET);
    return answer();
  }

  test.each([
    ["smaller than a header", 15, "a message of 15 bytes; 16 to "],
    ["of 4 GB", 0xffff_ffff, "a message of 4294967295 bytes; 16 to "],
    ["of more than a buffer", 0x2000, "a message of 8192 bytes; 16 to "],
  ])("a message %s ends the connection", async (_, size, why) => {
    message.header(1, Command.REGION_READ, size, 0);
    channel.send(message.bytes, HEADER);
    await ends(why);
  });

  test("a message that never ends", async () => {
    message.header(1, Command.REGION_READ, 32, 0);
    channel.send(message.bytes, HEADER + 4);
    await ends("the peer stopped in the middle of a message");
  });

  test("a client that goes in the middle of a message", async () => {
    message.header(1, Command.REGION_READ, 32, 0);
    channel.send(message.bytes, HEADER + 4);
    channel.close();
    await vi.waitFor(() => expect(said.join("\n")).toContain("the peer closed in the middle of a message"));
  });

  test("a second version, and an answer to nothing", async () => {
    send(Command.VERSION, message.setVersion(1, {}));
    await ends("a version message out of place");
    channel = native.Channel.connect(path);
    send(Command.VERSION, message.setVersion(1, {}), REPLY);
    await ends("a reply, though nothing was asked");
  });

  test("a command before the version, another major version, capabilities of noise", async () => {
    channel.close();
    channel = native.Channel.connect(path);
    send(Command.DEVICE_RESET, 0);
    await ends("command 13 before the version was agreed on");
    channel = native.Channel.connect(path);
    message.setVersion(1, {});
    message.setU16(0, 1);
    send(Command.VERSION, 4);
    await ends("major version 1, ours is 0");
    channel = native.Channel.connect(path);
    const bytes = message.setVersion(1, {});
    message.bytes[HEADER + 4] = 0x2c;
    send(Command.VERSION, bytes);
    await ends("version data is no JSON");
  });

  test("commands that there are not", () => {
    for (const command of [0, 6, 11, 12, 14, 15, 16, 0xffff]) {
      send(command, 64);
      expect(answer()).toBe(95);
    }
  });

  test("payloads that are too short, and answers that would not fit", () => {
    const least: [number, number][] = [
      [Command.DMA_MAP, Size.DMA_MAP],
      [Command.DMA_UNMAP, Size.DMA_UNMAP],
      [Command.DEVICE_GET_INFO, Size.DEVICE_INFO],
      [Command.DEVICE_GET_REGION_INFO, Size.REGION_INFO],
      [Command.DEVICE_GET_IRQ_INFO, Size.IRQ_INFO],
      [Command.DEVICE_SET_IRQS, Size.IRQ_SET],
      [Command.REGION_READ, Size.REGION_ACCESS],
      [Command.REGION_WRITE, Size.REGION_ACCESS],
    ];
    for (const [command, bytes] of least) {
      message.bytes.fill(0, HEADER);
      message.setU32(0, bytes);
      for (const short of [0, 4, bytes - 1]) {
        send(command, short);
        expect([command, short, answer()]).toEqual([command, short, EINVAL]);
      }
      if (command === Command.REGION_READ || command === Command.REGION_WRITE) continue;
      message.setU32(0, bytes - 1);
      send(command, bytes);
      expect([command, answer()]).toEqual([command, EINVAL]);
    }
  });

  test("regions and kinds of interrupts that there are not", () => {
    message.bytes.fill(0, HEADER);
    message.setU32(0, 64);
    for (const index of [9, 0xffff_ffff]) {
      message.setU32(8, index);
      send(Command.DEVICE_GET_REGION_INFO, Size.REGION_INFO);
      expect(answer()).toBe(EINVAL);
      send(Command.DEVICE_GET_IRQ_INFO, Size.IRQ_INFO);
      expect(answer()).toBe(EINVAL);
    }
  });

  test("accesses outside of a region, larger than a message, or of half a register", () => {
    const R = Command.REGION_READ;
    const bar = BigInt(BAR_BYTES);
    expect(access(R, bar - 4n, 0, 4)).toBe(0);
    expect(access(R, bar - 4n, 0, 5)).toBe(EINVAL);
    expect(access(R, 2n ** 64n - 4n, 0, 4)).toBe(EINVAL);
    expect(access(R, 2n ** 53n, 0, 4)).toBe(EINVAL);
    expect(access(R, 0n, 1, 4)).toBe(EINVAL);
    expect(access(R, 0n, 6, 1)).toBe(EINVAL);
    expect(access(R, 0n, 99, 4)).toBe(EINVAL);
    expect(access(R, 0n, 0, 0xffff_ffff)).toBe(EINVAL);
    expect(access(R, 0n, 0, 4097)).toBe(EINVAL);
    expect(access(R, 4095n, REGION_CONFIG, 2)).toBe(EINVAL);
    expect(access(R, 0n, REGION_CONFIG, 4096)).toBe(0);
    const W = Command.REGION_WRITE;
    expect(access(W, 0n, 0, 8, 4)).toBe(EINVAL);
    expect(access(W, 0n, 0, 4, 8)).toBe(EINVAL);
    writeWord(REGION_CONFIG, 4, 0b110);
    expect(access(W, 2n, 0, 4, 4)).toBe(EINVAL);
    expect(access(W, 0n, 0, 2, 2)).toBe(EINVAL);
  });

  test("DMA maps that cannot be, and unmaps of what is not mapped", () => {
    expect(dmaMap({ argsz: 31 })).toBe(EINVAL);
    expect(dmaMap({ flags: 0 })).toBe(EINVAL);
    expect(dmaMap({ flags: 7 })).toBe(EINVAL);
    expect(dmaMap({ bytes: 0n })).toBe(EINVAL);
    expect(dmaMap({ bytes: 100n })).toBe(EINVAL);
    expect(dmaMap({ iova: 1n })).toBe(EINVAL);
    expect(dmaMap({ iova: 2n ** 64n - 4096n })).toBe(EINVAL);
    expect(dmaMap({ iova: 2n ** 53n - 4096n })).toBe(EINVAL);
    expect(dmaMap({ offset: 2n ** 63n })).toBe(EINVAL);
    expect(dmaMap({ iova: 0x10000n, bytes: 0x3000n })).toBe(0);
    for (const iova of [0x10000n, 0x11000n, 0x12000n]) expect(dmaMap({ iova })).toBe(17);
    expect(dmaMap({ iova: 0xf000n, bytes: 0x8000n })).toBe(17);
    const unmap = (iova: number, bytes: number, flags = 0): number => {
      message.setU32(0, Size.DMA_UNMAP);
      message.setU32(4, flags);
      message.setU64(8, iova);
      message.setU64(16, bytes);
      send(Command.DMA_UNMAP, Size.DMA_UNMAP);
      return answer();
    };
    for (const iova of [0x10000, 0x11000, 0x12000, 0xf000]) expect(unmap(iova, 0x2000)).toBe(EINVAL);
    // As Linux's own vfio: where nothing is, nothing is to be done.
    expect(unmap(0x20000, 0x1000)).toBe(0);
    expect(unmap(2 ** 53, 0x1000)).toBe(0);
    expect(unmap(0x10000, 0)).toBe(EINVAL);
    expect(dmaMap({ iova: 0x10000n })).toBe(17);
    expect(unmap(0x10000, 0x3000, 1)).toBe(EINVAL);
    expect(unmap(0x10000, 0x3000, 2)).toBe(EINVAL);
    expect(unmap(0x10000, 0x3000)).toBe(0);
    expect(dmaMap({ iova: 0x20000n })).toBe(0);
    expect(dmaMap({ iova: 0x30000n })).toBe(0);
    // QEMU: from here to the end of the bus.
    message.view.setBigUint64(HEADER + 16, 2n ** 64n - 0x10000n, true);
    message.view.setBigUint64(HEADER + 8, 0x10000n, true);
    message.setU32(4, 0);
    send(Command.DMA_UNMAP, Size.DMA_UNMAP);
    expect(answer()).toBe(0);
    expect(dmaMap({ iova: 0x20000n, bytes: 0x20000n })).toBe(0);
    expect(unmap(0, 0, 2)).toBe(0);
    expect(dmaMap({})).toBe(0);
  });

  test("memory that is smaller than its window, twice as much of it, and what is no memory", () => {
    const file = memory(PAGE);
    channel.attach(file);
    expect(dmaMap({ bytes: 0x2000n })).toBe(EINVAL);
    channel.attach(file);
    expect(dmaMap({ offset: 0x1000n })).toBe(EINVAL);
    channel.attach(file);
    channel.attach(file);
    expect(dmaMap({})).toBe(EINVAL);
    channel.attach(native.Descriptor.open("/dev/null"));
    expect(dmaMap({})).toBe(EINVAL);
    channel.attach(file);
    expect(dmaMap({})).toBe(0);
  });

  function copy(source: number, destination: number, bytes: number, vector: number): void {
    writeWord(REGION_CONFIG, 4, 0b110);
    for (const [reg, value] of [
      [Reg.SOURCE, source],
      [Reg.DESTINATION, destination],
      [Reg.BYTES, bytes],
      [Reg.START, vector],
    ])
      writeWord(0, reg!, value!);
  }

  function register(offset: number): number {
    expect(access(Command.REGION_READ, BigInt(offset), 0, 4)).toBe(0);
    return reply.u32(Size.REGION_ACCESS);
  }

  test("memory without a descriptor, for reading only, and whose file is cut off", () => {
    send(Command.DEVICE_RESET, 0);
    expect(answer()).toBe(0);
    const name = join(folder, "memory");
    writeFileSync(name, new Uint8Array(4 * PAGE).fill(5));
    expect(dmaMap({ iova: 0x100000n })).toBe(0);
    channel.attach(native.Descriptor.open(name));
    expect(dmaMap({ iova: 0x200000n, bytes: 0x2000n, flags: 1 })).toBe(0);
    channel.attach(native.Descriptor.open(name));
    expect(dmaMap({ iova: 0x300000n, bytes: 0x2000n, offset: 0x2000n })).toBe(0);
    copy(0x100000, 0x300000, 16, 0);
    copy(0x300000, 0x200000, 16, 0);
    expect([register(Reg.DONE), register(Reg.REFUSED)]).toEqual([0, 2]);
    copy(0x200000, 0x300000, 16, 0);
    expect(register(Reg.DONE)).toBe(1);
    // Pages that are gone below a mapping are a SIGBUS to whoever touches them.
    truncateSync(name, 0);
    copy(0x200000, 0x301000, 16, 0);
    copy(0x301000, 0x300000, PAGE, 0);
    expect(register(Reg.DONE)).toBe(3);
  });

  test("interrupts: descriptors missing, too many, none that count, vectors that there are not", () => {
    const EVENTFD = 0x24;
    expect(setIrqs(EVENTFD, 2, 0, 1, 19)).toBe(EINVAL);
    expect(setIrqs(EVENTFD, 9, 0, 1)).toBe(EINVAL);
    expect(setIrqs(EVENTFD, 0, 0, 1)).toBe(EINVAL);
    expect(setIrqs(EVENTFD, 2, VECTORS, 1)).toBe(EINVAL);
    expect(setIrqs(EVENTFD, 2, 0xffff_ffff, 2)).toBe(EINVAL);
    expect(setIrqs(EVENTFD, 2, 0, 0xffff_ffff)).toBe(EINVAL);
    expect(setIrqs(0x3f, 2, 0, 1)).toBe(95);
    expect(setIrqs(0x9, 2, 0, 1)).toBe(95);
    expect(setIrqs(0x40, 2, 0, 1)).toBe(EINVAL);
    channel.attach(memory(PAGE));
    expect(setIrqs(EVENTFD, 2, 0, 3)).toBe(EINVAL);
    channel.attach(memory(PAGE));
    channel.attach(memory(PAGE));
    expect(setIrqs(EVENTFD, 2, 0, 1)).toBe(EINVAL);
    channel.attach(memory(PAGE));
    expect(setIrqs(0x21, 2, 0, 1)).toBe(EINVAL);
    // Files that are no eventfd; one of them takes no writes at all.
    channel.attach(memory(PAGE));
    channel.attach(native.Descriptor.open("/dev/full"));
    expect(setIrqs(EVENTFD, 2, 3, 2)).toBe(0);
    expect(setIrqs(0x21, 2, 0, VECTORS)).toBe(0);
    for (const vector of [3, 4, VECTORS + 5, 0xffff_ffff]) copy(0, 0, 4, vector);
    expect(setIrqs(EVENTFD, 2, 0, VECTORS)).toBe(0);
    expect(setIrqs(0x21, 2, 0, 0)).toBe(0);
  });

  test("more descriptors than a message may have", async () => {
    const file = memory(PAGE);
    for (let i = 0; i < 17; i++) channel.attach(file);
    message.setU32(0, Size.DMA_MAP);
    send(Command.DMA_MAP, Size.DMA_MAP);
    await ends("ENOBUFS: ");
  });

  test("commands that want no answer get none, also when they are refused", () => {
    send(Command.REGION_READ, 2, NO_REPLY);
    send(77, 0, NO_REPLY);
    expect(access(Command.REGION_READ, 0n, REGION_CONFIG, 2)).toBe(0);
    expect(reply.u16(Size.REGION_ACCESS)).toBe(0x1b36);
  });
});
