/**
 * What a campaign found, as a Markdown table, so that it can be read in a terminal and put into the docs.
 */
import { noCounts, OUTCOMES, type CampaignResult, type Counts } from "./campaign.ts";
import { FAULT_KINDS } from "./faults.ts";

const HEADINGS = ["no effect", "recovered", "detected, not recovered", "silent wrong data"];

function sum(counts: readonly Counts[]): Counts {
  const all = noCounts();
  for (const one of counts) for (const outcome of OUTCOMES) all[outcome] += one[outcome];
  return all;
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(" | ")} |`;
}

function rows(setup: string, kinds: Readonly<Record<string, Counts>>): string[] {
  const counted = (name: string, counts: Counts): string => {
    const figures = OUTCOMES.map((outcome) => counts[outcome]);
    return row([setup, name, figures.reduce((a, b) => a + b), ...figures]);
  };
  const known = FAULT_KINDS.filter((kind) => kinds[kind] !== undefined);
  return [
    ...known.map((kind) => counted(kind, kinds[kind]!)),
    counted("**all**", sum(known.map((kind) => kinds[kind]!))),
  ];
}

export function campaignTable(result: CampaignResult): string {
  const heading = ["set-up", "fault", "faults", ...HEADINGS];
  return [
    row(heading),
    row(heading.map((_, i) => (i < 2 ? "---" : "--:"))),
    ...Object.entries(result.setups).flatMap(([setup, kinds]) => rows(setup, kinds)),
    "",
    `${result.faults} faults for each set-up, seed ${result.seed}; ${result.refused} mutants were refused or died at ` +
      "their start, and were drawn again.",
    "",
  ].join("\n");
}
