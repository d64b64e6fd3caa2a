/**
 * Devices for tests of whole systems: models whose data are in memory, in the test's own thread, without delays.
 *
 * Invariant: two systems of one test, or of two, share nothing.
 */
import { modelBackend, type ModelBackend } from "#drivers/models/backend.ts";
import type { ResolvedDevice } from "#kernel/manifest/manifest.ts";

/** As `BootOptions.devices`. */
export function testDevice({ backend, options }: ResolvedDevice): ModelBackend {
  return modelBackend(backend, { ...options, file: "", readyMs: 0, mmioReadNs: 0, host: "stepped" });
}

/** The same for a system in a process of its own: arguments of `samara run`. */
export const IN_MEMORY = ["--device", "nvme0.file="] as const;
