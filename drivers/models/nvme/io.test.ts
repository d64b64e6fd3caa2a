/**
 * NVM commands of the model: data through every shape of PRP entries, ranges, errors, the cache, files, latencies.
 */
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Rig, RIG_BYTES, WINDOW } from "../../../test/support/nvme-rig.ts";

const OK = 0;
const failed = (sct: number, sc: number, dnr = true): number => (sct << 8) | sc | 0x2000 | (dnr ? 0x4000 : 0);
const FLUSH = 0;
const WRITE = 1;
const READ = 2;
const COMPARE = 5;
const ZEROES = 8;
const DSM = 9;
const FUA = 1 << 30;
const folder = mkdtempSync(join(tmpdir(), "samara-nvme-"));
afterAll(() => rmSync(folder, { recursive: true }));

function ready(options: Readonly<Record<string, unknown>> = {}): Rig {
  const rig = new Rig({ bytes: 1 << 20, ...options });
  rig.bringUp();
  return rig;
}

/** Bytes that are different at each place. */
function pattern(bytes: Uint8Array, seed: number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 31 + (i >> 8) * 7 + seed) & 0xff;
}

/**
 * PRP entries for `pages` scattered pages, the first with `offset`, with lists that begin at `listAt` of their page.
 * @returns the entries and all bytes of the transfer, in its order
 */
function scatter(
  rig: Rig,
  bytes: number,
  offset: number,
  listAt = 0,
): { prp1: number; prp2: number; pieces: Uint8Array[] } {
  const pages = Math.ceil((bytes + offset) / 4096);
  const at = rig.allocate(pages * 2 * 4096);
  // Every other page, backwards, so that nothing is right by luck.
  const addresses = Array.from({ length: pages }, (_, i) => at + (pages - 1 - i) * 8192);
  const pieces = addresses.map((address, i) => {
    const from = i === 0 ? address + offset : address;
    const before = i === 0 ? 0 : i * 4096 - offset;
    return rig.bytes.subarray(from, from + Math.min(bytes - before, address + 4096 - from));
  });
  const rest = addresses.slice(1);
  if (rest.length <= 1) return { prp1: addresses[0]! + offset, prp2: rest[0] ?? 0, pieces };
  let list = rig.allocate(4096) + listAt;
  const prp2 = list;
  const entry = (value: number): void => {
    rig.view.setBigUint64(list, BigInt(value), true);
    list += 8;
  };
  for (const [i, address] of rest.entries()) {
    if ((list + 8) % 4096 === 0 && i < rest.length - 1) {
      const next = rig.allocate(4096);
      entry(next);
      list = next;
    }
    entry(address);
  }
  return { prp1: addresses[0]! + offset, prp2, pieces };
}

