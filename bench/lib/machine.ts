/**
 * Describes the machine that a figure was measured on.
 *
 * Invariant: only what can be read is claimed; what the system does not tell is `null`.
 */
import { readFileSync } from "node:fs";
import os from "node:os";
import type { Clock } from "./cycles.ts";

export interface Machine {
  readonly cpu: string;
  /** Logical processors that the process may use. */
  readonly cores: number;
  /** Frequency governor of processor 0, null where the system does not say. */
  readonly governor: string | null;
  readonly virtual: boolean | null;
  readonly memoryMiB: number;
  readonly os: string;
  readonly node: string;
  readonly v8: string;
  /** Cycles per nanosecond (GHz) by the chain of additions: the best of several. */
  readonly coreGHz: number;
  /** Load average of the last minute when the run began: above 0 means that others were running too. */
  readonly load: number;
  /** Command-line flags of this Node. */
  readonly flags: readonly string[];
}

function readOrNull(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // not Linux, or not told to guests
  }
}

/** Reads everything that can be known without privileges. */
export function describeMachine(clock: Clock): Machine {
  const info = readOrNull("/proc/cpuinfo");
  const speeds = Array.from({ length: 21 }, () => clock.cyclesPerNs());
  return {
    cpu: os.cpus()[0]?.model.trim() ?? process.arch,
    cores: os.availableParallelism(),
    governor: readOrNull("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")?.trim() ?? null,
    virtual: info === null ? null : /\bhypervisor\b/.test(info),
    memoryMiB: Math.round(os.totalmem() / 2 ** 20),
    os: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.versions.node,
    v8: process.versions.v8,
    coreGHz: Number(Math.max(...speeds).toFixed(3)),
    load: os.loadavg()[0],
    flags: process.execArgv.filter((flag) => !flag.startsWith("--disable-warning")),
  };
}
