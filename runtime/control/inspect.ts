/**
 * How one domain reads, dead or alive: the post-mortem.
 */
import { formatBytes, formatCount, formatFaultLong, formatState, formatTime, formatTrace } from "./format.ts";
import type { DeviceInfo } from "../node/system.ts";
import type { InspectAnswer } from "./handlers.ts";

/** Lines for a plain terminal. */
export function formatInspect({ domain: d, edges, devices, deviceReports, fault, trace }: InspectAnswer): string[] {
  const { limits } = d;
  const life = d.upMs > 0 ? `, for ${formatTime(d.upMs)}` : "";
  const called = edges.filter((edge) => edge.calls > 0);
  const calls = called.map((e) => `  ${e.caller} → ${e.callee} ${e.interface}.${e.method}: ${e.calls}`);
  // Of a domain that is still dead, the post-mortem has the same lines.
  const over = fault !== null && fault.trace.at(-1)?.sequence === trace.at(-1)?.sequence;
  return [
    `${d.name}: ${formatState(d)}, life ${d.incarnation}${life}; ${formatCount(d.faults, "fault")}`,
    `  CPU ${formatTime(d.cpuMs)}; slice ${limits.sliceMs} ms, entry ${limits.entryMs} ms; ` +
      `threads ${d.threads} of ${limits.threads}`,
    `  memory ${formatBytes(d.memoryBytes)} of ${formatBytes(limits.memoryPages * 65536)}`,
    `  exchange heap ${formatBytes(d.bytes)} of ${formatBytes(limits.heapBytes)}, ` +
      `${d.objects} of ${limits.heapObjects} objects`,
    ...devices.map(formatDevice),
    ...deviceReports.map(({ device, kind, text }) => `  ${device} ${kind}${text === "" ? "" : `: ${text}`}`),
    "calls since boot:",
    ...(calls.length === 0 ? ["  none"] : calls),
    ...(fault === null ? [] : postMortem(fault)),
    ...(over ? [] : ["last calls and events:", ...trace.map(formatTrace)]),
  ];
}

function formatDevice({ name, backend, state, gone, queues, outstanding, faults }: DeviceInfo): string {
  const how = gone ? "gone" : state;
  const work = `${formatCount(queues, "queue pair")}, ${formatCount(outstanding, "command")} under way`;
  return `  drives ${name} (${backend}): ${how}; ${work}; ${formatCount(faults, "fault")} of the device`;
}

function postMortem(fault: NonNullable<InspectAnswer["fault"]>): string[] {
  const owned = Object.entries(fault.owned).map(([type, count]) => `${count} ${type}`);
  return [
    `last death, ${formatTime(fault.ms)} after boot, end of life ${fault.incarnation}:`,
    ...formatFaultLong(fault)
      .split("\n")
      .map((line) => `  ${line}`),
    `    owned: ${owned.join(", ") || "no objects"}`,
    "  last calls and events before it:",
    ...fault.trace.map(formatTrace),
  ];
}
