/**
 * Before the tests in virtual machines: fetches what they need, once, or says why they are skipped.
 *
 * Invariant: a machine that could run them, but where fetching failed, is a failure and no skip.
 */
import { labPaths, obstacle } from "../../tools/vm/lab.ts";
import { setup as fetchLab } from "../../tools/vm/setup.ts";

export async function setup(): Promise<void> {
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  const why = obstacle(labPaths());
  if (why === null) await fetchLab(say);
  else say(`skipping every test in a virtual machine: ${why}`);
}
