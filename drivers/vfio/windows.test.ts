/**
 * A served device's view of its client's memory, against a table of single pages.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { NativeDescriptor, NativeMapping } from "./native.ts";
import { Windows } from "./windows.ts";

const PAGE = 4096;
const FILE_PAGES = 64;
const SPACE = 24;

/** A client's file, whose every page begins with its number; counts its mappings. */
function file(name: string, mapped: { count: number }): NativeDescriptor {
  const map = (): NativeMapping => {
    mapped.count++;
    const buffer = new ArrayBuffer(FILE_PAGES * PAGE);
    for (let page = 0; page < FILE_PAGES; page++) new DataView(buffer).setUint32(page * PAGE, page, true);
    const close = (): void => void mapped.count--;
    return { buffer: () => buffer, close, load32: () => 0, store32: () => {} };
  };
  const nothing = (): void => {};
  return {
    map,
    size: () => FILE_PAGES * PAGE,
    identity: () => name,
    signal: nothing,
    nonblocking: nothing,
    close: nothing,
  };
}

interface Page {
  readonly filePage: number;
  readonly readable: boolean;
  readonly writable: boolean;
  readonly window: number;
}

const operation = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    at: fc.nat(SPACE - 1),
    pages: fc.integer({ min: 1, max: 5 }),
    offset: fc.nat(FILE_PAGES - 6),
    file: fc.constantFrom("a", "b", "none"),
    rights: fc.integer({ min: 1, max: 3 }),
  }),
  fc.record({ kind: fc.constant("remove" as const), at: fc.nat(SPACE), pages: fc.nat(SPACE) }),
  fc.record({ kind: fc.constant("master" as const), on: fc.boolean() }),
);

describe("windows", () => {
  test("any order of maps and unmaps: each address leads to its own page, or nowhere", () => {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
        const windows = new Windows();
        const mapped = { count: 0 };
        const table: (Page | null)[] = Array.from({ length: SPACE + 6 }, () => null);
        let master = false;
        let next = 1;
        const free = (at: number, pages: number): boolean => table.slice(at, at + pages).every((page) => page === null);
        const cuts = (at: number, end: number): boolean =>
          [at, end].some((edge) => edge > 0 && table[edge - 1] && table[edge - 1]!.window === table[edge]?.window);
        for (const op of operations) {
          if (op.kind === "master") windows.busMaster = master = op.on;
          else if (op.kind === "add") {
            const { at, pages, offset } = op;
            expect(windows.overlaps(at * PAGE, pages * PAGE)).toBe(!free(at, pages));
            if (!free(at, pages)) continue;
            const [readable, writable] = [(op.rights & 1) !== 0, (op.rights & 2) !== 0];
            const from = op.file === "none" ? null : file(op.file, mapped);
            windows.add({ iova: at * PAGE, bytes: pages * PAGE, readable, writable }, from, offset * PAGE);
            const window = next++;
            for (let i = 0; i < pages; i++)
              table[at + i] = { filePage: from === null ? -1 : offset + i, readable, writable, window };
          } else {
            const end = Math.min(op.at + op.pages, table.length);
            const cut = op.pages > 0 && cuts(op.at, end);
            if (op.pages === 0) continue;
            expect(windows.remove(op.at * PAGE, (end - op.at) * PAGE)).toBe(!cut);
            if (!cut) table.fill(null, op.at, end);
          }
          for (const [at, page] of table.entries())
            for (const write of [false, true]) {
              const view = windows.view(at * PAGE, 4, write);
              const may = master && page !== null && page.filePage >= 0 && (write ? page.writable : page.readable);
              expect(view === null ? -1 : view[0]).toBe(may ? page.filePage : -1);
              const across = windows.view(at * PAGE + PAGE - 2, 4, write);
              const together = may && table[at + 1]?.window === page.window;
              expect(across === null).toBe(!together);
            }
        }
        windows.clear();
        expect(mapped.count).toBe(0);
        expect(windows.size).toBe(0);
      }),
      { numRuns: 60 },
    );
  });

  test("the epoch changes with whatever may end a view", () => {
    const windows = new Windows();
    const epochs = [windows.epoch];
    windows.busMaster = true;
    epochs.push(windows.epoch);
    windows.add({ iova: 0, bytes: PAGE, readable: true, writable: true }, file("a", { count: 0 }), 0);
    epochs.push(windows.epoch);
    windows.busMaster = true;
    expect(windows.epoch).toBe(epochs.at(-1));
    windows.remove(0, PAGE);
    epochs.push(windows.epoch);
    windows.busMaster = false;
    epochs.push(windows.epoch);
    windows.clear();
    epochs.push(windows.epoch);
    expect(new Set(epochs).size).toBe(epochs.length);
  });

  test("a file that is smaller than the window is not mapped", () => {
    const mapped = { count: 0 };
    const windows = new Windows();
    const window = { iova: 0, bytes: 2 * PAGE, readable: true, writable: true };
    expect(() => windows.add(window, file("a", mapped), (FILE_PAGES - 1) * PAGE)).toThrow(
      `the window ends at ${(FILE_PAGES + 1) * PAGE} of a file of ${FILE_PAGES * PAGE} bytes`,
    );
    expect([windows.size, mapped.count]).toEqual([0, 0]);
  });
});
