/**
 * The option `--no-ownership-check` of the commands that build.
 *
 * Invariant: with it, whatever the ownership check finds is shown as a warning, and the build goes on.
 */
import type { Arguments } from "./command.ts";

export const OWNERSHIP_OPTION = { "no-ownership-check": { type: "boolean" } } as const;

/** What builds are given as `onOwnership`: nothing, so that mistakes stop them, or a function that shows warnings. */
export function ownershipOf({ options }: Arguments): { onOwnership?: (warnings: string) => void } {
  if (options["no-ownership-check"] !== true) return {};
  return { onOwnership: (warnings) => void process.stderr.write(`${warnings}\n`) };
}
