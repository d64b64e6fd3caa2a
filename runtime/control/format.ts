/**
 * How faults, the trace, amounts and times read on a plain terminal.
 */
import type { DomainInfo, FaultReport, TraceEntry } from "../node/system.ts";

/** `1 object`, `2 objects`. */
export function formatCount(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/** A dead domain that a restart policy is about to revive says so. */
export function formatState(d: Pick<DomainInfo, "state" | "restarting">): string {
  return d.restarting ? "restarting" : d.state;
}

/** The text of an `abort` ends with its place, which is exact; that of the frame is where the compiler put the code. */
const PLACED = /\(.+:\d+:\d+\)$/;

/** One line: what, and where in the source. */
export function formatCause(fault: FaultReport): string {
  const what = `${fault.kind}: ${fault.message}`;
  if (fault.kind === "abort" && PLACED.test(fault.message)) return what;
  const frame = fault.frames.find((f) => f.source !== null) ?? fault.frames[0];
  const where =
    frame === undefined
      ? ""
      : frame.source === null
        ? ` at ${frame.functionName ?? `function ${frame.functionIndex}`}+0x${frame.offset.toString(16)}`
        : ` at ${frame.source.file}:${frame.source.line}:${frame.source.column}`;
  return `${what}${where}`;
}

/** One line: who, what, where in the source. */
export function formatFault(fault: FaultReport): string {
  return `${fault.domain} died: ${formatCause(fault)}`;
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
    `  freed: ${formatCount(fault.objectsFreed, "object")}, ${formatCount(fault.bytesFreed, "byte")} of exchange heap`,
  ].join("\n");
}

/** 1536 → `1.5 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  for (; bytes >= 1024 && unit + 1 < units.length; unit++) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toFixed(1)} ${units[unit]}`;
}

/** 754_000 → `12m34s`. */
export function formatTime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number): string => String(n).padStart(2, "0");
  if (seconds < 60) return `${(ms / 1000).toFixed(1)}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${two(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${two(Math.floor(seconds / 60) % 60)}m`;
}

/** One line: number, time since boot, who did what. */
export function formatTrace(entry: TraceEntry): string {
  const time = entry.ms === null ? "?" : (entry.ms / 1000).toFixed(3);
  const arrow = entry.kind === "pass" ? `${entry.domain} → ${entry.peer}` : entry.domain;
  const what =
    entry.kind === "call"
      ? `${entry.domain} → ${entry.peer} ${entry.detail}`
      : `${arrow} ${entry.kind} ${entry.detail}${entry.kind === "grant" ? ` of ${entry.peer}` : ""}`;
  return `${String(entry.sequence).padStart(10)} ${time.padStart(10)}s  ${what}`;
}
