/**
 * The region of a domain's memory that proxies put text and bytes into.
 *
 * Plain calls use it as a stack from its start upwards: they end in reverse order. Async calls end in any order, so
 * they take what they need from its end downwards, the first gap that is large enough. Invariant: `top <= end`, and no
 * two calls that have not ended share a byte.
 */
export class ArgumentRegion {
  /** First byte that no plain call uses. Proxies raise it, and put it back when their call ends. */
  top = 0;
  /** First byte that an async call uses. */
  end = 0;
  #limit = 0;
  /** Regions of async calls, the highest first. */
  #taken: { readonly start: number; readonly end: number }[] = [];

  /** The domain's own answer to where the region is. */
  locate(start: number, end: number): void {
    this.top = start;
    this.end = this.#limit = end;
    this.#taken = [];
  }

  /** Where so many bytes could go, or -1. Takes nothing. */
  find(bytes: number): number {
    let ceiling = this.#limit;
    for (const { start, end } of this.#taken) {
      if (ceiling - end >= bytes) return (ceiling - bytes) & ~7;
      ceiling = start;
    }
    const at = (ceiling - bytes) & ~7;
    return at < this.top ? -1 : at;
  }

  /** Takes what `find` just found. */
  take(start: number, bytes: number): void {
    const at = this.#taken.findIndex((region) => region.start < start);
    this.#taken.splice(at < 0 ? this.#taken.length : at, 0, { start, end: start + bytes });
    this.end = Math.min(this.end, start);
  }

  give(start: number): void {
    this.#taken = this.#taken.filter((region) => region.start !== start);
    this.end = this.#taken.at(-1)?.start ?? this.#limit;
  }
}
