/**
 * ownership [DOMAIN]: what the ownership check says and proves of domains, and what it costs.
 *
 * Compiles DOMAIN, or every domain in AssemblyScript, and writes nothing. For each: how many uses of objects were
 * proved (in how many functions), and how much of the compilation's time the check took. Mistakes are shown as the
 * build shows them.
 *
 *   --facts    every use that was proved: place, name, owned or borrowed
 *   --rounds N compiles each N times, and takes the middle of the times (default 1)
 *
 *   npm run samara -- ownership
 *   npm run samara -- ownership kv --facts
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ALL_ROOTS } from "../build/all.ts";
import { compileAssemblyScript, type Compiled } from "../build/assemblyscript.ts";
import { buildInterfaces, findDomains } from "../build/index.ts";
import { loadDescriptor } from "../build/domain.ts";
import { UsageError, type Command } from "../lib/command.ts";
import { ROOT } from "../lib/paths.ts";
import { folderOf } from "./build.ts";

const MAX_ROUNDS = 100;

function middle(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

function describe(dir: string, compiled: readonly Compiled[]): string {
  const { proofs } = compiled[0]!;
  const whole = middle(compiled.map(({ milliseconds }) => milliseconds.whole));
  const check = middle(compiled.map(({ milliseconds }) => milliseconds.check));
  const uses = proofs.reduce((sum, { facts }) => sum + facts.length, 0);
  const share = ((100 * check) / whole).toFixed(1);
  const proved = `${uses} uses proved in ${proofs.length} functions`;
  return `${dir}: ${proved}; ${check.toFixed(1)} of ${whole.toFixed(0)} ms (${share} %)\n`;
}

function listFacts({ proofs }: Compiled): string {
  return proofs
    .flatMap(({ path, name, facts }) =>
      facts.map(({ line, column, place, state }) => `  ${path}:${line}:${column} ${name}: ${place} ${state}\n`),
    )
    .join("");
}

export const command: Command = {
  options: { facts: { type: "boolean" }, rounds: { type: "string" } },
  positionals: [0, 1],
  async run({ positionals: [name], options }) {
    const rounds = Number(options.rounds ?? 1);
    if (!Number.isInteger(rounds) || rounds < 1 || rounds > MAX_ROUNDS)
      throw new UsageError(`ownership: --rounds: a number from 1 to ${MAX_ROUNDS}`);
    const model = await buildInterfaces();
    const dirs = name === undefined ? [...findDomains(ALL_ROOTS).values()] : [folderOf(name)];
    let sound = true;
    for (const dir of dirs.filter((d) => existsSync(join(ROOT, d, "index.ts")))) {
      const descriptor = await loadDescriptor(dir, model);
      const compiled: Compiled[] = [];
      for (let i = 0; i < rounds; i++) {
        const show = (text: string): void => void (i === 0 && process.stderr.write(`${text}\n`));
        compiled.push(await compileAssemblyScript(dir, descriptor, "full", show));
      }
      process.stdout.write(describe(dir, compiled));
      if (options.facts === true) process.stdout.write(listFacts(compiled[0]!));
      sound &&= compiled[0]!.isSound;
    }
    return sound ? 0 : 1;
  },
};
