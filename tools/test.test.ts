/**
 * Tests of the counting behind `npm test`'s last line. Reports are written here in vitest's own shape.
 */
import { describe, expect, test } from "vitest";
import { codeLines } from "./check/tcb.ts";
import { tally } from "./test.ts";
import type { VitestReport } from "./test.ts";

const results = (...statuses: string[]) => statuses.map((status, i) => ({ fullName: `case ${i}`, status }));
const report = (success: boolean, status: string, ...statuses: string[]): VitestReport => ({
  success,
  testResults: [{ name: "/x/a.test.ts", status, message: "SyntaxError: oops", assertionResults: results(...statuses) }],
});

describe("the summary of a test run", () => {
  test("counts what passed, failed and was skipped", () => {
    const sum = tally(report(false, "failed", "passed", "failed", "skipped", "passed"), 1, null);
    expect(sum).toEqual({ passed: 2, failed: 1, skipped: 1, notes: [] });
  });
  test("a runner that crashed is a failure", () => {
    expect(tally(null, 134, null)).toMatchObject({ failed: 1 });
    expect(tally(null, null, null).notes[0]).toContain("without a report");
  });
  test("a file that does not load is a failure", () => {
    const sum = tally(report(false, "failed"), 1, null);
    expect(sum.failed).toBe(1);
    expect(sum.notes[0]).toContain("SyntaxError: oops");
  });
  test("an error outside any test is a failure", () => {
    expect(tally(report(true, "passed", "passed"), 1, null)).toMatchObject({ passed: 1, failed: 1 });
    expect(tally(report(false, "passed", "passed"), 0, null)).toMatchObject({ passed: 1, failed: 1 });
  });
  test("a run without tests is a failure", () => {
    expect(tally({ success: true, testResults: [] }, 0, null)).toMatchObject({ passed: 0, failed: 1 });
  });
  test("skipping needs a reason under CI", () => {
    const skipped = report(true, "passed", "passed", "skipped");
    expect(tally(skipped, 0, {})).toMatchObject({ skipped: 1, failed: 1 });
    expect(tally(skipped, 0, { "case 1": "needs hardware" })).toMatchObject({ skipped: 1, failed: 0 });
  });
});

test("code lines are neither blank nor comment", () => {
  const text = ["/**", " * x", " */", "", "// y", "const a = 1; // z", "/* one */", "  b();"].join("\n");
  expect(codeLines(text)).toBe(2);
});
