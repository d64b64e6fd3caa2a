/**
 * build: builds what is stale, and checks every system.
 *
 * Interfaces and domains are built, and each manifest in systems/ is checked. Everything goes to build/. A domain that
 * does not build stops no other one.
 *
 *   --no-ownership-check   what the ownership check finds is shown, and does not stop the build
 *
 *   npm run samara -- build
 */
import { buildAll } from "../build/all.ts";
import type { Command } from "../lib/command.ts";
import { OWNERSHIP_OPTION, ownershipOf } from "../lib/ownership.ts";
import { paint } from "../lib/terminal.ts";

export const command: Command = {
  options: OWNERSHIP_OPTION,
  positionals: [0, 0],
  async run(args) {
    let compiled = 0;
    const problems = await buildAll((dir) => {
      compiled++;
      process.stdout.write(`building ${dir}\n`);
    }, ownershipOf(args).onOwnership);
    for (const problem of problems) process.stderr.write(`${problem}\n`);
    if (problems.length > 0) return 1;
    process.stdout.write(paint("green", compiled === 0 ? "everything is up to date\n" : `built ${compiled}\n`));
    return 0;
  },
};
