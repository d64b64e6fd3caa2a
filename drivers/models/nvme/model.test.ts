/**
 * The NVMe model against the specification: bring-up, every command, every error status, driven by a driver of its own.
 */
import { describe, expect, test } from "vitest";
import { Rig } from "../../../test/support/nvme-rig.ts";

const OK = 0;
const DNR = 0x4000;
const MORE = 0x2000;
/** A status that failed: all are logged. */
const failed = (sct: number, sc: number, dnr = true): number => (sct << 8) | sc | MORE | (dnr ? DNR : 0);
const CSTS = 0x1c;
const CC = 0x14;

function ready(options: Readonly<Record<string, unknown>> = {}): Rig {
  const rig = new Rig(options);
  rig.bringUp();
  return rig;
}

describe("registers", () => {
  test("identity, capabilities, version", () => {
    const rig = new Rig({ entries: 256 });
    expect(rig.backend.identity.classCode).toBe(0x010802);
    expect(rig.read(0)).toBe(0xffff_ffff);
    rig.backend.start();
    expect(rig.read(0) & 0xffff).toBe(255);
    expect((rig.read(0) >>> 16) & 1).toBe(1);
    expect((rig.read(4) >>> 5) & 1).toBe(1);
    expect(rig.read(8)).toBe(0x10400);
  });

  test("CSTS.RDY follows CC.EN after the time that it takes", () => {
    const rig = new Rig({ readyMs: 100 });
    rig.enable();
    expect(rig.read(CSTS)).toBe(0);
    rig.time = 99;
    expect(rig.read(CSTS)).toBe(0);
    rig.time = 100;
    expect(rig.read(CSTS)).toBe(1);
    rig.write(CC, 0);
    expect(rig.read(CSTS)).toBe(0);
  });

  test.each([
    ["a page size", 1 << 7],
    ["a command set", 6 << 4],
    ["an arbitration", 1 << 11],
  ])("%s that there is not: CSTS.CFS", (_, bits) => {
    const rig = new Rig();
    rig.enable();
    rig.write(CC, 0);
    rig.write(CC, 1 | bits);
    expect(rig.read(CSTS)).toBe(2);
    rig.write(CC, 0);
    expect(rig.read(CSTS)).toBe(0);
  });

  test("admin queues of one entry, or outside the window: CSTS.CFS", () => {
    const rig = new Rig();
    rig.enable();
    rig.write(CC, 0);
    rig.write(0x24, 0);
    rig.write(CC, 1);
    expect(rig.read(CSTS)).toBe(2);
    rig.write(CC, 0);
    rig.write(0x24, 0x000f_000f);
    rig.write(0x28, 0);
    rig.write(CC, 0x460001);
    expect(rig.read(CSTS)).toBe(1);
    rig.write(0x1000, 1);
    expect(rig.read(CSTS)).toBe(3);
  });

  test("a shutdown flushes, says so, and no command is served after it", () => {
    const rig = ready();
    rig.write(CC, rig.read(CC) | (1 << 14));
    expect(rig.read(CSTS)).toBe(1 | (2 << 2));
    rig.io.put(rig.transfer(2, 0, 1, rig.allocate(4096)));
    rig.io.ring();
    rig.backend.step();
    expect(rig.io.poll()).toEqual([]);
    rig.write(CC, 0);
    expect(rig.read(CSTS)).toBe(0);
  });
});

