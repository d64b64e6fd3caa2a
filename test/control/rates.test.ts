/** What `top` makes of two answers: rates that add up, whatever happened between them. */
import { describe, expect, test } from "vitest";
import type { TopAnswer } from "#runtime/control/handlers.ts";
import { rates } from "#runtime/control/rates.ts";
import { DEFAULT_LIMITS } from "#kernel/manifest/manifest.ts";

type Edge = [caller: string, callee: string, method: string, calls: number];

function answer(uptimeMs: number, cpuMs: number, domains: Record<string, number>, edges: Edge[]): TopAnswer {
  const statistics = { bytes: 64, objects: 1, limits: { bytes: 1, objects: 1 }, calls: 0, cpuMs, hostMs: 0, uptimeMs };
  return {
    name: "sys",
    pid: 1,
    statistics,
    domains: Object.entries(domains).map(([name, ms], i) => ({
      name,
      id: 4 + i,
      incarnation: 3,
      state: "running" as const,
      restarting: false,
      faults: 2,
      bytes: 0,
      objects: 0,
      threads: 0,
      memoryBytes: 0,
      cpuMs: ms,
      upMs: 1,
      limits: DEFAULT_LIMITS,
    })),
    edges: edges.map(([caller, callee, method, calls]) => ({ caller, callee, interface: "I", method, calls })),
    edgesLeftOff: 0,
  };
}

describe("rates", () => {
  test("are differences over the time between, busiest first", () => {
    const before = answer(1000, 500, { a: 100, b: 10 }, [
      ["a", "b", "x", 100],
      ["b", "a", "y", 7],
    ]);
    const after = answer(3000, 1500, { a: 100, b: 810 }, [
      ["a", "b", "x", 300],
      ["b", "a", "y", 2007],
    ]);
    const r = rates(before, after);
    expect(r.intervalMs).toBe(2000);
    expect(r.total).toMatchObject({ callsPerSecond: 1100, cpuPercent: 50, hostPercent: 10 });
    expect(r.domains.map((d) => [d.name, d.cpuPercent, d.callsIn, d.callsOut, d.restarts])).toEqual([
      ["b", 40, 100, 1000, 2],
      ["a", 0, 1000, 100, 2],
    ]);
    expect(r.edges.map((e) => [e.method, e.callsPerSecond])).toEqual([
      ["y", 1000],
      ["x", 100],
    ]);
  });

  test("count what came new or began anew from nothing, and never below it", () => {
    const before = answer(0, 100, { a: 90, gone: 5 }, [
      ["a", "b", "x", 1000],
      ["a", "b", "gone", 9],
    ]);
    const after = answer(1000, 100, { a: 20, late: 40 }, [
      ["a", "b", "x", 30],
      ["late", "b", "z", 5],
    ]);
    const r = rates(before, after);
    expect(r.edges.map((e) => [e.method, e.callsPerSecond])).toEqual([
      ["x", 30],
      ["z", 5],
    ]);
    expect(r.domains.map((d) => [d.name, d.cpuPercent])).toEqual([
      ["late", 4],
      ["a", 0],
    ]);
    expect(r.total.hostPercent).toBe(0);
  });

  test("of several objects of one interface are one edge", () => {
    const before = answer(0, 0, { b: 0 }, [
      ["a", "b", "x", 1],
      ["a", "b", "x", 2],
    ]);
    const after = answer(1000, 0, { b: 0 }, [
      ["a", "b", "x", 11],
      ["a", "b", "x", 22],
    ]);
    expect(rates(before, after).edges).toMatchObject([{ calls: 33, callsPerSecond: 30 }]);
  });

  test("of two answers at the same moment are finite", () => {
    const same = answer(5, 5, { a: 1 }, [["a", "a", "x", 3]]);
    expect(rates(same, same).total).toMatchObject({ callsPerSecond: 0, cpuPercent: 0 });
  });
});
