/**
 * Source positions of traps: byte offset in a domain's module → file, line and column through its source map.
 */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";

export class Symbols {
  readonly #maps = new Map<string, TraceMap>();

  /** @param map text of the `.wasm.map` that the compiler wrote; a column there is a byte offset. */
  add(domain: string, map: string): void {
    this.#maps.set(domain, new TraceMap(map));
  }

  locate(domain: string, offset: number): { file: string; line: number; column: number } | null {
    const map = this.#maps.get(domain);
    if (map === undefined) return null;
    const { source, line, column } = originalPositionFor(map, { line: 1, column: offset });
    return source === null || line === null ? null : { file: source, line, column: (column ?? 0) + 1 };
  }
}
