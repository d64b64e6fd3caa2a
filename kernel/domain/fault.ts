/**
 * Faults: how a trap, in whatever form it reaches the kernel, becomes a report that names the culprit.
 *
 * Nothing here changes state. Reports are made from a shallow stack, after the domain's last frame has left.
 */
import type { Host } from "../host/host.ts";
import type { TraceEntry } from "../trace/trace.ts";
import type { Usage } from "../../shared-heap/heap.ts";
import { translateOffset } from "../wasm/offsets.ts";
import type { Blame, Domain } from "./domain.ts";
import type { TimeLimit } from "./slice.ts";

export const FAULT_KINDS = [
  "trap", // unreachable, out of bounds, division, …: V8's own
  "stack", // the domain used up the stack
  "abort", // env.abort: assertions and throws of the toolchain
  "rule", // a bad handle, argument or result; a status that the interface does not have
  "slice", // ran longer than its CPU slice
  "entry", // ran longer than it may with the calls that it made, ever new ones
  "killed", // from outside
  "service", // a service of the host program threw
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

/** Where a trap happened: a byte offset in the domain's original module, and a source line when a map is known. */
export interface TrapFrame {
  readonly functionIndex: number;
  readonly functionName: string | null;
  /** Offset in the module as it was loaded. */
  readonly loweredOffset: number;
  /** Offset in the module as its author built it. */
  readonly offset: number;
  readonly source: { readonly file: string; readonly line: number; readonly column: number } | null;
}

export interface FaultReport {
  readonly domain: string;
  readonly id: number;
  /** Which of its lives ended, from 1. */
  readonly incarnation: number;
  readonly kind: FaultKind;
  readonly message: string;
  readonly frames: readonly TrapFrame[];
  /** Names of the domains in the call chain at the fault, outermost first; the culprit last, unless it was killed. */
  readonly chain: readonly string[];
  /** For an overrun slice or entry: CPU milliseconds of the call that was too long, as charged. */
  readonly ranMs: number | null;
  readonly objectsFreed: number;
  readonly bytesFreed: number;
  /** Objects that it owned itself when it died, by type; the contents of containers only count as freed. */
  readonly owned: Readonly<Record<string, number>>;
  /** The last calls and events before the end, oldest first. */
  readonly trace: readonly TraceEntry[];
  /** When, in milliseconds since boot. */
  readonly ms: number;
}

/** A wasm frame as V8 prints it: `at name (wasm://wasm/module-hash:wasm-function[12]:0x1a2b)`. */
const WASM_FRAME = /^\s*at (?:(.*?) \()?wasm:\/\/wasm\/[^:]*:wasm-function\[(\d+)\]:0x([0-9a-f]+)\)?$/;
const PROXY_FRAME = /samara:\/\/proxy\//;

/** The culprit's own frames, innermost first: those above the first proxy. Lowered offsets only. */
export function trapFrames(
  stack: string,
): { functionIndex: number; functionName: string | null; loweredOffset: number }[] {
  const frames = [];
  for (const line of stack.split("\n").slice(1)) {
    const match = WASM_FRAME.exec(line);
    if (match !== null)
      frames.push({
        functionIndex: Number(match[2]),
        functionName: match[1] ?? null,
        loweredOffset: Number.parseInt(match[3]!, 16),
      });
    else if (frames.length > 0 && PROXY_FRAME.test(line)) break;
  }
  return frames;
}

/** What the host learns of a death. Frames are looked up when somebody reads them: source maps are slow to decode. */
export function makeReport(
  domain: Domain,
  { freed, owned, trace }: { freed: Usage } & Pick<FaultReport, "owned" | "trace">,
  host: Pick<Host, "locate">,
): FaultReport {
  const { name, id, incarnation } = domain;
  // Not the module: reports outlive domains.
  const { offsets } = domain.admitted!;
  const { kind, message, error, chain, ranMs } = domain.blame!;
  let frames: TrapFrame[] | null = null;
  const find = (): TrapFrame[] =>
    trapFrames(error?.stack ?? "").map((frame) => {
      const offset = translateOffset(offsets, frame.loweredOffset);
      return { ...frame, offset, source: host.locate?.(name, offset) ?? null };
    });
  return {
    domain: name,
    id,
    incarnation,
    kind,
    message,
    get frames() {
      return (frames ??= find());
    },
    chain,
    ranMs: ranMs ?? null,
    objectsFreed: freed.objects,
    bytesFreed: freed.bytes,
    owned,
    trace,
    ms: trace.at(-1)!.ms!,
  };
}

/** Why a domain dies that ran longer than it may; `running`: right now, so that the stack shows where. */
export function overran({ entry }: Domain, limit: TimeLimit, ranMs: number, running: boolean): Omit<Blame, "chain"> {
  const [kind, how] =
    limit === "sliceMs" ? (["slice", "of its own, slice"] as const) : (["entry", "with its calls, limit"] as const);
  const message = `ran ${ranMs} ms ${how} ${entry.limits[limit]} ms`;
  return { kind, message, error: running ? new Error(message) : null, ranMs };
}

/** What V8 threw, as a fault kind. Anything but a trap or an exhausted stack is a bug of ours, and says so. */
export function classify(error: unknown): { kind: FaultKind; message: string } {
  if (error instanceof WebAssembly.RuntimeError) return { kind: "trap", message: error.message };
  if (error instanceof RangeError) return { kind: "stack", message: error.message };
  return { kind: "service", message: error instanceof Error ? `${error.name}: ${error.message}` : String(error) };
}
