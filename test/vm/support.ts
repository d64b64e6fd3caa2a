/**
 * What tests in virtual machines share.
 *
 * Invariant: a machine that cannot run guests skips them (test/vm/setup.ts prints why), which CI takes for a failure.
 */
import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe } from "vitest";
import { labPaths, obstacle } from "../../tools/vm/lab.ts";

export const LAB = labPaths();
export const MIB = 1 << 20;

/** As `describe`, for tests that need a guest. */
export const describeVm = describe.skipIf(obstacle(LAB) !== null);

/** Files of a test, removed when it ends. */
export class Workspace {
  readonly dir: string = mkdtempSync(join(tmpdir(), "samara-vm-test-"));

  /** A sparse file of zeros. */
  image(name: string, bytes: number): string {
    const path = join(this.dir, name);
    const file = openSync(path, "w");
    ftruncateSync(file, bytes);
    closeSync(file);
    return path;
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
