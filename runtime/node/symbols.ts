/**
 * Source positions of traps: byte offset in a domain's module → file, line and column through its source map.
 *
 * A trap in library code that was compiled into the domain's own function (an accessor, a bounds check) is given at the
 * domain's line before it: that is where its author looks.
 */
import { decodedMappings, TraceMap } from "@jridgewell/trace-mapping";

/** Libraries are inlined into domains: their lines say little. */
const LIBRARY = /^(~lib\/|shared-heap\/guest\/|runtime\/guest\/|build\/gen\/)/;
/** How far back, in bytes of code, the domain's own line may be; further away it is another statement's. */
const REACH = 256;

interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export class Symbols {
  readonly #maps = new Map<string, TraceMap>();

  /** @param map text of the `.wasm.map` that the compiler wrote; a column there is a byte offset. */
  add(domain: string, map: string): void {
    this.#maps.set(domain, new TraceMap(map));
  }

  locate(domain: string, offset: number): Position | null {
    const map = this.#maps.get(domain);
    const segments = map === undefined ? [] : (decodedMappings(map)[0] ?? []);
    let at = segments.length - 1;
    while (at >= 0 && segments[at]![0] > offset) at--;
    let library: Position | null = null;
    for (; at >= 0 && segments[at]![0] > offset - REACH; at--) {
      const segment = segments[at]!;
      if (segment.length === 1) continue;
      const position = { file: map!.sources[segment[1]] ?? "?", line: segment[2] + 1, column: segment[3] + 1 };
      if (!LIBRARY.test(position.file)) return position;
      library ??= position;
    }
    return library;
  }
}
