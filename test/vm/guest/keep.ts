/**
 * Takes a device from Linux for as long as this process runs, as `run` does, and waits to be killed.
 *
 * `node test/vm/guest/keep.ts BDF` prints a line when it has it.
 */
import { keep } from "#tools/pci/guard.ts";
import { Machine } from "#tools/pci/machine.ts";

const { taken } = await keep(new Machine(), [process.argv[2]!], () => {});
process.stdout.write(`taken: ${taken.join()}\n`);
setInterval(() => {}, 60_000);
