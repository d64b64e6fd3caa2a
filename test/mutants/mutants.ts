/**
 * All seeded bugs: plausible mistakes in our own code, each with the tests that must catch it.
 */
import { CREATION_MUTANTS } from "./creation.ts";
import { DEVICE_MUTANTS } from "./devices.ts";
import { HEAP_MUTANTS } from "./heap.ts";
import { LOADER_MUTANTS } from "./loader.ts";
import { MODEL_MUTANTS } from "./models.ts";
import type { Mutant } from "./mutant.ts";
import { OWNERSHIP_MUTANTS } from "./ownership.ts";
import { PCI_MUTANTS } from "./pci.ts";
import { PROXY_MUTANTS } from "./proxies.ts";
import { SLICE_MUTANTS } from "./slices.ts";
import { THREAD_MUTANTS } from "./threads.ts";
import { TICK_MUTANTS } from "./ticks.ts";
import { VFIO_MUTANTS } from "./vfio.ts";

export const MUTANTS: readonly Mutant[] = [
  ...LOADER_MUTANTS,
  ...TICK_MUTANTS,
  ...SLICE_MUTANTS,
  ...HEAP_MUTANTS,
  ...PROXY_MUTANTS,
  ...CREATION_MUTANTS,
  ...DEVICE_MUTANTS,
  ...PCI_MUTANTS,
  ...MODEL_MUTANTS,
  ...THREAD_MUTANTS,
  ...OWNERSHIP_MUTANTS,
  ...VFIO_MUTANTS,
];
