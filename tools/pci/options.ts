/**
 * Options that the commands about real devices share.
 */
import { statSync } from "node:fs";
import { UsageError, type Arguments } from "../lib/command.ts";
import { Machine } from "./machine.ts";

export const MACHINE_OPTIONS = { root: { type: "string" } } as const;

/** The machine that `--root` names, or this one. */
export function machineOf({ options }: Pick<Arguments, "options">): Machine {
  const root = (options.root as string | undefined) ?? "/";
  if (statSync(root, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new UsageError(`--root: there is no folder ${root}`);
  return new Machine(root);
}
