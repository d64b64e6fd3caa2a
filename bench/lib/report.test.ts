/**
 * Tests of the report: the JSON's shape, cycles from pairs, and that the table says all that the JSON does.
 */
import { describe, expect, it } from "vitest";
import { caseResult, formatReport, unavailable, type Report } from "./report.ts";

const machine = {
  cpu: "Test CPU",
  cores: 2,
  governor: null,
  virtual: true,
  memoryMiB: 1,
  os: "Linux 1 x64",
  node: "26",
  v8: "14",
  coreGHz: 3,
  load: 0.5,
  flags: [],
};

describe("caseResult", () => {
  it("multiplies each time by the clock measured beside it", () => {
    const samples = [
      { ns: 10, cyclesPerNs: 3 },
      { ns: 20, cyclesPerNs: 1.5 },
      { ns: 15, cyclesPerNs: 2 },
    ];
    const row = caseResult({ name: "null", samples });
    expect(row).toEqual({ case: "null", unit: "ns", value: 15, low: 10, high: 20, cycles: 30, samples: 3 });
  });

  it("claims no cycles where the time is not the core's", () => {
    const row = caseResult({ name: "peer", samples: [{ ns: 7, cyclesPerNs: null }] }, { note: "n" });
    expect(row).toEqual({ case: "peer", unit: "ns", value: 7, low: 7, high: 7, samples: 1, note: "n" });
  });

  it("converts", () => {
    const row = caseResult({ name: "admit", samples: [{ ns: 4, cyclesPerNs: 1 }] }, { unit: "MB/s" }, (ns) => 8 / ns);
    expect(row).toMatchObject({ unit: "MB/s", value: 2, cycles: 4 });
  });
});

describe("formatReport", () => {
  it("shows each case, its checks and why one is missing", () => {
    const report: Report = {
      name: "crossing",
      machine,
      options: { ablate: ["owner"] },
      cases: [
        caseResult({ name: "direct", samples: [{ ns: 3, cyclesPerNs: 3 }] }, { checks: "nothing" }),
        unavailable("peer-x", "no cargo", "memory"),
        { case: "paper", unit: "cycles", value: 124, low: 124, high: 124, samples: 0, note: "constant" },
      ],
    };
    const text = formatReport(report);
    for (const part of ['ablate ["owner"]', "3.00 ns", "9.00", "unavailable: no cargo", "nothing", "124", "constant"])
      expect(text).toContain(part);
    expect(text.split("\n").every((line) => line.length <= 130)).toBe(true);
  });
});
