/**
 * trace DOMAIN: its last calls, and what the kernel did with it.
 *
 * Calls into it too.
 *
 *   --follow        goes on with what comes, until Ctrl-C
 *   --limit N       so many lines at most (default 50)
 *   --system NAME   which system, when several run
 *   --json          one JSON object a line
 *
 * The first column is the place in the order of all calls and events of the system, the second the time since boot (of
 * calls to about a millisecond). Each method keeps its last 8 calls, so a chatty one does not push out the others; for
 * the same reason --follow, which looks ten times a second, shows not every call of a busy one.
 */
import type { ControlClient } from "#runtime/control/client.ts";
import { formatTrace } from "#runtime/control/format.ts";
import type { TraceEntry } from "#runtime/node/system.ts";
import { UsageError, type Arguments, type Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import { untilInterrupt } from "../lib/terminal.ts";

const PERIOD_MS = 100;
const MAX_LIMIT = 1000;

function limitOf({ options }: Arguments): number {
  const limit = Number(options.limit ?? 50);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MAX_LIMIT) return limit;
  throw new UsageError(`trace: --limit takes a whole number from 1 to ${MAX_LIMIT}`);
}

async function follow(client: ControlClient, args: Arguments, domain: string, limit: number): Promise<void> {
  let since: number | undefined;
  await untilInterrupt(PERIOD_MS, async () => {
    const request = since === undefined ? { domain, limit } : { domain, limit: MAX_LIMIT, since };
    const { entries } = await client.request<{ entries: TraceEntry[] }>("trace", request);
    for (const entry of entries) show(entry, args, () => formatTrace(entry));
    since = entries.at(-1)?.sequence ?? since;
  });
}

export const command: Command = {
  options: { ...REMOTE_OPTIONS, follow: { type: "boolean" }, limit: { type: "string" } },
  positionals: [1, 1],
  run: (args) =>
    withSystem(args, async (client) => {
      const limit = limitOf(args);
      const domain = args.positionals[0]!;
      if (args.options.follow === true) await follow(client, args, domain, limit);
      else {
        const { entries } = await client.request<{ entries: TraceEntry[] }>("trace", { domain, limit });
        for (const entry of entries) show(entry, args, () => formatTrace(entry));
      }
      return 0;
    }),
};
