/**
 * Before the tests in virtual machines: fetches what they need, once, or says why they are skipped.
 *
 * Invariant: a machine that could run them, but where fetching failed, is a failure and no skip.
 */
import { buildNative } from "../../tools/native/build.ts";
import { labPaths, obstacle } from "../../tools/vm/lab.ts";
import { setup as fetchLab } from "../../tools/vm/setup.ts";

export async function setup(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const why = obstacle(labPaths());
  if (why === null) {
    await fetchLab(say);
    // Guests have no compiler, and a first build takes longer than a test may.
    buildNative(say);
  } else say(`skipping every test in a virtual machine: ${why}`);
}
