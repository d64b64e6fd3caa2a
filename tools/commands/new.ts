/**
 * new domain NAME: makes domains/NAME, which builds and answers.
 *
 * It is a copy of domains/_template.
 *
 *   --no-ownership-check   what the ownership check finds is shown, and does not stop the build
 *
 *   npm run samara -- new domain greeter
 *
 * Afterwards name it in a system's manifest; the command prints the line.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ALL_ROOTS } from "../build/all.ts";
import { buildInterfaces } from "../build/interfaces.ts";
import { buildDomain, findDomains } from "../build/domain.ts";
import { UsageError } from "../lib/command.ts";
import type { Command } from "../lib/command.ts";
import { OWNERSHIP_OPTION, ownershipOf } from "../lib/ownership.ts";
import { listFiles } from "../lib/files.ts";
import { ROOT, shown } from "../lib/paths.ts";

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Copies the template, with the domain's name in the place of "template", and builds the copy.
 * @param name of the domain; also of its folder.
 * @param root folder that the domain's folder is made in.
 * @throws UsageError when the name cannot be one or is taken.
 */
export async function newDomain(
  name: string,
  root = "domains",
  onOwnership?: (warnings: string) => void,
): Promise<string> {
  if (!NAME.test(name)) throw new UsageError(`new: "${name}" is no name: write lower-case letters, digits and "-"`);
  if (["host", "kernel"].includes(name)) throw new UsageError(`new: the name "${name}" is reserved`);
  const dir = `${root}/${name}`;
  const taken = existsSync(join(ROOT, dir)) ? dir : findDomains(ALL_ROOTS).get(name);
  if (taken !== undefined) throw new UsageError(`new: there is already a ${taken}`);
  cpSync(join(ROOT, "domains", "_template"), join(ROOT, dir), { recursive: true, errorOnExist: true, force: false });
  for (const file of listFiles(join(ROOT, dir), () => true)) {
    const text = readFileSync(file, "utf8");
    const renamed = text.replaceAll("domains/_template", dir).replaceAll("template", name);
    if (renamed !== text) writeFileSync(file, renamed);
  }
  await buildDomain(dir, await buildInterfaces(), undefined, "full", onOwnership);
  return dir;
}

export const command: Command = {
  options: OWNERSHIP_OPTION,
  positionals: [2, 2],
  async run(args) {
    const [kind, name] = args.positionals;
    if (kind !== "domain") throw new UsageError(`new: "${kind}" cannot be made; write: new domain NAME`);
    const dir = await newDomain(name!, "domains", ownershipOf(args).onOwnership);
    const files = listFiles(join(ROOT, dir), () => true).map(shown);
    process.stdout.write(`made and built ${dir}:\n${files.map((file) => `  ${file}\n`).join("")}`);
    const key = /-/.test(name!) ? `"${name}"` : name;
    process.stdout.write(
      `To run it, add to the domains of systems/default.ts (without restart, it stays dead once it has crashed):\n` +
        `    ${key}: { domain: "${name}", restart: "on-fault" },\n` +
        `and write in the console: @${name} hello\n`,
    );
    return 0;
  },
};
