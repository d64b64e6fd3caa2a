/**
 * restart DOMAIN: begins its next life; one that lives ends first.
 *
 *   --system NAME   which system, when several run
 *   --json          one JSON object
 */
import type { RestartAnswer } from "#runtime/control/handlers.ts";
import type { Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [1, 1],
  run: (args) =>
    withSystem(args, async (client) => {
      const answer = await client.request<RestartAnswer>("restart", { domain: args.positionals[0] });
      const { domain, incarnation } = answer;
      show(answer, args, () =>
        answer.restarted
          ? `restarted ${domain}: life ${incarnation}`
          : `${domain} restarts when the calls into it have returned`,
      );
      return 0;
    }),
};
