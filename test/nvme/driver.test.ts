/**
 * The NVMe driver on the model: start, reading and writing in each way, and the errors of requests.
 */
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import type * as NvmeTypes from "../../build/gen/host/nvme.ts";
import type { NvmeTransfer } from "../../build/gen/host/nvme.ts";
import { answered, ModelClient, random, type BlockRequest, type Records } from "../recovery/disk.ts";
import { counters, makeLab, POLLING, QUICK, INTERRUPTS, ready, type NvmeLab } from "./lab.ts";

const BLOCKS = 1024;
let records: Records;
let nvmeRecords: typeof NvmeTypes;
let lab: NvmeLab;
beforeAll(async () => {
  records = (await import("../../build/gen/host/block-device.ts")) as Records;
  nvmeRecords = await import("../../build/gen/host/nvme.ts");
});
afterEach(async () => {
  expect(lab.system.faults).toEqual([]);
  await lab.close();
});

const client = (blocks = 200): ModelClient => new ModelClient(lab.system, records, "nvme.disk", blocks, random(1));

/** Work of each kind, with as much in flight as there is room for. */
function work(one: ModelClient, rounds: number): void {
  for (let i = 0; i < rounds; i++) {
    one.submit();
    one.submit();
    one.plain();
    one.poll();
  }
  one.drain();
  one.verify();
  expect(one.errors).toBe(0);
}

describe("the block device", () => {
  test.each([
    ["512-byte blocks, objects within reach", { ...QUICK, lbaBytes: 512 }, "dma"],
    ["4096-byte blocks, objects within reach", { ...QUICK, lbaBytes: 4096 }, "dma"],
    ["objects out of the device's reach, through bounce buffers", QUICK, "main"],
  ])("%s", async (_, options, arena) => {
    lab = await makeLab(options);
    lab.system.heap.useArena(arena);
    expect(answered(lab.disk.capacity())).toBe(BigInt(BLOCKS));
    const one = client();
    work(one, 50);
    answered(lab.disk.flush());
    const { bounced, lies, timeouts, resets } = counters(lab);
    expect(bounced).toBe(arena === "dma" ? 0 : one.done + 200);
    expect({ lies, timeouts, resets }).toEqual({ lies: 0, timeouts: 0, resets: 0 });
    const { reads, writes, errors } = answered(lab.disk.statistics());
    expect([Number(reads + writes), Number(errors)]).toEqual([one.done + 200, 0]);
  });

  test.each([
    ["polling, one queue", POLLING, 1, 256],
    ["polling, four queues of 8", POLLING, 4, 8],
    ["interrupts, eight queues of 16", INTERRUPTS, 8, 16],
  ])("%s", async (_, mode: 0 | 1, queues, entries) => {
    lab = await makeLab();
    answered(lab.nvme.configure(queues, entries, mode, 1000));
    await ready(lab);
    expect(answered(lab.nvme.state())).toMatchObject({ mode, queues });
    work(client(), 30);
  });

  test("128 requests are in flight, no more; the others stay with the client", async () => {
    lab = await makeLab({ ...QUICK, readUs: 20_000 });
    await ready(lab);
    const one = client();
    const left: number[] = [];
    for (let batch = 0; batch < 5; batch++) {
      const deque = one.deque();
      for (let i = 0; i < 32; i++) deque.push(one.request(batch * 32 + i, null));
      const back = answered(lab.disk.submit(deque));
      left.push(back.length);
      for (let r = back.pop(); r !== null; r = back.pop()) lab.system.heap.free(r.handle);
      lab.system.heap.free(back.handle);
    }
    expect(left).toEqual([0, 0, 0, 0, 32]);
    expect(answered(lab.nvme.state()).inFlight).toBe(128);
    for (let polls = 0, seen = 0; seen < 128 && polls < 1_000_000; polls++) seen += drop(one, 0);
    expect(answered(lab.nvme.state()).inFlight).toBe(0);
  });

  /** Polls once and frees what came, which has this status. */
  function drop(one: ModelClient, status: number): number {
    const done = answered(lab.disk.poll(one.deque()));
    let count = 0;
    for (let r: BlockRequest | null = done.pop(); r !== null; r = done.pop(), count++) {
      expect(r.status).toBe(status);
      lab.system.heap.free(r.handle);
    }
    lab.system.heap.free(done.handle);
    return count;
  }

  test("requests that cannot be are answered with what is wrong", async () => {
    lab = await makeLab();
    await ready(lab);
    const one = client();
    expect(lab.disk.read(one.request(BLOCKS, null))).toEqual({ ok: false, error: "OutOfRange" });
    expect(lab.disk.write(one.request(2 ** 40, 1))).toEqual({ ok: false, error: "OutOfRange" });
    const deque = one.deque();
    const strange = one.request(3, null);
    strange.operation = 77 as never;
    for (const request of [one.request(BLOCKS, null), strange]) deque.push(request);
    lab.system.heap.free(answered(lab.disk.submit(deque)).handle);
    const done = answered(lab.disk.poll(one.deque()));
    const back = [done.pop()!, done.pop()!];
    expect(back.map((r) => [Number(r.block), r.operation, r.status])).toEqual([
      [BLOCKS, 0, 2],
      [3, 77, 4],
    ]);
    for (const object of [...back, done]) lab.system.heap.free(object.handle);
  });

  test("errors of the medium are told", async () => {
    lab = await makeLab();
    await ready(lab);
    const one = client();
    lab.backend.inject("error:opcode=2,status=0x281");
    expect(lab.disk.read(one.request(3, null))).toEqual({ ok: false, error: "Corrupt" });
    // Write Fault, with Do Not Retry.
    lab.backend.inject("error:opcode=1,status=0x4280");
    expect(lab.disk.write(one.request(3, 1))).toEqual({ ok: false, error: "Io" });
    // Namespace Not Ready passes: it is asked again, but not for ever.
    lab.backend.inject("error:opcode=2,status=0x82,count=4");
    const { handle } = answered(lab.disk.read(one.request(3, null)));
    lab.system.heap.free(handle);
    lab.backend.inject("error:opcode=2,status=0x82,count=5");
    expect(lab.disk.read(one.request(3, null))).toEqual({ ok: false, error: "Io" });
  });
});

