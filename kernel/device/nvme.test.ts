/**
 * NVMe's grammar: lengths of what is allowed, and that everything else is refused, by counting through all opcodes.
 */
import { describe, expect, test } from "vitest";
import { checkRegister, Grammar, REFUSED, RuleError, serialOf } from "./nvme.ts";

const FORMAT = 32;
/** Identify Namespace with format 0 of 2^shift bytes, or with format `index`. */
function known(shift: number, metadata = 0, index = 0): Grammar {
  const grammar = new Grammar(true);
  const words: Record<number, number> = { 6: index << 16, [FORMAT + index]: (shift << 16) | metadata };
  grammar.learnNamespace(1, (i) => words[i] ?? 0);
  return grammar;
}
const read = (grammar: Grammar, blocks: number, nsid = 1): number => grammar.io(2, nsid, 0, blocks - 1, 0, 0, 0);

describe("blocks", () => {
  test.each([
    [9, 1, 512],
    [9, 65536, 32 << 20],
    [12, 8, 32768],
    [14, 65536, 2 ** 30],
  ])("of 2^%i bytes, %i of them: %i bytes", (shift, blocks, bytes) => expect(read(known(shift), blocks)).toBe(bytes));

  test("the format that is in use counts", () => {
    expect(read(known(12, 0, 3), 1)).toBe(4096);
    expect(read(known(12, 8, 3), 1)).toBe(REFUSED);
  });
  test("no length is ever what it must not be: positive, whole, at most 1 GiB", () => {
    for (let shift = 0; shift < 256; shift++)
      for (const blocks of [1, 2, 65535, 65536]) {
        const bytes = read(known(shift), blocks);
        if (bytes !== REFUSED) expect([bytes, bytes > 0 && bytes <= 2 ** 30]).toEqual([blocks * 2 ** shift, true]);
      }
  });
  test("another answer replaces the first, also one that is not understood", () => {
    const grammar = known(9);
    grammar.learnNamespace(1, () => 0);
    expect(read(grammar, 1)).toBe(REFUSED);
  });
  test("after a reset nothing is known", () => {
    const grammar = known(9);
    grammar.forget(true);
    expect(read(grammar, 1)).toBe(REFUSED);
  });
  test.each([0, 1024, -1, 0x80000000])("namespace %i does not exist", (nsid) => {
    const grammar = known(9);
    grammar.learnNamespace(nsid, () => 9 << 16);
    expect(read(grammar, 1, nsid)).toBe(REFUSED);
  });
});

/** Whether `ask` breaks no rule. */
function may(ask: () => unknown): boolean {
  try {
    ask();
    return true;
  } catch (error) {
    if (error instanceof RuleError) return false;
    throw error;
  }
}
const allowed = (ask: (opcode: number) => unknown): number[] =>
  Array.from({ length: 256 }, (_, opcode) => opcode).filter((opcode) => may(() => ask(opcode)));

test("opcodes: these and no others", () => {
  const grammar = known(9);
  expect(allowed((opcode) => grammar.io(opcode, 1, 0, 0, 0, 0, 0))).toEqual([0, 1, 2, 5, 8, 9]);
  expect(allowed((opcode) => grammar.admin(opcode, 1, 0))).toEqual([2, 6, 8, 9, 10, 12]);
});

test("lengths of the other commands", () => {
  const grammar = known(9);
  expect(grammar.io(0, 1, 0, 0, 0, 0, 0)).toBe(0);
  expect(grammar.io(8, 1, 0, 0xffff, 0, 0, 0)).toBe(0);
  expect(grammar.io(9, 1, 255, 0, 0, 0, 0)).toBe(4096);
  expect(grammar.admin(6, 0, 0)).toBe(4096);
  expect(grammar.admin(2, (127 << 16) | 2, 0)).toBe(512);
  expect(grammar.admin(2, 0x8002, 0)).toBe(4);
  expect(grammar.admin(2, (0xffff << 16) | 1, 3)).toBe(1 << 20);
  for (const opcode of [8, 12]) expect(grammar.admin(opcode, -1, -1)).toBe(0);
  for (const opcode of [9, 10]) expect(grammar.admin(opcode, 7, 0)).toBe(0);
});

test("without the right to write: what changes data is refused, the rest is not", () => {
  const grammar = known(9);
  grammar.writable = false;
  const answers = [0, 1, 2, 5, 8, 9].map((opcode) => grammar.io(opcode, 1, 0, 0, 0, 0, 0));
  expect(answers).toEqual([0, REFUSED, 512, 512, REFUSED, REFUSED]);
});

test("registers: CC with pages of 4 KiB and the sizes of entries, interrupt masks, and no others", () => {
  const mayWrite = (offset: number, value: number): boolean => may(() => checkRegister(offset, value));
  const offsets = Array.from({ length: 0x2000 }, (_, offset) => offset);
  expect(offsets.filter((offset) => mayWrite(offset, 0))).toEqual([0x0c, 0x10, 0x14]);
  for (let bit = 0; bit < 32; bit++) {
    const free = bit === 0 || (bit >= 11 && bit <= 15);
    expect([bit, mayWrite(0x14, 0x460001 ^ (1 << bit))]).toEqual([bit, free]);
  }
  expect([mayWrite(0x14, 0), mayWrite(0x14, 0x4000), mayWrite(0x14, 1)]).toEqual([true, true, false]);
});

test("the serial number is text without spaces around it", () => {
  const data = new TextEncoder().encode("\0\0\0\0  AB 12              model");
  expect(serialOf(data)).toBe("AB 12");
});
