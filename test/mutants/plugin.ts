/**
 * The vitest plugin that seeds one bug, and that forces check removal on or off, while modules are loaded.
 *
 * `SAMARA_MUTANT=name` puts that mutant into its module; `SAMARA_ELIDE=on|off` makes the loader remove checks always or
 * never, whatever a test asks for. Nothing on disk changes. Without either variable there is no plugin. Only modules
 * that vitest itself loads are reached: not workers and child processes that a test starts.
 */
import { mutate, type Mutant } from "./mutant.ts";
import { MUTANTS } from "./mutants.ts";

/** What vite needs of a plugin. */
interface TransformPlugin {
  readonly name: string;
  readonly enforce: "pre";
  transform(code: string, id: string): string | null;
}

/** Not a mistake: the same mechanism sets the mode. */
function elision(mode: string): Mutant {
  if (mode !== "on" && mode !== "off") throw new Error(`SAMARA_ELIDE=${mode}: must be on or off`);
  return {
    name: `SAMARA_ELIDE=${mode}`,
    file: "kernel/wasm/context.ts",
    find: "(options.elide ?? true)",
    replace: String(mode === "on"),
    why: "",
    killers: [],
    modes: "any",
  };
}

/** @throws Error for a mutant that is not in the table */
export function mutationPlugins(env: Readonly<Record<string, string | undefined>>): TransformPlugin[] {
  const changes: Mutant[] = [];
  const wanted = env["SAMARA_MUTANT"];
  if (wanted !== undefined) {
    const mutant = MUTANTS.find(({ name }) => name === wanted);
    if (mutant === undefined) throw new Error(`SAMARA_MUTANT=${wanted}: there is no such mutant`);
    changes.push(mutant);
  }
  const mode = env["SAMARA_ELIDE"];
  if (mode !== undefined) changes.push(elision(mode));
  return changes.map((change) => ({
    name: change.name,
    enforce: "pre" as const,
    transform: (code, id) => (id.split("?")[0]!.endsWith(`/${change.file}`) ? mutate(code, change) : null),
  }));
}
