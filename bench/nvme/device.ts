/**
 * The NVMe benchmark on a device that exists: the cases of the model, as far as they are the device's.
 *
 * Invariants: without the serial number of what may be overwritten, nothing is written; one system at a time has the
 * device, and the host has it back when the benchmark ends.
 */
import { attach } from "#tools/device/attach.ts";
import type { Clock } from "../lib/cycles.ts";
import type { BenchOptions } from "../lib/options.ts";
import { CHECKS, PLACES, caseName, type Place } from "../lib/queue-load.ts";
import type { CaseResult } from "../lib/report.ts";
import { sampleAll, type Sampled } from "../lib/sample.ts";
import { clockOutside } from "./metered.ts";
import { shapes, splitRows, splitSubject } from "./split.ts";
import { NvmeSystem, type GivenDevice } from "./system.ts";

export interface Measured {
  readonly cases: CaseResult[];
  readonly samples: Sampled[];
}

/**
 * Measures a device.
 * @param backend as in a manifest: `vfio:BDF`, `vfio-user:PATH`
 * @throws Error when it cannot be had, or is not the one that `options.destroy` names
 */
export async function measureDevice(backend: string, options: BenchOptions, clock: Clock | null): Promise<Measured> {
  const attached = await attach([{ name: "nvme0", backend }], { options: {} }, (line) => console.error(line));
  try {
    const samples: Sampled[] = [];
    const device: GivenDevice = { backend, destroy: options.destroy, make: attached.set.make };
    const outside = clockOutside();
    for (const place of PLACES) samples.push(...(await measurePlace(place, device, options, clock, outside)));
    if (samples.length === 0) throw new Error("no case of a device has such a name");
    return { samples, cases: samples.flatMap((sampled) => rows(sampled, samples, backend)) };
  } finally {
    await attached.close();
  }
}

async function measurePlace(
  place: Place,
  device: GivenDevice,
  options: BenchOptions,
  clock: Clock | null,
  outside: number,
): Promise<Sampled[]> {
  const wanted = (name: string): boolean => options.only === null || options.only.some((part) => name.includes(part));
  const cases = shapes()
    .filter(({ operation }) => operation === "read" || device.destroy !== null)
    .map((c) => ({ c, name: `device-${caseName(c)}-${place}` }))
    .filter(({ name }) => wanted(name));
  if (cases.length === 0) return [];
  const system = await NvmeSystem.bootOn(place, device);
  try {
    const subjects = cases.map(({ c, name }) => splitSubject(name, system, c, clock, outside));
    const sampled = await sampleAll(subjects, options.rounds);
    system.check();
    return sampled;
  } finally {
    await system.stop();
  }
}

function rows(sampled: Sampled, all: readonly Sampled[], backend: string): CaseResult[] {
  const place = PLACES.find((p) => sampled.name.endsWith(p))!;
  const what = `on ${backend}, places one after the other; the model's time is that of accesses to registers`;
  return splitRows(sampled, all, CHECKS[place], what).filter((row) => row.unit === "IOPS");
}
