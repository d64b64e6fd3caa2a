/**
 * The NVMe model as hosts see it: a `DeviceModel` around the controller.
 *
 * Invariant: accesses outside BAR 0, or of what is no register, have no effect and read as 0.
 */
import type { PciFunction } from "../config-space.ts";
import type { DeviceModel, ModelHost, RegisterPage } from "../model.ts";
import { Controller } from "./controller.ts";
import { parseFault } from "./faults.ts";
import { nvmeFunction, type NvmeOptions } from "./options.ts";

/** Words of the register page: all of BAR 0 below the doorbells. */
export const REGISTER_WORDS = 0x400;

export class NvmeModel implements DeviceModel {
  readonly function: PciFunction;
  readonly #controller: Controller;
  readonly #page: RegisterPage;

  /**
   * @param page REGISTER_WORDS words
   * @throws Error when the file, or so much memory, cannot be had
   */
  constructor(host: ModelHost, options: NvmeOptions, page: RegisterPage) {
    this.function = nvmeFunction(options);
    this.#page = page;
    this.#controller = new Controller(host, options, page);
  }

  read32(bar: number, offset: number): number {
    return bar === 0 && offset < REGISTER_WORDS * 4 ? Atomics.load(this.#page, offset >> 2) >>> 0 : 0;
  }

  write32(bar: number, offset: number, value: number): void {
    if (bar === 0) this.#controller.write(offset, value | 0);
  }

  reset(): void {
    this.#controller.reset();
  }

  step(): boolean {
    return this.#controller.step();
  }

  get nextEvent(): number {
    return this.#controller.nextEvent;
  }

  inject(text: string): void {
    this.#controller.inject(parseFault(text));
  }

  close(): void {
    this.#controller.store.close();
  }
}