describe("the Nvme interface", () => {
  const transfer = (lba: number, length: number, fill?: number): NvmeTransfer => {
    const it = nvmeRecords.NvmeTransfer.create(lab.system.heap);
    it.lba = BigInt(lba);
    it.length = length;
    it.tag = 77;
    if (fill !== undefined) it.setData(new Uint8Array(131_072).fill(fill));
    return it;
  };
  const settle = async (answer: Promise<{ ok: boolean; error?: string; value?: NvmeTransfer }>): Promise<unknown> => {
    const { ok, error, value } = (await answer) as { ok: boolean; error?: string; value?: NvmeTransfer };
    if (!ok) return error;
    const bytes = value!.getData().slice(0, value!.length);
    expect([value!.tag]).toEqual([77]);
    lab.system.heap.free(value!.handle);
    return [...new Set(bytes)];
  };

  test.each(["dma", "main"])("large transfers, zeroes, compare: objects in arena %s", async (arena) => {
    lab = await makeLab();
    lab.system.heap.useArena(arena);
    await ready(lab);
    const { nvme } = lab;
    for (const length of [512, 4096, 4608, 8192, 12_288, 131_072]) {
      expect(await settle(nvme.write(transfer(5, length, length & 0xff)) as never), `${length}`).toEqual([
        length & 0xff,
      ]);
      expect(await settle(nvme.read(transfer(5, length)) as never), `${length}`).toEqual([length & 0xff]);
    }
    expect(await settle(nvme.write(transfer(0, 131_072, 9)) as never)).toEqual([9]);
    expect(await settle(nvme.compare(transfer(0, 131_072, 9)) as never)).toEqual([9]);
    expect(await settle(nvme.compare(transfer(0, 512, 8)) as never)).toBe("Mismatch");
    expect(await nvme.writeZeroes(8n, 16, false)).toMatchObject({ ok: true });
    expect(await settle(nvme.read(transfer(7, 512)) as never)).toEqual([9]);
    expect(await settle(nvme.read(transfer(8, 16 * 512)) as never)).toEqual([0]);
    expect(await nvme.deallocate(0n, 256)).toMatchObject({ ok: true });
    expect(await nvme.flush()).toMatchObject({ ok: true });
    const many = Array.from({ length: 20 }, (_, i) => settle(nvme.write(transfer(i * 8, 4096, i)) as never));
    await Promise.all(many);
    const back = await Promise.all(many.map((_, i) => settle(nvme.read(transfer(i * 8, 4096)) as never)));
    expect(back).toEqual(many.map((_, i) => [i]));
    expect(counters(lab).bounced > 0).toBe(arena === "main");
  });

  test("what cannot be is refused with its reason, and the object is gone", async () => {
    lab = await makeLab();
    await ready(lab);
    const { nvme } = lab;
    const objects = lab.system.kernel.heap.live;
    expect(await settle(nvme.read(transfer(0, 100)) as never)).toBe("Invalid");
    expect(await settle(nvme.read(transfer(0, 0)) as never)).toBe("Invalid");
    expect(await settle(nvme.read(transfer(BLOCKS * 8 - 1, 1024)) as never)).toBe("OutOfRange");
    expect(await settle(nvme.read(transfer(2 ** 52, 512)) as never)).toBe("OutOfRange");
    expect(await settle(nvme.read(transfer(0, 131_072 + 512)) as never)).toBe("TooLarge");
    expect(await nvme.writeZeroes(0n, 0, false)).toMatchObject({ error: "Invalid" });
    expect(await nvme.writeZeroes(BigInt(BLOCKS * 8), 1, false)).toMatchObject({ error: "OutOfRange" });
    expect(await nvme.deallocate(1n << 63n, 5)).toMatchObject({ error: "OutOfRange" });
    expect(nvme.configure(0, 16, POLLING, 100)).toMatchObject({ error: "Invalid" });
    expect(nvme.configure(1, 100, POLLING, 100)).toMatchObject({ error: "Invalid" });
    expect(nvme.configure(1, 16, POLLING, 1)).toMatchObject({ error: "Invalid" });
    expect(lab.system.kernel.heap.live).toBe(objects);
  });

  test("it says what the controller is, and how it is", async () => {
    lab = await makeLab({ ...QUICK, serial: "S1234" });
    await ready(lab);
    const { nvme } = lab;
    expect(answered(nvme.controller())).toMatchObject({ vendor: 0x1af4, serial: "S1234", transfer: 131_072 });
    expect(answered(nvme.namespace())).toEqual({ blocks: BigInt(BLOCKS * 8), blockBytes: 512, id: 1, cache: true });
    const smart = await nvme.smart();
    expect(smart).toMatchObject({ ok: true, value: { criticalWarning: 0, mediaErrors: 0 } });
    lab.backend.inject("error:opcode=2,status=0x281");
    lab.disk.read(client().request(5, null));
    const entry = answered(await nvme.errorEntry(0));
    // Without the bit that says that the log has more about it.
    expect(entry).toMatchObject({ code: 0x2281, lba: 40n, space: 1 });
    expect(await nvme.errorEntry(1000)).toMatchObject({ error: "Invalid" });
  });

  test("a system that stops in order shuts the controller down first", async () => {
    lab = await makeLab();
    await ready(lab);
    const written: number[] = [];
    const { backend, system } = lab;
    const write32 = backend.write32.bind(backend);
    backend.write32 = (bar, offset, value) => {
      // CC, 3.1.5: its Shutdown Notification.
      if (bar === 0 && offset === 0x14) written.push((value >> 14) & 3);
      write32(bar, offset, value);
    };
    expect(await settle(lab.nvme.write(transfer(0, 512, 3)) as never)).toEqual([3]);
    await system.stop();
    expect(written).toEqual([1]);
  });

  test("after a shutdown nothing is accepted until it is configured again", async () => {
    lab = await makeLab();
    await ready(lab);
    const { nvme } = lab;
    const one = client();
    one.submit();
    expect(nvme.shutdown()).toMatchObject({ ok: true });
    one.drain();
    expect(one.errors).toBe(0);
    expect(lab.disk.read(one.request(3, null))).toEqual({ ok: false, error: "Io" });
    expect(await settle(nvme.read(transfer(0, 512)) as never)).toBe("NotReady");
    one.submit();
    one.drain();
    expect(one.errors).toBeGreaterThan(0);
    answered(nvme.configure(2, 64, INTERRUPTS, 1000));
    expect(await settle(nvme.read(transfer(0, 512)) as never)).toEqual(expect.any(Array));
  });
});
