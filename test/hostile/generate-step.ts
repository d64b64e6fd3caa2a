/**
 * A step of a soak run, as a process of its own: `generate-step.ts MODULES SEED`. Prints one line of JSON.
 *
 * A process, because what breaks out of V8 ends it.
 */
import { HostileFailure, runHostile } from "./generate.ts";

const [modules, seed] = process.argv.slice(2).map(Number) as [number, number];
try {
  const report = await runHostile({ modules, seed });
  const { user, system } = process.cpuUsage();
  process.stdout.write(`${JSON.stringify({ ...report, cpuMs: (user + system) / 1000 })}\n`);
} catch (error) {
  if (!(error instanceof HostileFailure)) throw error;
  process.stdout.write(`${JSON.stringify({ failure: error.message })}\n`);
}
