/**
 * A process that takes a device of a machine on paper, and ends as its argument says; for guard.test.ts.
 *
 * Prints the machine's folder when it has the device, and then waits to be killed, unless it ends by itself.
 */
import { keep } from "#tools/pci/guard.ts";
import { PaperMachine } from "./host.ts";

const ADDRESS = "0000:00:05.0";
const host = new PaperMachine();
// Without a former driver, so that no kernel has to take it back.
host.function(ADDRESS, { class: 0x020000 });
const keeper = await keep(host, [ADDRESS], () => {});
process.stdout.write(`${host.root} ${keeper.taken.join()}\n`);
const how = process.argv[2];
if (how === "release") await keeper.release();
else if (how === "exit") process.exit(3);
else if (how === "throw") throw new Error("on purpose");
else if (how === "abort") process.abort();
else setInterval(() => {}, 1000);
