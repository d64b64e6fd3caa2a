/** The recovery benchmark crashes what it says, no client notices, and its rows and its plot hold what others read. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { parseOptions } from "../lib/options.ts";
import { measureRecovery } from "./recovery.ts";

it("reads and writes while the driver crashes", async () => {
  const folder = mkdtempSync(join(tmpdir(), "recovery-"));
  const svgFile = join(folder, "plot.svg");
  try {
    const options = parseOptions(["recovery", "--seconds", "1", "--svg", svgFile]);
    const { cases, samples } = await measureRecovery(options, null, 1024);
    expect(cases.map((c) => [c.case, c.unit])).toEqual([
      ...["read-base", "read-1s", "read-100ms", "write-base", "write-1s", "write-100ms"].map((name) => [name, "MB/s"]),
      ["pause-p50", "us"],
      ["pause-p99", "us"],
    ]);
    expect(cases.every((c) => c.value !== null && c.value > 0)).toBe(true);
    const crashes = samples.map(({ samples: slices }) =>
      slices.reduce((sum, s) => sum + (s as unknown as { crashes: number }).crashes, 0),
    );
    // By the case's own clock, which its last slice may take a little further.
    const [base, second, tenth] = [crashes[0]!, crashes[1]!, crashes[2]!];
    expect([base, second]).toEqual([0, 1]);
    expect(tenth).toBeGreaterThanOrEqual(10);
    const svg = readFileSync(svgFile, "utf8");
    expect(svg).toContain("throughput, MB/s");
    expect(svg.match(/class="mark"/g)).toHaveLength(4);
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it("takes the cases that are asked for", async () => {
  const options = parseOptions(["recovery", "--seconds", "1", "--only", "write-100ms"]);
  const { cases } = await measureRecovery(options, null, 1024);
  expect(cases.map((c) => c.case)).toEqual(["write-100ms", "pause-p50", "pause-p99"]);
});
