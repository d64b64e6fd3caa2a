/**
 * doctor: whether this machine has what Samara needs, and the command that helps where it has not.
 *
 *   --root DIR   another tree than / (DIR/sys, DIR/proc, DIR/dev)
 *   --json       one JSON object
 *
 * Exit code 1 when something lacks without which nothing runs; what only real devices need, or speed, is no failure.
 */
import type { Command } from "../lib/command.ts";
import { show } from "../lib/remote.ts";
import { columns, paint } from "../lib/terminal.ts";
import { examine, type Finding } from "../pci/doctor.ts";
import { MACHINE_OPTIONS, machineOf } from "../pci/options.ts";

const TITLES = {
  everything: "To run at all",
  devices: "For real devices",
  speed: "For speed",
} as const;

function format(findings: readonly Finding[]): string {
  return Object.entries(TITLES)
    .flatMap(([purpose, title]) => {
      const found = findings.filter((finding) => finding.for === purpose);
      const rows = columns(found.map(({ ok, name, state }) => [`  ${ok ? "ok  " : "LACK"}`, name, state])).split("\n");
      const lines = rows.flatMap((row, i) => (found[i]!.fix === null ? [row] : [row, `        ${found[i]!.fix}`]));
      return [paint("bold", `${title}:`), ...lines];
    })
    .join("\n");
}

export const command: Command = {
  options: { ...MACHINE_OPTIONS, json: { type: "boolean" } },
  positionals: [0, 0],
  run: async (args) => {
    const findings = examine(machineOf(args));
    show({ findings }, args, () => format(findings));
    return findings.every(({ ok, for: purpose }) => ok || purpose !== "everything") ? 0 : 1;
  },
};
