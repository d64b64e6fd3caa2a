/**
 * Tests of the statistics against values that were worked out by hand or are in the published tables.
 */
import { describe, expect, it } from "vitest";
import { medianRanks, quantile, summarize } from "./stats.ts";

describe("quantile", () => {
  it("interpolates between neighbours", () => {
    expect(quantile([1, 2, 3, 4], 0.5)).toBe(2.5);
    expect(quantile([1, 2, 3], 0.5)).toBe(2);
    expect(quantile([5], 0.9)).toBe(5);
    expect(quantile([0, 10], 0.25)).toBe(2.5);
  });

  it("refuses no samples", () => {
    expect(() => quantile([], 0.5)).toThrow(RangeError);
  });
});

describe("medianRanks", () => {
  // Tables of the sign test: the 1-based ranks for 95 % are n=6: 1, n=9: 2, n=20: 6, n=50: 18, n=100: 40.
  it.each([
    [6, 1],
    [9, 2],
    [12, 3],
    [20, 6],
    [50, 18],
    [100, 40],
  ])("of %i samples begins at rank %i", (n, rank) => {
    expect(medianRanks(n)).toEqual({ low: rank - 1, high: n - rank });
  });

  it("falls back to the extremes when the samples are too few", () => {
    for (const n of [1, 2, 3, 4, 5]) expect(medianRanks(n)).toEqual({ low: 0, high: n - 1 });
  });

  it("does not underflow with many samples", () => {
    const { low, high } = medianRanks(5000);
    expect(low).toBeGreaterThan(2400);
    expect(high).toBeLessThan(2600);
    expect(low).toBeLessThan(2500);
  });
});

describe("summarize", () => {
  it("does not depend on order and is not moved by an outlier", () => {
    const values = [3, 1, 2, 5, 4, 1e9, 6];
    const summary = summarize(values);
    expect(summary.median).toBe(4);
    expect(summary.low).toBe(1);
    expect(summary.high).toBe(1e9);
    expect(values[0]).toBe(3);
  });
});
