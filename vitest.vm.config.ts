/**
 * How the tests in virtual machines run (`npm run test:vm`): every `*.vm.test.ts`, two files at a time.
 *
 * A config of their own, because they need what `tools/vm/setup.ts` fetches and are no part of `npm test`.
 */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "node",
    pool: "forks",
    // Each machine keeps one processor busy.
    maxWorkers: 2,
    include: ["test/vm/**/*.vm.test.ts"],
    globalSetup: ["test/vm/setup.ts"],
    // Emulated processors are slow, and slower on a busy machine.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    teardownTimeout: 20_000,
    passWithNoTests: false,
  },
});
