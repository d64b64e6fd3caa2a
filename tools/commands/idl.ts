/**
 * idl [INTERFACE]: reference page of an interface, or all names.
 *
 *   npm run samara -- idl BlockDevice
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { suggestion } from "#kernel/manifest/nearest.ts";
import { buildInterfaces } from "../build/interfaces.ts";
import { UsageError } from "../lib/command.ts";
import type { Command } from "../lib/command.ts";
import { BUILD } from "../lib/paths.ts";
import { columns } from "../lib/terminal.ts";

/** First sentence of a doc comment. */
const summary = (doc: string): string =>
  doc
    .trim()
    .split(/(?<=\.)\s|\n\n/)[0]!
    .replaceAll("\n", " ");

export const command: Command = {
  positionals: [0, 1],
  async run({ positionals: [name] }) {
    const model = await buildInterfaces();
    const names = Object.keys(model.interfaces).toSorted();
    if (name === undefined) {
      process.stdout.write(`${columns(names.map((n) => [n, summary(model.interfaces[n]!.doc)]))}\n`);
      return 0;
    }
    if (!names.includes(name)) throw new UsageError(`idl: there is no interface "${name}"${suggestion(name, names)}`);
    process.stdout.write(readFileSync(join(BUILD, "gen", "reference", `${name}.md`), "utf8"));
    return 0;
  },
};
