/**
 * bench NAME [options]: measures; `bench` alone lists what.
 *
 * NAME is crossing, heap, load, lifecycle, threads or recovery.
 *
 *   --json           one JSON object on stdout and nothing else
 *   --samples FILE   raw samples
 *
 * docs/benchmarks.md explains all options, what each case means and how to add a mechanism.
 */
import type { Command } from "../lib/command.ts";

export const command: Command = {
  positionals: [0, Infinity],
  passThrough: true,
  async run({ positionals }) {
    const { main } = await import("../../bench/run.ts");
    return main([...positionals]);
  },
};
