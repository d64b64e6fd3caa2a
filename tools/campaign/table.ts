/**
 * What a campaign found, as a Markdown table, so that it can be read in a terminal and put into the docs.
 */
import { noCounts, OUTCOMES, type CampaignResult, type Counts } from "./campaign.ts";
import { FAULT_GROUPS, FAULT_KINDS } from "./faults.ts";

const HEADINGS = ["no effect", "recovered", "detected, not recovered", "silent wrong data"];

function sum(counts: readonly Counts[]): Counts {
  const all = noCounts();
  for (const one of counts) for (const outcome of OUTCOMES) all[outcome] += one[outcome];
  return all;
}

function row(cells: readonly (string | number)[]): string {
  return `| ${cells.join(" | ")} |`;
}

/** Rows of a set-up by group, and all together. */
function groupRows(setup: string, kinds: Readonly<Record<string, Counts>>): string[] {
  const of = (prefix: string): Counts =>
    sum(FAULT_KINDS.filter((kind) => kind.startsWith(prefix)).map((kind) => kinds[kind]!));
  const counted = (name: string, counts: Counts): string => {
    const figures = OUTCOMES.map((outcome) => counts[outcome]);
    return row([setup, name, figures.reduce((a, b) => a + b), ...figures]);
  };
  return [...FAULT_GROUPS.map((group) => counted(group, of(group))), counted("**all**", of(""))];
}

/** One row for each kind of fault: in each set-up the four outcomes, in their order. */
function kindRows({ setups }: CampaignResult): string[] {
  const names = Object.keys(setups);
  return [
    row(["fault", "faults", ...names]),
    row(["---", "--:", ...names.map(() => "--:")]),
    ...FAULT_KINDS.map((kind) => {
      const cells = names.map((name) => OUTCOMES.map((outcome) => setups[name]![kind]![outcome]));
      const faults = cells[0]!.reduce((a, b) => a + b);
      return row([kind, faults, ...cells.map((figures) => figures.join(" · "))]);
    }),
  ];
}

/** Two tables: by group of faults, and by kind. */
export function campaignTable(result: CampaignResult): string {
  const heading = ["set-up", "faults in", "faults", ...HEADINGS];
  return [
    row(heading),
    row(heading.map((_, i) => (i < 2 ? "---" : "--:"))),
    ...Object.entries(result.setups).flatMap(([setup, kinds]) => groupRows(setup, kinds)),
    "",
    `By kind: ${HEADINGS.join(" · ")}.`,
    "",
    ...kindRows(result),
    "",
    `${result.faults} faults for each set-up, seed ${result.seed}; ${result.refused} mutants were refused or died at ` +
      "their start, and were drawn again.",
    "",
  ].join("\n");
}