describe("identify", () => {
  test("controller", () => {
    const { completion, data } = ready({ serial: "S123" }).page(6, 0, [1]);
    expect(completion.status).toBe(OK);
    const text = (at: number, n: number): string => {
      const bytes = Array.from({ length: n }, (_, i) => data.getUint8(at + i));
      return String.fromCharCode(...bytes);
    };
    expect(text(4, 20)).toBe("S123".padEnd(20));
    expect(text(24, 40).trim()).toBe("Samara NVMe model");
    expect(data.getUint8(77)).toBe(7);
    expect(data.getUint8(512)).toBe(0x66);
    expect(data.getUint8(513)).toBe(0x44);
    expect(data.getUint32(516, true)).toBe(1);
    expect(text(768, 32)).toBe("nqn.2014-08.org.nvmexpress:uuid:");
  });

  test("namespace, active list, descriptors", () => {
    const rig = ready({ bytes: 1 << 20, lbaBytes: 4096 });
    const { data } = rig.page(6, 1, [0]);
    expect(data.getBigUint64(0, true)).toBe(256n);
    expect((data.getUint32(128, true) >>> 16) & 0xff).toBe(12);
    expect(rig.page(6, 0, [2]).data.getUint32(0, true)).toBe(1);
    expect(rig.page(6, 1, [2]).data.getUint32(0, true)).toBe(0);
    const list = rig.page(6, 1, [3]).data;
    expect([list.getUint8(0), list.getUint8(1), list.getUint8(12), list.getUint8(13)]).toEqual([1, 8, 2, 16]);
  });

  test.each([
    ["namespace 2", 2, 0, failed(0, 0x0b)],
    ["namespace 0", 0, 0, failed(0, 0x0b)],
    ["active list above the last", 0xffff_ffff, 2, failed(0, 0x0b)],
    ["an unknown structure", 0, 0x42, failed(0, 0x02)],
  ])("%s is refused", (_, nsid, cns, status) => expect(ready().page(6, nsid, [cns]).completion.status).toBe(status));
});

