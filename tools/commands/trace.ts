/**
 * trace DOMAIN | DEVICE --mmio: its last calls, and what the kernel did with it; or each access to a device.
 *
 * Of a domain, calls into it too:
 *   --follow        goes on with what comes, until Ctrl-C
 *   --limit N       so many lines at most (default 50)
 *   --system NAME   which system, when several run
 *   --json          one JSON object a line
 *
 * The first column is the place in the order of all calls and events of the system, the second the time since boot (of
 * calls to about a millisecond). Each method keeps its last 8 calls, so a chatty one does not push out the others; for
 * the same reason --follow, which looks ten times a second, shows not every call of a busy one.
 *
 * Of devices:
 *   trace DEVICE --mmio    each access from now on, with the specification's register and field names, until Ctrl-C
 *                          or --limit N of them
 *   trace --show FILE      a record, which `run --record DEVICE=FILE` made (`run --replay DEVICE=FILE` answers from it)
 *   trace --diff A B       the first difference of two records; exit code 1 when there is one
 */
import type { ControlClient } from "#runtime/control/client.ts";
import { formatTrace } from "#runtime/control/format.ts";
import type { TraceEntry } from "#runtime/node/system.ts";
import { followMmio, showDifference, showRecord } from "../device/trace.ts";
import { UsageError, type Arguments, type Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import { untilInterrupt } from "../lib/terminal.ts";

const PERIOD_MS = 100;
const MAX_LIMIT = 1000;
const DEFAULT_LIMIT = 50;

function limitOf({ options }: Arguments): number {
  const limit = Number(options.limit ?? DEFAULT_LIMIT);
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

async function traceDomain(client: ControlClient, args: Arguments, domain: string): Promise<void> {
  const limit = limitOf(args);
  if (args.options.follow === true) return follow(client, args, domain, limit);
  const { entries } = await client.request<{ entries: TraceEntry[] }>("trace", { domain, limit });
  for (const entry of entries) show(entry, args, () => formatTrace(entry));
}

/** Which of its ways the command is asked for, by the options that only one of them has. */
function wayOf({ options, positionals }: Arguments): "domain" | "mmio" | "show" | "diff" {
  const ways = (["mmio", "show", "diff"] as const).filter((name) => options[name] === true);
  if (ways.length > 1) throw new UsageError(`trace: --${ways[0]} and --${ways[1]} do not go together`);
  const [way = "domain"] = ways;
  if (way !== "domain" && options.follow === true) throw new UsageError(`trace: --follow does not go with --${way}`);
  if (positionals.length !== (way === "diff" ? 2 : 1))
    throw new UsageError(
      `trace: write: trace ${way === "diff" ? "--diff A B" : way === "show" ? "--show FILE" : "NAME"}`,
    );
  return way;
}

export const command: Command = {
  options: {
    ...REMOTE_OPTIONS,
    follow: { type: "boolean" },
    limit: { type: "string" },
    mmio: { type: "boolean" },
    show: { type: "boolean" },
    diff: { type: "boolean" },
  },
  positionals: [1, 2],
  run: async (args) => {
    const [name = "", other = ""] = args.positionals;
    const way = wayOf(args);
    if (way === "show") return showRecord(args, name);
    if (way === "diff") return showDifference(args, name, other);
    return withSystem(args, async (client) => {
      if (way === "domain") await traceDomain(client, args, name);
      else await followMmio(client, args, name, args.options.limit === undefined ? undefined : limitOf(args));
      return 0;
    });
  },
};
