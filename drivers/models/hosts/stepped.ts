/**
 * A model in the kernel's own thread, for tests that must go the same way each time, and for benchmarks.
 *
 * Invariant: the model moves within a call from outside (`step`, a read or a write of a register), or from a timer of
 * its own; interrupts and events are told from the host's loop, never within such a call.
 */
import type { DmaWindow } from "../../../kernel/device/backend.ts";
import { createModel, describeModel, type ModelOptions } from "../create.ts";
import type { DeviceModel, Dma } from "../model.ts";
import { ModelFront } from "./front.ts";
import { HeapDma } from "./heap-dma.ts";

/** Steps within one call, at most: a model that always has more to do keeps nobody from their work. */
const STEPS_AT_ONCE = 64;

export interface SteppedSettings {
  /** Milliseconds that only go forward. With a clock of one's own there are no timers: call `step`. */
  readonly now?: () => number;
  /** Whether reads and writes of registers step the model; default true. */
  readonly automatic?: boolean;
  /** Stands between the model and its way to memory: what the model is given instead. */
  readonly dma?: (real: Dma) => Dma;
}

export class SteppedBackend extends ModelFront {
  readonly #model: DeviceModel;
  readonly #now: () => number;
  readonly #timers: boolean;
  readonly #automatic: boolean;
  readonly #dma: HeapDma;
  /** Odd while bus mastering is on. */
  #mastering = 0;
  /** Vectors and texts that wait for the host's loop. */
  readonly #vectors = new Set<number>();
  readonly #later: (() => void)[] = [];
  #turn: ReturnType<typeof setImmediate> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Number.POSITIVE_INFINITY;
  #closed = false;
  /** The model has a mistake: it does nothing any more. */
  #broken = false;

  /** @throws Error that names the option, or what of the model cannot be had */
  constructor(name: string, options: ModelOptions, settings: SteppedSettings = {}) {
    const about = describeModel(name, options);
    super(about);
    this.#now = settings.now ?? (() => performance.now());
    this.#timers = settings.now === undefined;
    this.#automatic = settings.automatic ?? true;
    const report = (text: string): void => this.#soon(() => this.faulted(text));
    this.#dma = new HeapDma(() => this.#mastering, report);
    const host = {
      dma: settings.dma?.(this.#dma) ?? this.#dma,
      interrupt: (vector: number) => this.#interrupt(vector),
      now: this.#now,
      gone: (text: string) => this.#soon(() => this.vanished(text)),
    };
    this.#model = createModel(name, options, host, new Int32Array(about.registerWords));
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void {
    this.#dma.map(memory, windows);
  }

  /** Lets the model do what it has to do now. @returns whether it did something */
  step(): boolean {
    if (this.#closed || this.#broken) return false;
    let steps = 0;
    try {
      while (steps < STEPS_AT_ONCE && this.#model.step()) steps++;
    } catch (error) {
      this.#failed(error);
    }
    if (steps === STEPS_AT_ONCE && this.#timers) this.#soon(() => this.step());
    this.#arm();
    return steps > 0;
  }

  /** A model with a mistake in it is a device that is gone: the kernel's call goes on. */
  #failed(error: unknown): void {
    this.#broken = true;
    const text = `its model failed: ${(error as Error).message}`;
    this.gone = true;
    this.#soon(() => this.onEvent?.({ kind: "gone", text: `${this.name}: ${text}` }));
  }

  #arm(): void {
    const at = this.#model.nextEvent;
    if (!this.#timers || at === this.#timerAt) return;
    clearTimeout(this.#timer);
    this.#timerAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    this.#timer = setTimeout(
      () => {
        this.#timerAt = Number.POSITIVE_INFINITY;
        this.step();
      },
      Math.max(0, at - this.#now()),
    );
    this.#timer.unref?.();
  }

  protected readRegister(bar: number, offset: number): number {
    if (this.#automatic) this.step();
    return this.#model.read32(bar, offset);
  }

  protected writeRegister(bar: number, offset: number, value: number): void {
    this.#model.write32(bar, offset, value);
    if (this.#automatic) this.step();
  }

  protected masteringChanged(on: boolean): void {
    if (on !== ((this.#mastering & 1) === 1)) this.#mastering++;
  }

  protected functionReset(): void {
    this.#model.reset();
  }

  /** Nothing of the model runs but within a call, so it is quiet when this returns. */
  quiesce(): void {
    this.stop();
    this.#vectors.clear();
    this.#model.reset();
  }

  inject(fault: string): void {
    this.#model.inject(fault);
    this.#arm();
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#model.close();
    return Promise.resolve();
  }

  #interrupt(vector: number): void {
    this.#vectors.add(vector);
    this.#wake();
  }

  #soon(what: () => void): void {
    this.#later.push(what);
    this.#wake();
  }

  #wake(): void {
    if (this.#turn !== undefined) return;
    this.#turn = setImmediate(() => {
      this.#turn = undefined;
      const vectors = [...this.#vectors];
      this.#vectors.clear();
      for (const vector of vectors) this.msix.raise(vector);
      for (const what of this.#later.splice(0)) what();
    });
  }
}