describe("queues", () => {
  const create = (rig: Rig, opcode: number, dw10: number, dw11: number, prp = rig.allocate(4096)): number =>
    rig.admin.run(rig.command(opcode, 0, prp, 0, [dw10, dw11])).status;
  test.each([
    ["CQ 0", 5, 0x000f_0000, 3, failed(1, 1)],
    ["a CQ that exists", 5, 0x000f_0001, 3, failed(1, 1)],
    ["a CQ beyond the last", 5, 0x000f_0009, 3, failed(1, 1)],
    ["a CQ of one entry", 5, 0x0000_0002, 3, failed(1, 2)],
    ["a CQ too large", 5, 0x0400_0002, 3, failed(1, 2)],
    ["a CQ in pieces", 5, 0x000f_0002, 2, failed(0, 2)],
    ["a CQ with a vector that is not", 5, 0x000f_0002, 3 | (9 << 16), failed(1, 8)],
    ["SQ 0", 1, 0x000f_0000, 1 | (1 << 16), failed(1, 1)],
    ["an SQ that exists", 1, 0x000f_0001, 1 | (1 << 16), failed(1, 1)],
    ["an SQ of the admin CQ", 1, 0x000f_0002, 1, failed(1, 1)],
    ["an SQ of a CQ beyond the last", 1, 0x000f_0002, 1 | (9 << 16), failed(1, 1)],
    ["an SQ of no CQ", 1, 0x000f_0002, 1 | (3 << 16), failed(1, 0)],
    ["an SQ in pieces", 1, 0x000f_0002, 1 << 16, failed(0, 2)],
  ])("%s is refused", (_, opcode, dw10, dw11, status) => expect(create(ready(), opcode, dw10, dw11)).toBe(status));

  test("a ring that begins within a page, and entry sizes that were not set, are refused", () => {
    const rig = ready();
    expect(create(rig, 5, 0x000f_0002, 3, rig.allocate(4096) + 64)).toBe(failed(0, 0x13));
    rig.write(CC, 1);
    expect(create(rig, 5, 0x000f_0002, 3)).toBe(failed(1, 2));
  });

  test("they are deleted in their order alone", () => {
    const rig = ready();
    const remove = (opcode: number, id: number): number => rig.admin.run(rig.command(opcode, 0, 0, 0, [id])).status;
    expect(remove(4, 1)).toBe(failed(1, 0x0c));
    expect(remove(0, 0)).toBe(failed(1, 1));
    expect(remove(0, 2)).toBe(failed(1, 1));
    expect(remove(0, 1)).toBe(OK);
    expect(remove(4, 1)).toBe(OK);
    expect(remove(4, 1)).toBe(failed(1, 1));
  });

  test("the rings go round many times, and a full completion queue is waited for", () => {
    const rig = ready();
    const data = rig.allocate(4096);
    for (let round = 0; round < 40; round++) {
      const sent: number[] = [];
      for (let i = 0; i < 15; i++) {
        const words = rig.transfer(2, i, 1, data);
        sent.push(words[0]! >>> 16);
        rig.io.put(words);
      }
      rig.io.ring();
      rig.backend.step();
      const got = rig.io.poll();
      expect(got.map((c) => c.cid)).toEqual(sent);
      expect(got.every((c) => c.status === OK && c.sqId === 1)).toBe(true);
    }
    // Two rounds of commands without a look at the completions: the second waits.
    for (let twice = 0; twice < 2; twice++) {
      for (let i = 0; i < 15; i++) rig.io.put(rig.transfer(2, i, 1, data));
      rig.io.ring();
      rig.backend.step();
    }
    expect(rig.io.poll()).toHaveLength(15);
    rig.backend.step();
    expect(rig.io.poll()).toHaveLength(15);
  });

  test("more commands that take their time than the completion queue has room for: none is lost", () => {
    const rig = ready({ readUs: 100 });
    const data = rig.allocate(4096);
    const sent: number[] = [];
    for (let twice = 0; twice < 2; twice++) {
      for (let i = 0; i < 15; i++) {
        const words = rig.transfer(2, i, 1, data);
        sent.push(words[0]! >>> 16);
        rig.io.put(words);
      }
      rig.io.ring();
      rig.backend.step();
    }
    rig.time = 1;
    rig.backend.step();
    const got = rig.io.poll();
    rig.backend.step();
    expect([...got, ...rig.io.poll()].map((c) => c.cid)).toEqual(sent);
  });

  test("several pairs, each with its vector", async () => {
    const rig = ready({ queues: 4 });
    const fired: number[] = [];
    rig.backend.interrupts(5, (vector) => fired.push(vector));
    const pairs = [2, 3, 4].map((id) => rig.createPair(id, 8, id));
    for (const pair of pairs) expect(pair.run(rig.transfer(2, 0, 1, rig.allocate(4096))).sqId).toBe(pair.id);
    await new Promise((resolve) => setImmediate(resolve));
    expect(new Set(fired)).toEqual(new Set([0, 2, 3, 4]));
  });

  test("a masked vector is pending, and fires once when the mask goes", async () => {
    const rig = ready();
    const fired: number[] = [];
    const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
    rig.backend.interrupts(1, (vector) => fired.push(vector));
    await turn();
    fired.length = 0;
    rig.write(0x200c, 1);
    rig.io.run(rig.transfer(2, 0, 1, rig.allocate(4096)));
    rig.io.run(rig.transfer(2, 0, 1, rig.allocate(4096)));
    await turn();
    expect([fired, rig.read(0x3000)]).toEqual([[], 1]);
    rig.write(0x200c, 0);
    expect([fired, rig.read(0x3000)]).toEqual([[0], 0]);
  });
});

