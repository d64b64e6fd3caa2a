/**
 * How tests run: every `*.test.ts`, each file in a process of its own under the pinned Node.
 *
 * Processes, not threads, because tests exhaust stacks, reserve gigabytes of address space and kill what they start.
 */
import { defineConfig } from "vitest/config";
import { mutationPlugins } from "./test/mutants/plugin.ts";

export default defineConfig({
  // None, unless test/mutants asks for a seeded bug.
  plugins: mutationPlugins(process.env),
  test: {
    environment: "node",
    pool: "forks",
    include: ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "build/**", "bench/peers/**", "**/*.vm.test.ts"],
    // Generous: machines differ by ten times, and the long property tests set their own.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 10_000,
    passWithNoTests: false,
  },
});
