/** Plots: round ticks, text that stays text, and everything inside the picture. */
import { expect, it } from "vitest";
import { plotSvg, ticks } from "./plot.ts";

it("has ticks at round numbers", () => {
  expect(ticks(10, 5)).toEqual([0, 2, 4, 6, 8, 10]);
  expect(ticks(3.7, 5)).toEqual([0, 1, 2, 3]);
  expect(ticks(0.35, 5)).toEqual([0, 0.1, 0.2, 0.3]);
  expect(ticks(4200, 5)).toEqual([0, 1000, 2000, 3000, 4000]);
});

it("draws lines and marks inside its frame, and never takes text for syntax", () => {
  const points = [
    [0, 100],
    [5, 300],
    [10, 0],
  ] as const;
  const series = [{ name: "<a & b>", points, marks: [1, 9] }];
  const svg = plotSvg({ title: "t", x: "x", y: "y", marks: "m", panels: [{ title: "p", series }] });
  expect(svg).toContain("&#60;a &#38; b&#62;");
  const line = /class="line"[^>]* d="([^"]+)"/.exec(svg)![1]!;
  const numbers = line.split(/[ML]/).filter((s) => s !== "");
  for (const [x, y] of numbers.map((pair) => pair.split(" ").map(Number))) {
    expect(x).toBeGreaterThanOrEqual(76);
    expect(x).toBeLessThanOrEqual(900);
    expect(y).toBeGreaterThanOrEqual(56);
  }
});

it("draws a panel without points", () => {
  const panel = { title: "p", series: [{ name: "nothing", points: [], marks: [] }] };
  expect(plotSvg({ title: "t", x: "x", y: "y", marks: "m", panels: [panel] })).not.toMatch(/NaN|Infinity/);
});