describe("features", () => {
  const set = (rig: Rig, id: number, value: number) => rig.admin.run(rig.command(9, 0, 0, 0, [id, value]));
  const get = (rig: Rig, id: number, select = 0, dw11 = 0) =>
    rig.admin.run(rig.command(10, 0, 0, 0, [id | (select << 8), dw11]));

  test("the number of queues is asked for before there are any", () => {
    const rig = new Rig({ queues: 4 });
    rig.enable();
    expect(set(rig, 7, 0x000f_000f)).toMatchObject({ status: OK, result: 0x0003_0003 });
    expect(set(rig, 7, 0xffff).status).toBe(failed(0, 2));
    rig.createPair(1, 8);
    expect(set(rig, 7, 0x000f_000f).status).toBe(failed(0, 0x0c));
    expect(get(rig, 7)).toMatchObject({ status: OK, result: 0x0003_0003 });
  });

  test("current, default and supported values", () => {
    const rig = ready();
    expect(set(rig, 1, 0xff).status).toBe(OK);
    expect([get(rig, 1).result, get(rig, 1, 1).result, get(rig, 1, 3).result]).toEqual([0xff, 7, 4]);
    expect(set(rig, 6, 0).status).toBe(OK);
    expect([get(rig, 6).result, get(rig, 6, 1).result]).toEqual([0, 1]);
    expect(set(rig, 9, 3 | (1 << 16)).status).toBe(OK);
    expect(get(rig, 9, 0, 3).result).toBe(3 | (1 << 16));
    rig.write(CC, 0);
    rig.bringUp();
    expect(get(rig, 1).result).toBe(7);
  });

  test.each([
    ["an unknown one", 0x0d, 0, failed(0, 2)],
    ["a power state that there is not", 2, 1, failed(0, 2)],
    ["a vector that there is not", 9, 9, failed(0, 2)],
    ["a sensor that there is not", 4, 3 << 16, failed(0, 2)],
    ["saving", 1 | (1 << 31), 7, failed(1, 0x0d)],
  ])("%s is refused", (_, id, value, status) => expect(set(ready(), id, value).status).toBe(status));
});

describe("log pages", () => {
  const log = (rig: Rig, id: number, nsid = 0xffff_ffff, dwords = 128, offset = 0) =>
    rig.page(2, nsid, [id | ((dwords - 1) << 16), 0, offset]);

  test("errors, newest first, with what they were of", () => {
    const rig = ready();
    rig.io.run(rig.transfer(2, 1e9, 1, rig.allocate(4096)));
    const bad = rig.io.run(rig.command(0x42, 1, 0));
    const { data } = log(rig, 1);
    expect(bad.status).toBe(failed(0, 1));
    expect([data.getBigUint64(0, true), data.getBigUint64(64, true)]).toEqual([2n, 1n]);
    expect([data.getUint16(8, true), data.getUint16(10, true)]).toEqual([1, bad.cid]);
    expect(data.getUint16(12, true) >>> 1).toBe(bad.status);
    expect(data.getBigUint64(64 + 16, true)).toBe(1_000_000_000n);
    expect(log(rig, 1, 0xffff_ffff, 16, 64).data.getBigUint64(0, true)).toBe(1n);
  });

  test("SMART counts what was read and written", () => {
    const rig = ready();
    const data = rig.allocate(4096);
    for (let i = 0; i < 3; i++) rig.io.run(rig.transfer(1, 0, 8, data));
    rig.io.run(rig.transfer(2, 0, 8, data));
    const page = log(rig, 2).data;
    expect([page.getBigUint64(64, true), page.getBigUint64(80, true)]).toEqual([1n, 3n]);
    expect(page.getUint16(1, true)).toBe(313);
    expect(page.getUint8(3)).toBe(100);
  });

  test("firmware slots and commands supported", () => {
    const rig = ready();
    expect(log(rig, 3).data.getUint8(0)).toBe(1);
    const effects = log(rig, 5, 0, 1024).data;
    expect([effects.getUint32(6 * 4, true), effects.getUint32(0x80 * 4, true)]).toEqual([1, 0]);
    expect([effects.getUint32(1024 + 4, true), effects.getUint32(1024 + 8, true)]).toEqual([3, 1]);
  });

  test("an unknown page, an offset beyond it, a namespace that is not", () => {
    const rig = ready();
    expect(log(rig, 0x70).completion.status).toBe(failed(1, 9));
    expect(log(rig, 2, 0xffff_ffff, 1, 516).completion.status).toBe(failed(0, 2));
    expect(log(rig, 2, 0xffff_ffff, 1, 2).completion.status).toBe(failed(0, 2));
    expect(log(rig, 2, 7).completion.status).toBe(failed(0, 0x0b));
  });
});

