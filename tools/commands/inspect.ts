/**
 * inspect DOMAIN: limits, calls, and why it died last.
 *
 *   --system NAME   which system, when several run
 *   --json          one JSON object
 *
 * Of the last death: kind, source line of the trap, call chain, stack, objects it owned by type, and the last calls
 * and events before it. See docs/howto/debug.md.
 */
import type { InspectAnswer } from "#runtime/control/handlers.ts";
import { formatInspect } from "#runtime/control/inspect.ts";
import type { Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [1, 1],
  run: (args) =>
    withSystem(args, async (client) => {
      const answer = await client.request<InspectAnswer>("inspect", { domain: args.positionals[0] });
      show(answer, args, () => formatInspect(answer).join("\n"));
      return 0;
    }),
};
