/**
 * How faults read on a plain terminal.
 */
import type { FaultReport } from "../node/system.ts";

/** One line: who, what, where in the source. */
export function formatFault(fault: FaultReport): string {
  const frame = fault.frames.find((f) => f.source !== null) ?? fault.frames[0];
  const where =
    frame === undefined
      ? ""
      : frame.source === null
        ? ` at ${frame.functionName ?? `function ${frame.functionIndex}`}+0x${frame.offset.toString(16)}`
        : ` at ${frame.source.file}:${frame.source.line}:${frame.source.column}`;
  return `${fault.domain} died: ${fault.kind}: ${fault.message}${where}`;
}

/** The same with call chain, stack and what was freed. */
export function formatFaultLong(fault: FaultReport): string {
  const frames = fault.frames.map((f) => {
    const name = f.functionName ?? `function ${f.functionIndex}`;
    const source =
      f.source === null ? `+0x${f.offset.toString(16)}` : `${f.source.file}:${f.source.line}:${f.source.column}`;
    return `    in ${name} (${source})`;
  });
  return [
    formatFault(fault),
    `  call chain: ${fault.chain.join(" → ")}`,
    ...frames,
    `  freed: ${fault.objectsFreed} objects, ${fault.bytesFreed} bytes of exchange heap`,
  ].join("\n");
}