describe("physical region pages", () => {
  test.each([
    ["one page", 4096, 0, 0],
    ["a part of a page", 512, 0, 0],
    ["an offset within a page", 1024, 2052, 0],
    ["two pages", 8192, 0, 0],
    ["two pages with an offset", 4096, 100, 0],
    ["a list", 3 * 4096, 0, 0],
    ["a list, with offsets of data and list", 5 * 4096, 516, 64],
    ["a list with two entries in its page", 12 * 4096, 0, 4096 - 16],
    ["a list whose first page holds the pointer alone", 12 * 4096, 0, 4096 - 8],
    ["a list whose last entry is the last of its page", 4 * 4096, 0, 4096 - 24],
    ["the longest transfer", 512 << 10, 0, 0],
    ["the longest transfer with an offset", 512 << 10, 4, 0],
  ])("%s", (_, bytes, offset, listAt) => {
    for (const lbaBytes of [512, 4096]) {
      if (bytes % lbaBytes !== 0) continue;
      const rig = ready({ lbaBytes });
      const out = scatter(rig, bytes, offset, listAt);
      out.pieces.forEach((piece, i) => pattern(piece, i));
      expect(rig.io.run(rig.transfer(WRITE, 3, bytes / lbaBytes, out.prp1, out.prp2)).status).toBe(OK);
      expect(rig.io.run(rig.transfer(COMPARE, 3, bytes / lbaBytes, out.prp1, out.prp2)).status).toBe(OK);
      const back = scatter(rig, bytes, offset === 0 ? 256 : 0, 8);
      const around = rig.bytes.slice();
      expect(rig.io.run(rig.transfer(READ, 3, bytes / lbaBytes, back.prp1, back.prp2)).status).toBe(OK);
      const all = (pieces: Uint8Array[]): Uint8Array => Buffer.concat(pieces);
      expect(Buffer.compare(all(back.pieces), all(out.pieces))).toBe(0);
      // Nothing but the pieces and the rings was written.
      for (const piece of back.pieces) around.set(piece, piece.byteOffset);
      around.set(rig.bytes.subarray(rig.io.cq, rig.io.cq + 256), rig.io.cq);
      around.set(rig.bytes.subarray(rig.io.sq, rig.io.sq + 1024), rig.io.sq);
      expect(Buffer.compare(around, rig.bytes)).toBe(0);
    }
  });

  test.each([
    ["PRP1 within a word", WINDOW + 0x80002, 0, failed(0, 0x13)],
    ["PRP2 with an offset", WINDOW + 0x80000, WINDOW + 0x90010, failed(0, 0x13)],
    ["PRP1 before the window", 0, WINDOW + 0x90000, failed(0, 4, false)],
    ["PRP2 behind the window", WINDOW + 0x80000, RIG_BYTES - WINDOW, failed(0, 4, false)],
    ["PRP2 beyond all memory", WINDOW + 0x80000, 2 ** 63, failed(0, 4, false)],
  ])("%s is refused", (_, prp1, prp2, status) => {
    const rig = ready();
    for (const opcode of [READ, WRITE]) expect(rig.io.run(rig.transfer(opcode, 0, 16, prp1, prp2)).status).toBe(status);
  });

  test("lists that are not where they should be", () => {
    const rig = ready();
    const { prp1, prp2 } = scatter(rig, 5 * 4096, 0);
    const run = (list: number): number => rig.io.run(rig.transfer(READ, 0, 40, prp1, list)).status;
    expect(run(prp2 + 4)).toBe(failed(0, 0x13));
    expect(run(0)).toBe(failed(0, 4, false));
    rig.view.setUint32(prp2 + 8, prp1 + 8, true);
    expect(run(prp2)).toBe(failed(0, 0x13));
    // A list that points to itself for ever.
    const loop = rig.allocate(4096);
    rig.view.setBigUint64(loop + 4088, BigInt(loop), true);
    rig.bytes.fill(0, loop, loop + 4088);
    expect(run(loop + 4088)).toBe(failed(0, 4, false));
  });
});

describe("ranges and namespaces", () => {
  test.each([
    ["a block behind the last", READ, 2048, 1, failed(0, 0x80)],
    ["a range across the end", WRITE, 2047, 2, failed(0, 0x80)],
    ["a number that has 64 bits", WRITE, 2 ** 62, 1, failed(0, 0x80)],
    ["zeros across the end", ZEROES, 2040, 9, failed(0, 0x80)],
    ["more than can be moved at once", READ, 0, 1025, failed(0, 2)],
  ])("%s", (_, opcode, lba, blocks, status) => {
    const rig = ready();
    expect(rig.io.run(rig.transfer(opcode, lba, blocks, rig.allocate(4096))).status).toBe(status);
  });

  test("namespaces", () => {
    const rig = ready();
    for (const nsid of [0, 2, 0xffff_ffff])
      expect(rig.io.run(rig.command(READ, nsid, rig.allocate(4096))).status).toBe(failed(0, 0x0b));
    expect(rig.io.run(rig.command(FLUSH, 0xffff_ffff, 0)).status).toBe(OK);
    expect(rig.io.run(rig.command(FLUSH, 2, 0)).status).toBe(failed(0, 0x0b));
  });
});

