/**
 * Which models there are, and how one is made. A host in another thread makes it from the same plain data.
 *
 * Invariant: what is wrong with a name or an option is found by `describeModel`, before anything is made.
 */
import type { PciFunction } from "./config-space.ts";
import type { DeviceModel, ModelHost, RegisterPage } from "./model.ts";
import { parseFault } from "./nvme/faults.ts";
import { NvmeModel, REGISTER_WORDS } from "./nvme/model.ts";
import { nvmeFunction, nvmeOptions } from "./nvme/options.ts";

export type ModelOptions = Readonly<Record<string, unknown>>;

export const MODEL_NAMES = ["nvme"] as const;

export interface ModelDescription {
  readonly function: PciFunction;
  /** Words of the page that reads of BAR 0 are answered from. */
  readonly registerWords: number;
  /** How long a read of a register takes, nanoseconds. */
  readonly mmioReadNs: number;
  /** What people see: the model, and which waits of a device it has not, so that nobody is flattered by them. */
  readonly shown: string;
}

/**
 * @param name one of MODEL_NAMES
 * @throws Error that names the model, or the option, and the cause
 */
export function describeModel(name: string, options: ModelOptions): ModelDescription {
  known(name);
  const checked = nvmeOptions(options);
  const { mmioReadNs, readyMs } = checked;
  const missing = [...(readyMs === 0 ? ["ready at once"] : []), ...(mmioReadNs === 0 ? ["register reads free"] : [])];
  const shown = `model:${name}${missing.length === 0 ? "" : ` (${missing.join(", ")})`}`;
  return { function: nvmeFunction(checked), registerWords: REGISTER_WORDS, mmioReadNs, shown };
}

/** @param page as many words as the description says. @throws Error as `describeModel`, or when files cannot be had */
export function createModel(name: string, options: ModelOptions, host: ModelHost, page: RegisterPage): DeviceModel {
  known(name);
  return new NvmeModel(host, nvmeOptions(options), page);
}

/** Whether `text` names a fault that the model can have. @throws Error that names the mistake and what is known */
export function checkFault(name: string, text: string): void {
  known(name);
  parseFault(text);
}

function known(name: string): void {
  if (!(MODEL_NAMES as readonly string[]).includes(name))
    throw new Error(`there is no model ${JSON.stringify(name)}; there are: ${MODEL_NAMES.join(", ")}`);
}
