/**
 * build [DOMAIN]: builds what is stale, and checks every system.
 *
 * Interfaces and domains are built, and each manifest in systems/ is checked; with DOMAIN, interfaces and that domain
 * alone. Everything goes to build/. A domain that does not build stops no other one.
 *
 *   --no-ownership-check   what the ownership check finds is shown, and does not stop the build
 *
 *   npm run samara -- build
 */
import { suggestion } from "#kernel/manifest/nearest.ts";
import { ALL_ROOTS, buildAll } from "../build/all.ts";
import { findDomains } from "../build/index.ts";
import { UsageError, type Command } from "../lib/command.ts";
import { OWNERSHIP_OPTION, ownershipOf } from "../lib/ownership.ts";
import { paint } from "../lib/terminal.ts";

/** @throws UsageError with the nearest name */
export function folderOf(name: string): string {
  const folders = findDomains(ALL_ROOTS);
  const dir = folders.get(name);
  if (dir === undefined) throw new UsageError(`there is no domain "${name}"${suggestion(name, [...folders.keys()])}`);
  return dir;
}

export const command: Command = {
  options: OWNERSHIP_OPTION,
  positionals: [0, 1],
  async run(args) {
    let compiled = 0;
    const onCompile = (dir: string): void => {
      compiled++;
      process.stdout.write(`building ${dir}\n`);
    };
    const name = args.positionals[0] ?? null;
    if (name !== null) folderOf(name);
    const problems = await buildAll(name, onCompile, ownershipOf(args).onOwnership);
    for (const problem of problems) process.stderr.write(`${problem}\n`);
    if (problems.length > 0) return 1;
    process.stdout.write(paint("green", compiled === 0 ? "everything is up to date\n" : `built ${compiled}\n`));
    return 0;
  },
};
