/**
 * Line plots as SVG: panels above each other, with axes, legends and marks at points in time.
 *
 * Invariant: the text is a complete SVG file that needs nothing from elsewhere, and is readable on light and on dark
 * grounds: colours follow the viewer's scheme, and lines differ in their dashes too.
 */

export interface Series {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Places on the x axis that get a tick of the series' colour. */
  readonly marks: readonly number[];
}

export interface Panel {
  readonly title: string;
  readonly series: readonly Series[];
}

export interface Plot {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  /** What the ticks above the lines mean. */
  readonly marks: string;
  readonly panels: readonly Panel[];
}

const WIDTH = 900;
const PANEL = 260;
const LEFT = 76;
const RIGHT = 16;
const TOP = 56;
const BOTTOM = 46;
const GAP = 44;
/** Of one row of marks. */
const MARK = 7;
/** Light and dark; they differ in brightness too. */
const COLOURS = [
  ["#005f99", "#6cc4f5"],
  ["#b34700", "#ffb000"],
  ["#007a55", "#43d9a8"],
] as const;
const DASHES = ["none", "none", "5 2"];

const STYLE = `
    svg { font: 13px system-ui, sans-serif; --ground: #fff; --ink: #222; --grid: #ddd; ${colours(0)} }
    @media (prefers-color-scheme: dark) { svg { --ground: #14171c; --ink: #e4e4e4; --grid: #3a3f47; ${colours(1)} } }
    .ground { fill: var(--ground); } text { fill: var(--ink); } .title { font-size: 15px; font-weight: 600; }
    .grid { stroke: var(--grid); } .axis { stroke: var(--ink); } .line { fill: none; stroke-width: 1.4; }
    .mark { stroke-width: 1.4; } .end { text-anchor: end; } .middle { text-anchor: middle; }`;

function colours(scheme: 0 | 1): string {
  return COLOURS.map((pair, i) => `--c${i}: ${pair[scheme]};`).join(" ");
}

export function escape(text: string): string {
  return text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const n = (value: number): string => String(Math.round(value * 10) / 10);

/** Round steps of which about `count` fit into [0, max]. */
export function ticks(max: number, count: number): number[] {
  const raw = max / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((f) => f * power).find((s) => s >= raw)!;
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, i) => Number((i * step).toPrecision(12)));
}

interface Frame {
  readonly top: number;
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  readonly maxX: number;
  readonly maxY: number;
}

function frameOf({ series }: Panel, top: number): Frame {
  const points = series.flatMap((s) => s.points);
  const maxX = Math.max(1e-9, ...points.map(([x]) => x));
  // Room above the lines for the rows of marks.
  const maxY = Math.max(1e-9, ...points.map(([, y]) => y)) * 1.2;
  const x = (value: number): number => LEFT + (value / maxX) * (WIDTH - LEFT - RIGHT);
  const y = (value: number): number => top + PANEL - (value / maxY) * PANEL;
  return { top, x, y, maxX, maxY };
}

function axes({ x, y }: Plot, { top, ...frame }: Frame): string[] {
  const bottom = top + PANEL;
  const middle = top + PANEL / 2;
  return [
    ...ticks(frame.maxY, 5).flatMap((value) => [
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${n(frame.y(value))}" y2="${n(frame.y(value))}"/>`,
      `<text class="end" x="${LEFT - 8}" y="${n(frame.y(value) + 4)}">${value}</text>`,
    ]),
    ...ticks(frame.maxX, 10).map(
      (value) => `<text class="middle" x="${n(frame.x(value))}" y="${bottom + 18}">${value}</text>`,
    ),
    `<path class="axis" fill="none" d="M${LEFT} ${top}V${bottom}H${WIDTH - RIGHT}"/>`,
    `<text class="middle" x="${n((LEFT + WIDTH - RIGHT) / 2)}" y="${bottom + 37}">${escape(x)}</text>`,
    `<text class="middle" transform="translate(16 ${middle}) rotate(-90)">${escape(y)}</text>`,
  ];
}

function lines({ series }: Panel, { top, x, y }: Frame): string[] {
  return series.flatMap(({ points, marks }, i) => {
    const colour = `stroke="var(--c${i % COLOURS.length})"`;
    const dash = `stroke-dasharray="${DASHES[i % DASHES.length]}"`;
    const path = points.map(([px, py], k) => `${k === 0 ? "M" : "L"}${n(x(px))} ${n(y(py))}`).join("");
    const row = top + 4 + i * (MARK + 3);
    const strokes = marks.map((at) => `M${n(x(at))} ${row}v${MARK}`).join("");
    return [
      `<path class="line" ${colour} ${dash} d="${path}"/>`,
      ...(marks.length === 0 ? [] : [`<path class="mark" ${colour} d="${strokes}"/>`]),
    ];
  });
}

/** The names of the lines, at the right of the panel's title. */
function legend({ title, series }: Panel, top: number): string[] {
  const out = [`<text class="title" x="${LEFT}" y="${top - 8}">${escape(title)}</text>`];
  series.forEach(({ name }, i) => {
    const at = WIDTH - RIGHT - (series.length - i) * 130;
    const dash = `stroke-dasharray="${DASHES[i % DASHES.length]}"`;
    out.push(
      `<path class="line" stroke="var(--c${i % COLOURS.length})" ${dash} d="M${at} ${top - 13}h22"/>`,
      `<text x="${at + 28}" y="${top - 8}">${escape(name)}</text>`,
    );
  });
  return out;
}

/** The text of an SVG file. */
export function plotSvg(plot: Plot): string {
  const height = TOP + plot.panels.length * (PANEL + BOTTOM + GAP) - GAP + 8;
  const panels = plot.panels.flatMap((panel, i) => {
    const top = TOP + i * (PANEL + BOTTOM + GAP);
    const frame = frameOf(panel, top);
    return [...axes(plot, frame), ...lines(panel, frame), ...legend(panel, top)];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img">`,
    `  <title>${escape(plot.title)}</title>`,
    `  <style>${STYLE}\n  </style>`,
    `  <rect class="ground" width="${WIDTH}" height="${height}"/>`,
    `  <text class="title" x="${LEFT}" y="22">${escape(plot.title)}</text>`,
    `  <text class="end" x="${WIDTH - RIGHT}" y="22">${escape(plot.marks)}</text>`,
    ...panels.map((line) => `  ${line}`),
    "</svg>",
    "",
  ].join("\n");
}
