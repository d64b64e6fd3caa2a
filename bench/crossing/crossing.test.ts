/**
 * Every file in mechanisms/ is a mechanism, no two claim the same case, and the entry prints one JSON object.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BENCH } from "../lib/paths.ts";
import { loadMechanisms } from "./crossing.ts";

function bench(...argv: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [join(BENCH, "run.ts"), ...argv], { encoding: "utf8" });
}

describe("mechanisms", () => {
  it("are complete, and their cases distinct", async () => {
    const mechanisms = await loadMechanisms();
    const names = mechanisms.flatMap(({ cases }) => cases);
    expect(new Set(names).size).toBe(names.length);
    for (const name of [
      "direct",
      "trampoline",
      "peer-jco",
      "peer-jco-bytes64",
      "peer-wasmtime",
      "peer-wasmtime-bytes64",
    ])
      expect(names).toContain(name);
    for (const { checks } of mechanisms) expect(checks).not.toBe("");
  });
});

describe("the command", () => {
  it("prints one JSON object and nothing else", { timeout: 60_000 }, () => {
    const { status, stdout } = bench(
      "crossing",
      "--json",
      "--rounds",
      "3",
      "--only",
      "direct,trampoline,paper-redleaf",
    );
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(Object.keys(report)).toEqual(["name", "machine", "options", "cases"]);
    const measured = report.cases.find((c: { case: string }) => c.case === "trampoline");
    expect(measured).toMatchObject({ unit: "ns", samples: 3 });
    for (const key of ["value", "low", "high", "cycles"]) expect(measured[key]).toBeTypeOf("number");
    expect(report.cases.find((c: { case: string }) => c.case === "paper-redleaf")).toMatchObject({
      value: 124,
      unit: "cycles",
    });
  });

  it("measures first calls, and says which case has none", { timeout: 60_000 }, () => {
    const { status, stdout } = bench("crossing", "--json", "--cold", "--rounds", "3", "--only", "direct,worker-spin");
    expect(status).toBe(0);
    const [direct, worker] = JSON.parse(stdout).cases;
    expect(direct).toMatchObject({ case: "direct", samples: 3 });
    expect(worker).toMatchObject({
      case: "peer-worker-spin",
      value: null,
      note: "unavailable: it has no cold variant",
    });
  });

  it("refuses a wrong command line with status 2 and says how it is used", () => {
    const { status, stdout, stderr } = bench("crossing", "--fast");
    expect(status).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain("usage:");
  });
});