describe("commands", () => {
  const filled = (rig: Rig, lba: number, blocks: number, seed: number): number => {
    const at = rig.allocate(4096);
    pattern(rig.bytes.subarray(at, at + 4096), seed);
    expect(rig.io.run(rig.transfer(WRITE, lba, blocks, at)).status).toBe(OK);
    return at;
  };
  const read = (rig: Rig, lba: number, blocks: number): Uint8Array => {
    const at = rig.allocate(4096);
    expect(rig.io.run(rig.transfer(READ, lba, blocks, at)).status).toBe(OK);
    return rig.bytes.slice(at, at + blocks * 512);
  };

  test("compare finds one wrong byte", () => {
    const rig = ready();
    const at = filled(rig, 0, 8, 1);
    rig.bytes[at + 4095]! ^= 1;
    expect(rig.io.run(rig.transfer(COMPARE, 0, 8, at)).status).toBe(failed(2, 0x85));
  });

  test("write zeroes, in the cache and past it", () => {
    const rig = ready();
    const at = filled(rig, 0, 8, 1);
    expect(rig.io.run(rig.transfer(ZEROES, 2, 3, 0)).status).toBe(OK);
    expect(rig.io.run(rig.transfer(ZEROES, 6, 1, 0, 0, FUA)).status).toBe(OK);
    const wanted = rig.bytes
      .slice(at, at + 4096)
      .fill(0, 1024, 2560)
      .fill(0, 3072, 3584);
    expect(read(rig, 0, 8)).toEqual(wanted);
  });

  test("deallocated blocks read as zeros; without the attribute, and out of range, nothing happens", () => {
    const rig = ready();
    const at = filled(rig, 0, 8, 1);
    const list = rig.allocate(4096);
    const range = (i: number, lba: number, blocks: number): void => {
      rig.view.setUint32(list + i * 16 + 4, blocks, true);
      rig.view.setBigUint64(list + i * 16 + 8, BigInt(lba), true);
    };
    range(0, 1, 2);
    range(1, 6, 1);
    const run = (count: number, attributes: number): number =>
      rig.io.run(rig.command(DSM, 1, list, 0, [count - 1, attributes])).status;
    expect(run(2, 2)).toBe(OK);
    expect(read(rig, 0, 8)).toEqual(rig.bytes.slice(at, at + 4096));
    range(2, 2047, 2);
    expect(run(3, 4)).toBe(failed(0, 0x80));
    expect(read(rig, 0, 8)).toEqual(rig.bytes.slice(at, at + 4096));
    expect(run(2, 4)).toBe(OK);
    expect(read(rig, 0, 8)).toEqual(
      rig.bytes
        .slice(at, at + 4096)
        .fill(0, 512, 1536)
        .fill(0, 3072, 3584),
    );
  });

  test("a read overlays what the cache has on what the medium has", () => {
    const rig = ready();
    const first = filled(rig, 0, 8, 1);
    rig.io.run(rig.command(FLUSH, 1, 0));
    const second = filled(rig, 3, 2, 9);
    const wanted = rig.bytes.slice(first, first + 4096);
    wanted.set(rig.bytes.subarray(second, second + 1024), 1536);
    expect(read(rig, 0, 8)).toEqual(wanted);
    expect(read(rig, 4, 3)).toEqual(wanted.slice(2048, 3584));
  });
});

describe("latency and bandwidth", () => {
  test("a command completes when its time has come, and not before", () => {
    const rig = ready({ readUs: 100, writeUs: 2000 });
    const at = rig.allocate(4096);
    rig.io.put(rig.transfer(WRITE, 0, 8, at));
    rig.io.put(rig.transfer(READ, 0, 8, at));
    rig.io.ring();
    const done = (time: number): number => {
      rig.time = time;
      rig.backend.step();
      return rig.io.poll().length;
    };
    expect([done(0.09), done(0.1), done(1.99), done(2)]).toEqual([0, 1, 0, 1]);
  });

  test("transfers share the bandwidth", () => {
    const rig = ready({ megabytesPerSecond: 4 });
    for (let i = 0; i < 3; i++) rig.io.put(rig.transfer(READ, 0, 8, rig.allocate(4096)));
    rig.io.ring();
    const done = [1.03, 2.06, 3.08].map((time) => {
      rig.time = time;
      rig.backend.step();
      return rig.io.poll().length;
    });
    expect(done).toEqual([1, 1, 1]);
  });
});

