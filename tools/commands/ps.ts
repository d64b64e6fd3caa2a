/**
 * ps: domains, their state and what they hold.
 *
 *   --system NAME   which one, when several run
 *   --json          one JSON object
 *
 * GEN counts a domain's lives, UP is the time in the present one; CPU is all time that it was found running.
 */
import { formatBytes, formatState, formatTime } from "#runtime/control/format.ts";
import type { PsAnswer } from "#runtime/control/handlers.ts";
import type { Command } from "../lib/command.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import { columns } from "../lib/terminal.ts";

const TITLES = ["NAME", "STATE", "GEN", "FAULTS", "UP", "CPU", "HEAP", "OBJECTS", "MEMORY", "LAST FAULT"];

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [0, 0],
  run: (args) =>
    withSystem(args, async (client) => {
      const answer = await client.request<PsAnswer>("ps");
      const rows = answer.domains.map((d) => [
        d.name,
        formatState(d),
        String(d.incarnation),
        String(d.faults),
        d.state === "running" ? formatTime(d.upMs) : "-",
        formatTime(d.cpuMs),
        formatBytes(d.bytes),
        String(d.objects),
        formatBytes(d.memoryBytes),
        d.lastFault ?? "",
      ]);
      show(answer, args, () => columns([TITLES, ...rows]));
      return 0;
    }),
};
