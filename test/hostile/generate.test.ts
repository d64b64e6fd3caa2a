/**
 * Generated attackers, each run beside a victim.
 *
 * `SAMARA_HOSTILE_MODULES` sets how many (default 3,000), `SAMARA_SEED` the first seed; a failure prints the seed that
 * makes the same module again.
 */
import { availableParallelism } from "node:os";
import { expect, test } from "vitest";
import { runHostile } from "./generate.ts";
import { generate, handlesOf } from "./generator.ts";
import { World } from "./world.ts";

const modules = Number(process.env["SAMARA_HOSTILE_MODULES"] ?? 3000);
const seed = Number(process.env["SAMARA_SEED"] ?? 1);

test("the generator writes valid modules, the same for the same seed", () => {
  const handles = handlesOf(new World());
  for (let i = 0; i < 300; i++) {
    const { bytes } = generate(seed + i, handles);
    expect(WebAssembly.validate(bytes), `SAMARA_SEED=${seed + i}`).toBe(true);
    expect(Buffer.from(generate(seed + i, handles).bytes).equals(Buffer.from(bytes))).toBe(true);
  }
});

test(`${modules} generated attackers change and learn nothing that is not theirs`, { timeout: 3_600_000 }, async () => {
  const threads = modules > 5000 ? Math.min(availableParallelism(), 8) : 0;
  const report = await runHostile({ modules, seed, threads });
  expect(report.modules).toBe(modules);
  if (modules < 1000) return;
  // The generator is worth its time only while a good part of its calls come through.
  expect(report.traps).toBeLessThan(report.calls * 0.7);
  expect(report.checksRemoved).toBeGreaterThan(modules * 2);
});