describe("a file", () => {
  const path = join(folder, "disk");
  const written = (rig: Rig, lba: number, value: number, flags = 0): void => {
    const at = rig.allocate(4096);
    rig.bytes.fill(value, at, at + 512);
    expect(rig.io.run(rig.transfer(WRITE, lba, 1, at, 0, flags)).status).toBe(OK);
  };
  const onDisk = (lba: number): number => readFileSync(path)[lba * 512]!;

  test("holds what was flushed, written with FUA, or without a cache; data survive", async () => {
    const rig = ready({ file: path });
    expect(statSync(path).size).toBe(1 << 20);
    written(rig, 0, 1);
    expect(onDisk(0)).toBe(0);
    rig.io.run(rig.command(FLUSH, 1, 0));
    expect(onDisk(0)).toBe(1);
    written(rig, 1, 2, FUA);
    expect(onDisk(1)).toBe(2);
    written(rig, 2, 3);
    rig.admin.run(rig.command(9, 0, 0, 0, [6, 0]));
    expect(onDisk(2)).toBe(3);
    written(rig, 3, 4);
    expect(onDisk(3)).toBe(4);
    await rig.backend.close();
    const next = new Rig({ file: path });
    next.bringUp();
    const at = next.allocate(4096);
    next.io.run(next.transfer(READ, 0, 4, at));
    expect([0, 1, 2, 3].map((i) => next.bytes[at + i * 512])).toEqual([1, 2, 3, 4]);
    await next.backend.close();
  });

  test("FUA over what the cache has is not undone by a later flush", async () => {
    const rig = ready({ file: path });
    written(rig, 0, 5);
    written(rig, 0, 6, FUA);
    rig.io.run(rig.command(FLUSH, 1, 0));
    expect(onDisk(0)).toBe(6);
    await rig.backend.close();
  });

  test("what is wrong with it is said", () => {
    writeFileSync(join(folder, "odd"), "x".repeat(700));
    expect(() => new Rig({ file: join(folder, "odd") })).toThrow("700 bytes are no multiple of 512");
    expect(() => new Rig({ file: path, bytes: 512 })).toThrow("has 1048576 bytes, and 512 are asked for");
    expect(() => new Rig({ file: folder })).toThrow(folder);
    expect(() => new Rig({ file: join(folder, "odd", "x") })).toThrow("EEXIST");
  });

  test("what the medium refuses is an error of the command, and SMART counts it", () => {
    const rig = ready({ file: path });
    truncateSync(path, 1024);
    const at = rig.allocate(4096);
    expect(rig.io.run(rig.transfer(READ, 0, 2, at)).status).toBe(OK);
    expect(rig.io.run(rig.transfer(READ, 1, 2, at)).status).toBe(failed(2, 0x81, false));
    expect(rig.page(2, 0, [2 | (127 << 16)]).data.getBigUint64(160, true)).toBe(1n);
  });
});

test.each([
  [{ lbaBytes: 1024 }, "lbaBytes: 512 or 4096, not 1024"],
  [{ queues: 0 }, "queues: 1 to 64, not 0"],
  [{ serial: "" }, "serial: 1 to 20 printable characters"],
  [{ bytes: 1000 }, "bytes: 1000 is no multiple of lbaBytes, 512"],
  [{ readyMs: "1" }, 'readyMs: a number, not "1"'],
  [{ colour: 1 }, "unknown option colour; there are file, bytes"],
])("option %j: %s", (options, text) => expect(() => new Rig(options)).toThrow(text));
