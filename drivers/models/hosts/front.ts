/**
 * What every host of a model in this process has in common: the face that the kernel sees of the function.
 *
 * Owns configuration space, MSI-X and the time that a register access takes. Invariant: with memory decoding off, and
 * when the device is gone, reads are all ones and writes do nothing.
 */
import type {
  ConfigWidth,
  DeviceBackend,
  DeviceEvent,
  DmaWindow,
  PciIdentity,
} from "../../../kernel/device/backend.ts";
import { COMMAND_BUS_MASTER_ENABLE, COMMAND_MEMORY_SPACE_ENABLE, Config, ConfigSpace } from "../config-space.ts";
import type { ModelDescription } from "../create.ts";
import { Msix } from "./msix.ts";

/** A back end that is a model, whose faults can be called for. */
export interface ModelBackend extends DeviceBackend {
  /**
   * Makes a fault happen: `KIND` or `KIND:key=value,key=value`.
   * @throws Error that names the mistake and what is known
   */
  inject(fault: string): void;
}

export abstract class ModelFront implements ModelBackend {
  readonly name: string;
  readonly real = false;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  protected readonly config: ConfigSpace;
  protected readonly msix: Msix;
  protected gone = false;
  readonly #mmioReadMs: number;
  #fired: (vector: number) => void = () => {};

  constructor(about: ModelDescription) {
    this.name = about.shown;
    this.identity = about.function;
    this.bars = about.function.bars.map(({ bytes }) => ({ bytes }));
    this.config = new ConfigSpace(about.function);
    this.msix = new Msix(this.config, about.function);
    this.msix.send = (vector) => this.#fired(vector);
    this.#mmioReadMs = about.mmioReadNs / 1e6;
    this.config.onControl = () => {
      this.masteringChanged(this.config.busMaster);
      this.msix.sendPending();
    };
    this.config.onReset = () => this.functionReset();
  }

  /** The driver switched bus mastering: in effect when this returns. */
  protected abstract masteringChanged(on: boolean): void;
  /** The driver started a function level reset through configuration space. */
  protected abstract functionReset(): void;
  protected abstract readRegister(bar: number, offset: number): number;
  protected abstract writeRegister(bar: number, offset: number, value: number): void;
  abstract map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void | Promise<void>;
  abstract quiesce(): void | Promise<void>;
  abstract close(): Promise<void>;
  abstract inject(fault: string): void;

  configRead(offset: number, width: ConfigWidth): number {
    return this.gone ? 2 ** (8 * width) - 1 : this.config.read(offset, width);
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    if (!this.gone) this.config.write(offset, width, value);
  }

  read32(bar: number, offset: number): number {
    if (this.#mmioReadMs > 0) spin(this.#mmioReadMs);
    if (this.gone || !this.config.memoryDecoding) return -1;
    return this.msix.has(bar, offset) ? this.msix.read32(offset) : this.readRegister(bar, offset);
  }

  write32(bar: number, offset: number, value: number): void {
    if (this.gone || !this.config.memoryDecoding) return;
    if (this.msix.has(bar, offset)) this.msix.write32(offset, value);
    else this.writeRegister(bar, offset, value);
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    const count = Math.max(0, Math.min(vectors, this.msix.vectors));
    this.#fired = fired;
    this.msix.enable(count);
    return count;
  }

  start(): void {
    const command = this.config.read(Config.COMMAND, 2);
    this.config.write(Config.COMMAND, 2, command | COMMAND_MEMORY_SPACE_ENABLE | COMMAND_BUS_MASTER_ENABLE);
  }

  /** The part of `quiesce` that is done at once: bus mastering and interrupts off, first values everywhere. */
  protected stop(): void {
    this.config.reset();
    this.msix.reset();
    this.#fired = () => {};
  }

  protected vanished(text: string): void {
    if (this.gone) return;
    this.gone = true;
    this.onEvent?.({ kind: "gone", text: `${this.name}: ${text}` });
  }

  protected faulted(text: string): void {
    this.onEvent?.({ kind: "dma-fault", text: `${this.name}: ${text}` });
  }
}

/** Takes up the time that the processor waits for a read from the bus. */
function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
