/**
 * The back end that a manifest's `backend: "model:NAME"` stands for.
 *
 * Invariant: what is wrong with the name or the options is an Error here, before the device exists.
 */
import { MODEL_NAMES, type ModelOptions } from "./create.ts";
import type { ModelBackend } from "./hosts/front.ts";
import { SteppedBackend } from "./hosts/stepped.ts";
import { WorkerBackend } from "./hosts/worker.ts";

export type { ModelBackend } from "./hosts/front.ts";

const PREFIX = "model:";
export const MODEL_BACKENDS = MODEL_NAMES.map((name) => `${PREFIX}${name}`);

/**
 * @param backend "model:nvme"
 * @param options of the model (nvme/options.ts), and `host`: "worker", a thread of its own (the default), or "stepped",
 *   in the kernel's thread
 * @throws Error that names the back end or the option, and the cause
 */
export function modelBackend(backend: string, options: ModelOptions): ModelBackend {
  if (!backend.startsWith(PREFIX)) throw new Error(`${backend}: no model; there are: ${MODEL_BACKENDS.join(", ")}`);
  const name = backend.slice(PREFIX.length);
  const { host = "worker", ...others } = options;
  if (host === "worker") return new WorkerBackend(name, others);
  if (host === "stepped") return new SteppedBackend(name, others);
  throw new Error(`${backend}: host: worker or stepped, not ${JSON.stringify(host)}`);
}
