/**
 * What a run prints: one JSON object, or a table for people.
 *
 * Owns the shape of the JSON, which other tools read. Invariant: with `--json` nothing else goes to stdout.
 */
import type { Machine } from "./machine.ts";
import type { Sampled } from "./sample.ts";
import { summarize } from "./stats.ts";

/** One row. Cases that could not be measured have `value: null` and say why in `note`. */
export interface CaseResult {
  readonly case: string;
  readonly unit: string;
  /** Median of the samples, or a constant from a paper. */
  readonly value: number | null;
  /** 95 % interval of the median; for constants the published range. */
  readonly low: number | null;
  readonly high: number | null;
  /** Core cycles, median; absent where time is not spent on the measuring core. */
  readonly cycles?: number;
  readonly samples: number;
  /** What a call by this mechanism checks, and what it does not. */
  readonly checks?: string;
  readonly note?: string;
}

export interface Report {
  readonly name: string;
  readonly machine: Machine;
  /** Only what differs from the default. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly cases: readonly CaseResult[];
}

const round = (value: number): number => Number(value.toPrecision(5));

/** Sums the samples of one case up. `convert` turns ns into the unit (default: ns). */
export function caseResult(
  sampled: Sampled,
  extra: { readonly checks?: string; readonly note?: string; readonly unit?: string } = {},
  convert: (ns: number) => number = (ns) => ns,
): CaseResult {
  const { median, low, high, samples } = summarize(sampled.samples.map((s) => convert(s.ns)));
  const cycles = sampled.samples.flatMap((s) => (s.cyclesPerNs === null ? [] : [s.ns * s.cyclesPerNs]));
  const { unit = "ns", ...rest } = extra;
  return {
    case: sampled.name,
    unit,
    value: round(median),
    low: round(low),
    high: round(high),
    ...(cycles.length === samples ? { cycles: round(summarize(cycles).median) } : {}),
    samples,
    ...rest,
  };
}

/** A row for what could not be measured here. */
export function unavailable(name: string, reason: string, checks?: string): CaseResult {
  const row = {
    case: name,
    unit: "ns",
    value: null,
    low: null,
    high: null,
    samples: 0,
    note: `unavailable: ${reason}`,
  };
  return checks === undefined ? row : { ...row, checks };
}

function figure(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (value === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toFixed(Math.min(digits, 2));
}

/** Wraps words to lines of at most `width` characters. */
function wrap(text: string, width: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (line !== "" && indent.length + line.length + 1 + word.length > width) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  return line === "" ? lines : [...lines, indent + line];
}

function table(cases: readonly CaseResult[]): string[] {
  const rows = cases.map((c) => {
    const interval =
      c.low === null || (c.low === c.high && c.samples === 0) ? "" : `${figure(c.low)} … ${figure(c.high)}`;
    const cycles = c.unit === "cycles" ? c.value : c.cycles;
    const value = c.unit === "cycles" || c.value === null ? "" : `${figure(c.value)} ${c.unit}`;
    return [c.case, value, interval, figure(cycles), c.samples === 0 ? "" : `${c.samples}`];
  });
  const all = [["case", "median", "95 % of the median", "cycles", "samples"], ...rows];
  const widths = all[0].map((_, i) => Math.max(...all.map((row) => row[i].length)));
  const line = (row: string[]): string =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join("  ")
      .trimEnd();
  return [line(all[0]), widths.map((w) => "─".repeat(w)).join("  "), ...all.slice(1).map(line)];
}

/** Cases with the same text are named together. */
function remarks(title: string, cases: readonly CaseResult[], text: (c: CaseResult) => string | undefined): string[] {
  const groups = new Map<string, string[]>();
  for (const c of cases) {
    const said = text(c);
    if (said !== undefined) groups.set(said, [...(groups.get(said) ?? []), c.case]);
  }
  if (groups.size === 0) return [];
  const lines = [...groups].flatMap(([said, names]) => [
    ...wrap(names.join(", "), 110, "  "),
    ...wrap(said, 110, "      "),
  ]);
  return ["", title, ...lines];
}

/** The table for people. */
export function formatReport(report: Report): string {
  const m = report.machine;
  const options = Object.entries(report.options).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
  const governor = m.governor === null ? "governor not told" : `governor ${m.governor}`;
  return [
    `${report.name}${options.length === 0 ? "" : `  (${options.join(", ")})`}`,
    `${m.cpu}, ${m.cores} cores at ${m.coreGHz} GHz (measured), ${governor}${m.virtual ? ", virtual machine" : ""}`,
    `${m.os}; Node ${[m.node, ...m.flags].join(" ")}, V8 ${m.v8}; load average ${m.load.toFixed(2)}`,
    "",
    ...table(report.cases),
    ...remarks("What a call checks, and what it does not:", report.cases, (c) => c.checks),
    ...remarks("Notes:", report.cases, (c) => c.note),
    "",
  ].join("\n");
}