describe("asynchronous events and abort", () => {
  const request = (rig: Rig): number => {
    const words = rig.command(12, 0, 0);
    rig.admin.put(words);
    rig.admin.ring();
    rig.backend.step();
    return words[0]! >>> 16;
  };

  test("a bad doorbell is told once, until the error log is read", () => {
    const rig = ready();
    const cid = request(rig);
    expect(rig.admin.poll()).toEqual([]);
    rig.write(0x1000 + 8 * 7, 1);
    rig.backend.step();
    expect(rig.admin.poll()).toMatchObject([{ cid, status: OK, result: 0x0001_0000 }]);
    request(rig);
    rig.write(0x1008, 999);
    rig.backend.step();
    expect(rig.admin.poll()).toEqual([]);
    const log = rig.allocate(4096);
    rig.admin.put(rig.command(2, 0, log, 0, [1 | (15 << 16)]));
    rig.admin.ring();
    rig.backend.step();
    expect(rig.admin.poll().map((c) => c.result)).toEqual([0, 0x0001_0100]);
  });

  test("a completion queue's head cannot pass its tail", () => {
    const rig = ready();
    request(rig);
    rig.write(0x100c, 5);
    rig.backend.step();
    expect(rig.admin.poll()).toMatchObject([{ result: 0x0001_0100 }]);
    expect(rig.io.run(rig.transfer(2, 0, 1, rig.allocate(4096))).status).toBe(OK);
  });

  test("a temperature above the threshold is told when that is asked for", () => {
    const rig = ready();
    request(rig);
    rig.admin.run(rig.command(9, 0, 0, 0, [4, 300]));
    rig.admin.put(rig.command(9, 0, 0, 0, [0x0b, 2]));
    rig.admin.ring();
    rig.backend.step();
    expect(rig.admin.poll().map((c) => c.result)).toEqual([0, 0x0002_0101]);
  });

  test("there are four requests at most, and they can be aborted", () => {
    const rig = ready();
    const cids = [request(rig), request(rig), request(rig), request(rig)];
    request(rig);
    expect(rig.admin.poll()).toMatchObject([{ status: failed(1, 5) }]);
    rig.admin.put(rig.command(8, 0, 0, 0, [cids[1]! << 16]));
    rig.admin.ring();
    rig.backend.step();
    expect(rig.admin.poll()).toMatchObject([
      { cid: cids[1], status: failed(0, 7, false) },
      { status: OK, result: 0 },
    ]);
  });

  test("a command that takes its time is aborted; one that is done is not", () => {
    const rig = ready({ readUs: 1000 });
    const words = rig.transfer(2, 0, 1, rig.allocate(4096));
    const abort = (): unknown => rig.admin.run(rig.command(8, 0, 0, 0, [1 | (words[0]! & ~0xffff)])).result;
    rig.io.put(words);
    rig.io.ring();
    rig.backend.step();
    expect(abort()).toBe(0);
    expect(rig.io.poll()).toMatchObject([{ cid: words[0]! >>> 16, status: failed(0, 7, false) }]);
    expect(abort()).toBe(1);
  });

  test("what is under way for a queue that is deleted ends with a status of its own", () => {
    const rig = ready({ readUs: 1000 });
    rig.io.put(rig.transfer(2, 0, 1, rig.allocate(4096)));
    rig.io.ring();
    rig.backend.step();
    expect(rig.admin.run(rig.command(0, 0, 0, 0, [1])).status).toBe(OK);
    expect(rig.io.poll()).toMatchObject([{ status: failed(0, 8, false) }]);
  });
});

test("unknown admin opcodes, fused commands, scatter gather lists are refused", () => {
  const rig = ready();
  expect(rig.admin.run(rig.command(0x7f, 0, 0)).status).toBe(failed(0, 1));
  expect(rig.admin.run(rig.command(0x106, 0, 0)).status).toBe(failed(0, 2));
  expect(rig.io.run(rig.command(0x4002, 1, 0)).status).toBe(failed(0, 2));
  expect(rig.io.run(rig.command(0x102, 1, 0)).status).toBe(failed(0, 2));
});
