/**
 * Features (NVMe 1.4, 5.21.1): what can be set and asked for, and which values cannot be.
 *
 * Invariant: nothing outlives a reset (no feature can be saved), and Get Features gives what the controller goes by.
 */
import { WARNING_TEMPERATURE } from "./identify.ts";
import { Feature, Status } from "./spec.ts";

/** Values that Set Features can have written, other than with a meaning of their own below. */
const FIRST = new Map<number, number>([
  [Feature.ARBITRATION, 0x07],
  [Feature.POWER_MANAGEMENT, 0],
  [Feature.TEMPERATURE_THRESHOLD, WARNING_TEMPERATURE],
  [Feature.ERROR_RECOVERY, 0],
  [Feature.VOLATILE_WRITE_CACHE, 1],
  [Feature.NUMBER_OF_QUEUES, 0],
  [Feature.INTERRUPT_COALESCING, 0],
  [Feature.INTERRUPT_VECTOR_CONFIGURATION, 0],
  [Feature.WRITE_ATOMICITY, 0],
  [Feature.ASYNC_EVENT_CONFIGURATION, 0],
]);
/** Get Features with SEL 011b, figure 268: changeable, neither saveable nor of a namespace. */
const CHANGEABLE = 0b100;
const SELECT_CURRENT = 0;
const SELECT_CAPABILITIES = 3;
/** TMPTH, 5.21.1.4: sensor selection, and the under-temperature one. */
const TMPSEL_SHIFT = 16;
const THSEL_SHIFT = 20;
/** Interrupt vector configuration's "coalescing disable". */
const COALESCING_DISABLE = 1 << 16;

export class Features {
  readonly #values = new Map(FIRST);
  readonly #pairs: number;
  readonly #writeCache: boolean;
  /** Under-temperature threshold; the over-temperature one is the feature's value. */
  #under = 0;
  /** Vectors without coalescing. */
  readonly #uncoalesced = new Set<number>();
  /** What `get` found. */
  result = 0;

  /** @param pairs I/O queue pairs that there can be @param writeCache first value of the write cache's feature */
  constructor(pairs: number, writeCache: boolean) {
    this.#pairs = pairs;
    this.#writeCache = writeCache;
    this.reset();
  }

  reset(): void {
    for (const [id, value] of FIRST) this.#values.set(id, value);
    const both = (this.#pairs - 1) | ((this.#pairs - 1) << 16);
    this.#values.set(Feature.NUMBER_OF_QUEUES, both);
    this.#values.set(Feature.VOLATILE_WRITE_CACHE, this.#writeCache ? 1 : 0);
    this.#under = 0;
    this.#uncoalesced.clear();
  }

  value(id: number): number {
    return this.#values.get(id) ?? 0;
  }

  get underTemperature(): number {
    return this.#under;
  }

  /**
   * @param select 0 current, 1 default, 2 saved, 3 capabilities
   * @param vectors that there are
   * @returns a status; the value is in `result`
   */
  get(id: number, select: number, dw11: number, vectors: number): number {
    if (!this.#values.has(id) || select > SELECT_CAPABILITIES) return Status.INVALID_FIELD;
    const current = select === SELECT_CURRENT;
    if (select === SELECT_CAPABILITIES) return this.#answer(CHANGEABLE);
    if (id === Feature.INTERRUPT_VECTOR_CONFIGURATION) {
      const vector = dw11 & 0xffff;
      if (vector >= vectors) return Status.INVALID_FIELD;
      return this.#answer(vector | (current && this.#uncoalesced.has(vector) ? COALESCING_DISABLE : 0));
    }
    if (id === Feature.TEMPERATURE_THRESHOLD) return this.#threshold(dw11, current);
    if (current || id === Feature.NUMBER_OF_QUEUES) return this.#answer(this.#values.get(id)!);
    return this.#answer(id === Feature.VOLATILE_WRITE_CACHE ? Number(this.#writeCache) : FIRST.get(id)!);
  }

  #answer(value: number): number {
    this.result = value;
    return Status.SUCCESS;
  }

  #threshold(dw11: number, current: boolean): number {
    const sensor = (dw11 >>> TMPSEL_SHIFT) & 0xf;
    const type = (dw11 >>> THSEL_SHIFT) & 3;
    if (sensor !== 0 || type > 1) return Status.INVALID_FIELD;
    if (type === 1) return this.#answer(current ? this.#under : 0);
    return this.#answer(current ? this.value(Feature.TEMPERATURE_THRESHOLD) : WARNING_TEMPERATURE);
  }

  /**
   * @param queues whether there are I/O queues
   * @returns a status; the value is the controller's from now on if it is 0
   */
  set(id: number, save: boolean, dw11: number, vectors: number, queues: boolean): number {
    if (!this.#values.has(id)) return Status.INVALID_FIELD;
    if (save) return Status.FEATURE_NOT_SAVEABLE;
    const value = dw11 >>> 0;
    switch (id) {
      case Feature.POWER_MANAGEMENT:
        // One power state; workload hints are taken and mean nothing.
        if ((value & 0x1f) !== 0) return Status.INVALID_FIELD;
        break;
      case Feature.TEMPERATURE_THRESHOLD:
        return this.#setThreshold(value);
      case Feature.NUMBER_OF_QUEUES:
        // The answer is always how many there can be. 5.21.1.7
        if (queues) return Status.COMMAND_SEQUENCE_ERROR;
        return (value & 0xffff) === 0xffff || value >>> 16 === 0xffff ? Status.INVALID_FIELD : Status.SUCCESS;
      case Feature.INTERRUPT_VECTOR_CONFIGURATION: {
        const vector = value & 0xffff;
        if (vector >= vectors) return Status.INVALID_FIELD;
        if ((value & COALESCING_DISABLE) !== 0) this.#uncoalesced.add(vector);
        else this.#uncoalesced.delete(vector);
        return Status.SUCCESS;
      }
      case Feature.VOLATILE_WRITE_CACHE:
        this.#values.set(id, value & 1);
        return Status.SUCCESS;
      default:
    }
    this.#values.set(id, value | 0);
    return Status.SUCCESS;
  }

  #setThreshold(value: number): number {
    const sensor = (value >>> TMPSEL_SHIFT) & 0xf;
    const type = (value >>> THSEL_SHIFT) & 3;
    // Sensor 15: all of them, which is the one. 5.21.1.4
    if ((sensor !== 0 && sensor !== 0xf) || type > 1) return Status.INVALID_FIELD;
    if (type === 1) this.#under = value & 0xffff;
    else this.#values.set(Feature.TEMPERATURE_THRESHOLD, value & 0xffff);
    return Status.SUCCESS;
  }
}
