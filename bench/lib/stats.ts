/**
 * Statistics of samples: medians with distribution-free confidence intervals.
 *
 * Invariant: nothing here assumes a normal distribution. Times on a shared machine have a long right tail, so a mean
 * or a standard deviation says little; order statistics say what half of the runs were like.
 */

/** Median and a 95 % interval of it. Unit: that of the samples. */
export interface Summary {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly samples: number;
}

/** Quantile `q` (0 … 1) of ascending values, interpolated between neighbours. Throws RangeError on no values. */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) throw new RangeError("quantile of no samples");
  const at = (sorted.length - 1) * q;
  const below = Math.floor(at);
  const above = Math.min(below + 1, sorted.length - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/**
 * Ranks (0-based, inclusive) of the order statistics that enclose the median of the population with at least the
 * given confidence: the exact binomial interval (Conover, Practical Nonparametric Statistics, §3.2). With fewer than
 * six samples no pair reaches 95 %, and the ranks are those of minimum and maximum.
 */
export function medianRanks(count: number, confidence = 0.95): { low: number; high: number } {
  // P(X <= k) for X ~ B(count, 1/2), summed in logarithms so that 2^-count does not underflow.
  const tail = (1 - confidence) / 2;
  let logTerm = -count * Math.LN2;
  let cumulated = Math.exp(logTerm);
  let k = 0;
  while (k < count >> 1) {
    logTerm += Math.log((count - k) / (k + 1));
    const next = cumulated + Math.exp(logTerm);
    if (cumulated > tail || next > tail) break;
    cumulated = next;
    k++;
  }
  // P(X <= k) <= tail makes the k + 1 smallest one end; when not even k = 0 does, the extremes are all there is.
  const low = cumulated <= tail ? Math.min(k, (count - 1) >> 1) : 0;
  return { low, high: count - 1 - low };
}

/** Median and its 95 % interval. Throws RangeError when there are no samples. */
export function summarize(values: readonly number[]): Summary {
  const sorted = Float64Array.from(values).toSorted();
  const { low, high } = medianRanks(sorted.length);
  const list = Array.from(sorted);
  return { median: quantile(list, 0.5), low: list[low], high: list[high], samples: list.length };
}
