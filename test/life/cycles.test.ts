/**
 * Thousands of deaths at random points, each followed by a new life: nothing leaks, and nobody else loses anything. As
 * many again, without the whole-heap checker after each, show what they leave in memory.
 *
 * `SAMARA_LIFE_CYCLES` and `SAMARA_SEED` set number and seed; a failure names both, the cycle, and how and where it died.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const CYCLES = Number(process.env["SAMARA_LIFE_CYCLES"] ?? 2000);
const SEED = process.env["SAMARA_SEED"] ?? "1";
/** Bytes of resident memory that each cycle after the first 1,000 may leave; it takes many for the noise to be less. */
const MAX_SLOPE = 1024;
const ENOUGH = 5000;
/** V8's young generation grows to its limit as long as there is garbage: this one is there before the first 1,000. */
const YOUNG = "--max-semi-space-size=1";

test(`${CYCLES} deaths at random points, each followed by a new life`, { timeout: 600_000 }, async () => {
  const child = fileURLToPath(new URL("cycles-child.ts", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [YOUNG, child, String(CYCLES), SEED]);
  const { deaths, reports, same, slope } = JSON.parse(stdout) as Record<string, number> & { same: boolean };
  expect(deaths).toBeGreaterThan(CYCLES);
  expect(reports).toBe(Math.min(deaths!, 1000));
  expect(same, "every life has the first one's memory").toBe(true);
  if (CYCLES >= ENOUGH) expect(slope).toBeLessThan(MAX_SLOPE);
  process.stdout.write(
    `${deaths} deaths in ${2 * CYCLES} cycles; ${Math.round(slope!)} bytes of resident memory each\n`,
  );
});
