/**
 * top: calls, CPU, heap, faults and lives, live.
 *
 *   --once          one report, over one interval, and ends
 *   --interval MS   time between reports (default 1000)
 *   --system NAME   which system, when several run
 *   --json          one JSON object a report
 *
 * CPU is in percent of one processor, found by sampling about once a millisecond; "host" is what was not found in a
 * domain. Ctrl-C ends it.
 */
import type { ControlClient } from "#runtime/control/client.ts";
import { formatBytes, formatTime } from "#runtime/control/format.ts";
import type { TopAnswer } from "#runtime/control/handlers.ts";
import { rates, type Rates } from "#runtime/control/rates.ts";
import { UsageError, type Arguments, type Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import { columns, untilInterrupt } from "../lib/terminal.ts";

const DOMAIN_TITLES = ["DOMAIN", "STATE", "GEN", "CPU %", "CALLS IN/s", "CALLS OUT/s", "HEAP", "OBJECTS", "FAULTS"];
const EDGE_TITLES = ["CALLER", "CALLEE", "METHOD", "CALLS/s", "CALLS"];
const HOME = "\u001b[H\u001b[J";
/** Lines of a terminal that says nothing about its size. */
const ROWS = 40;

const count = (n: number): string => Math.round(n).toLocaleString("en-US");

/** One report as text of at most so many lines. */
function page(r: Rates, rows: number): string {
  const { total } = r;
  const head = [
    `${r.system} (process ${r.pid}), up ${formatTime(r.uptimeMs)}: ${count(total.callsPerSecond)} calls/s, ` +
      `CPU ${total.cpuPercent.toFixed(1)} % (host ${total.hostPercent.toFixed(1)} %), ` +
      `heap ${formatBytes(total.bytes)} in ${total.objects} objects`,
    "",
  ];
  const domains = r.domains.map((d) => [
    d.name,
    d.state,
    String(d.incarnation),
    d.cpuPercent.toFixed(1),
    count(d.callsIn),
    count(d.callsOut),
    formatBytes(d.bytes),
    String(d.objects),
    String(d.faults),
  ]);
  const called = r.edges.filter((edge) => edge.calls > 0);
  const edges = called.map((e) => [
    e.caller,
    e.callee,
    `${e.interface}.${e.method}`,
    count(e.callsPerSecond),
    count(e.calls),
  ]);
  const lines = [
    ...head,
    ...columns([DOMAIN_TITLES, ...domains]).split("\n"),
    "",
    ...columns([EDGE_TITLES, ...edges]).split("\n"),
  ];
  return lines.slice(0, rows).join("\n");
}

async function report(client: ControlClient, args: Arguments, intervalMs: number): Promise<void> {
  const once = args.options.once === true;
  const { isTTY, rows } = process.stdout;
  const live = isTTY && !once && args.options.json !== true;
  let before = await client.request<TopAnswer>("top");
  const step = async (): Promise<void> => {
    const after = await client.request<TopAnswer>("top");
    const now = rates(before, after);
    before = after;
    show(now, args, () => `${live ? HOME : ""}${page(now, once ? Infinity : (rows ?? ROWS) - 1)}`);
  };
  await new Promise((resolve) => setTimeout(resolve, intervalMs));
  if (once) await step();
  else await untilInterrupt(intervalMs, step);
}

export const command: Command = {
  options: { ...REMOTE_OPTIONS, once: { type: "boolean" }, interval: { type: "string" } },
  positionals: [0, 0],
  run(args) {
    const intervalMs = Number(args.options.interval ?? 1000);
    if (!Number.isInteger(intervalMs) || intervalMs < 10 || intervalMs > 60_000)
      throw new UsageError("top: --interval takes a whole number from 10 to 60000 (milliseconds)");
    return withSystem(args, async (client) => {
      await report(client, args, intervalMs);
      return 0;
    });
  },
};
