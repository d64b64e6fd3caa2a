/**
 * The back end that a manifest's `backend: "model:NAME"` stands for.
 *
 * Invariant: what is wrong with the name or the options is an Error here, before the device exists.
 */
import { MODEL_NAMES, type ModelOptions } from "./create.ts";
import type { ModelBackend } from "./hosts/front.ts";
import { SteppedBackend } from "./hosts/stepped.ts";

export type { ModelBackend } from "./hosts/front.ts";

const PREFIX = "model:";
export const MODEL_BACKENDS = MODEL_NAMES.map((name) => `${PREFIX}${name}`);

/**
 * @param backend "model:nvme"
 * @param options of the model (nvme/options.ts)
 * @throws Error that names the back end or the option, and the cause
 */
export function modelBackend(backend: string, options: ModelOptions): ModelBackend {
  return new SteppedBackend(backend.slice(PREFIX.length), options);
}
