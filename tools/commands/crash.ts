/**
 * crash DOMAIN: ends a domain as a trap of its own would.
 *
 * So restart policies act on it.
 *
 *   --system NAME   which system, when several run
 *   --json          one JSON object: the domain afterwards
 */
import { formatState } from "#runtime/control/format.ts";
import type { DomainInfo } from "#runtime/node/system.ts";
import type { Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [1, 1],
  run: (args) =>
    withSystem(args, async (client) => {
      const domain = await client.request<DomainInfo>("crash", { domain: args.positionals[0] });
      show(domain, args, () => `crashed ${domain.name}; it is ${formatState(domain)} now`);
      return 0;
    }),
};
