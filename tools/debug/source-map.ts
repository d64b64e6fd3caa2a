/**
 * Source maps for debuggers: the compiler's map, whose columns are byte offsets of the module that it made, translated
 * to the offsets of the lowered module that runs.
 *
 * Invariant: every byte of code that is a copy maps to what its original mapped to, and code that the loader added to
 * the line that it was added for.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { decodedMappings, encodedMappings, TraceMap, type SourceMapSegment } from "@jridgewell/trace-mapping";
import { offsetRanges } from "#kernel/wasm/offsets.ts";

/** Segments of the lowered module, whose "line" is one: ascending in the byte offset. */
export function translateSegments(segments: readonly SourceMapSegment[], offsets: Uint32Array): SourceMapSegment[] {
  const out: SourceMapSegment[] = [];
  const at = (segment: SourceMapSegment, column: number): SourceMapSegment => {
    const [, ...rest] = segment;
    return [column, ...rest] as SourceMapSegment;
  };
  for (const { lowered, end, original, copied } of offsetRanges(offsets)) {
    // First segment behind the run's beginning; the one before it is in effect there.
    let next = firstBehind(segments, original);
    if (next > 0) out.push(at(segments[next - 1]!, lowered));
    if (!copied) continue;
    for (; next < segments.length; next++) {
      const column = lowered + segments[next]![0] - original;
      if (column >= end) break;
      out.push(at(segments[next]!, column));
    }
  }
  return out;
}

/** Index of the first segment that begins behind a byte. */
function firstBehind(segments: readonly SourceMapSegment[], byte: number): number {
  let [low, high] = [0, segments.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (segments[middle]![0] <= byte) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * @param sourceMap text of the compiler's map
 * @param offsets of the lowered module (`Admitted.offsets`)
 * @param root folder that the map's paths are relative to
 * @returns a source map with the sources in it, so that nothing else has to be reachable from the debugger
 */
export function loweredSourceMap(sourceMap: string, offsets: Uint32Array, root: string): string {
  const map = new TraceMap(sourceMap);
  const segments = translateSegments(decodedMappings(map)[0] ?? [], offsets);
  const sources = map.sources.map((source) => source ?? "?");
  const mappings = encodedMappings(new TraceMap({ version: 3, names: [...map.names], sources, mappings: [segments] }));
  const files = sources.map((source) => join(root, source));
  return JSON.stringify({
    version: 3,
    names: map.names,
    sources: sources.map((source, i) =>
      existsSync(files[i]!) ? pathToFileURL(files[i]!).href : `samara:///${source}`,
    ),
    sourcesContent: files.map((file) => (existsSync(file) ? readFileSync(file, "utf8") : null)),
    mappings,
  });
}

/** The same as a URL that any debugger can read. */
export function sourceMapUrl(sourceMap: string, offsets: Uint32Array, root: string): string {
  const text = loweredSourceMap(sourceMap, offsets, root);
  return `data:application/json;base64,${Buffer.from(text).toString("base64")}`;
}
