/**
 * Hand-made modules that admission lets in and that must be contained when they run.
 */
import { FINE } from "./contained-features.ts";
import { FORGERIES, TABLES } from "./contained-handles.ts";
import { ENDLESS, LONG, MEMORY } from "./contained-memory.ts";
import type { Contained } from "./containment.ts";

export const CONTAINED: readonly Contained[] = [...ENDLESS, ...MEMORY, ...LONG, ...TABLES, ...FORGERIES, ...FINE];
