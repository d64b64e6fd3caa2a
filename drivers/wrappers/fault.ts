/**
 * A back end around another one that loses, delays or spoils what passes, when it is told to: faults for devices that
 * know none themselves.
 *
 * Invariants: what keeps memory safe (`map`, `start`, `quiesce`, `close`) always reaches the device, whatever fault is
 * on; an armed fault happens so many times and is gone. Without one an access costs one comparison more.
 */
import type { ConfigWidth, DeviceBackend, DeviceEvent, DmaWindow, PciIdentity } from "#kernel/device/backend.ts";

export const FAULTS = ["removal", "lost-write", "corrupt-read", "lost-interrupt", "late-interrupt"] as const;
export type FaultKind = (typeof FAULTS)[number];

interface Armed {
  readonly kind: FaultKind;
  /** How often it happens, and how many chances are let by first. */
  count: number;
  after: number;
  /** Only at this register of BAR 0, or this vector; -1: any. */
  readonly offset: number;
  readonly vector: number;
  /** corrupt-read: bits that are turned over. */
  readonly mask: number;
  readonly delayMs: number;
}

const CHOICE = ["count", "after"];
const KEYS: Readonly<Record<FaultKind, readonly string[]>> = {
  removal: [],
  "lost-write": [...CHOICE, "offset"],
  "corrupt-read": [...CHOICE, "offset", "mask"],
  "lost-interrupt": [...CHOICE, "vector"],
  "late-interrupt": [...CHOICE, "vector", "delayMs"],
};
const MOST: Readonly<Record<string, number>> = { delayMs: 600_000, vector: 2047 };
const DEFAULTS = { count: 1, after: 0, offset: -1, vector: -1, mask: 1, delayMs: 100 };
const ONES = 0xffff_ffff;

/**
 * @param text `KIND` or `KIND:key=value,…`, numbers also in hexadecimal
 * @throws Error that names what is wrong and what is known
 */
function parse(text: string): Armed {
  const [word = "", rest = ""] = text.split(/:(.*)/s);
  const kind = FAULTS.find((name) => name === word);
  if (kind === undefined) throw new Error(`unknown fault "${word}"; there are ${FAULTS.join(", ")}`);
  const given: Record<string, number> = {};
  for (const pair of rest === "" ? [] : rest.split(",")) {
    const [key = "", value = ""] = pair.split("=");
    const known = KEYS[kind];
    if (!known.includes(key)) throw new Error(`${kind} knows no "${key}"; it knows ${known.join(", ") || "nothing"}`);
    const number = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : NaN;
    const most = MOST[key] ?? ONES;
    if (!(number <= most)) throw new Error(`${kind}: ${key} is a whole number up to ${most}, not "${value}"`);
    given[key] = number;
  }
  return { kind, ...DEFAULTS, ...given };
}

export class FaultBackend implements DeviceBackend {
  readonly name: string;
  readonly real: boolean;
  readonly identity: PciIdentity;
  readonly bars: readonly { readonly bytes: number }[];
  onEvent?: ((event: DeviceEvent) => void) | undefined;
  readonly #inner: DeviceBackend;
  readonly #timers = new Set<NodeJS.Timeout>();
  #armed: Armed[] = [];
  #removed = false;
  /** Whether nothing is wrong. */
  #sound = true;

  constructor(inner: DeviceBackend) {
    this.#inner = inner;
    this.name = inner.name;
    this.real = inner.real;
    this.identity = inner.identity;
    this.bars = inner.bars;
    inner.onEvent = (event) => this.onEvent?.(event);
  }

  /** Makes a fault happen. @throws Error that names the mistake in `text` and what is known */
  inject(text: string): void {
    const fault = parse(text);
    this.#sound = false;
    if (fault.kind !== "removal") return void this.#armed.push(fault);
    this.#removed = true;
    setImmediate(() => this.onEvent?.({ kind: "gone", text: `${this.name}: removed on command` }));
  }

  /** The armed fault of this kind that happens now, or null. */
  #strikes(kind: FaultKind, offset: number, vector: number): Armed | null {
    for (const fault of this.#armed) {
      const here = (fault.offset < 0 || fault.offset === offset) && (fault.vector < 0 || fault.vector === vector);
      if (fault.kind !== kind || !here || fault.after-- > 0) continue;
      fault.count--;
      this.#armed = this.#armed.filter(({ count }) => count > 0);
      this.#sound = this.#armed.length === 0 && !this.#removed;
      return fault;
    }
    return null;
  }

  configRead(offset: number, width: ConfigWidth): number {
    return this.#removed ? ONES >>> (32 - 8 * width) : this.#inner.configRead(offset, width);
  }

  configWrite(offset: number, width: ConfigWidth, value: number): void {
    if (!this.#removed) this.#inner.configWrite(offset, width, value);
  }

  read32(bar: number, offset: number): number {
    if (this.#sound) return this.#inner.read32(bar, offset);
    if (this.#removed) return ONES;
    const value = this.#inner.read32(bar, offset);
    const fault = bar === 0 ? this.#strikes("corrupt-read", offset, -1) : null;
    return fault === null ? value : (value ^ fault.mask) >>> 0;
  }

  write32(bar: number, offset: number, value: number): void {
    const lost = !this.#sound && (this.#removed || (bar === 0 && this.#strikes("lost-write", offset, -1) !== null));
    if (!lost) this.#inner.write32(bar, offset, value);
  }

  map(memory: SharedArrayBuffer, windows: readonly DmaWindow[]): void | Promise<void> {
    return this.#inner.map(memory, windows);
  }

  interrupts(vectors: number, fired: (vector: number) => void): number {
    return this.#inner.interrupts(vectors, (vector) => {
      if (this.#sound) return fired(vector);
      if (this.#removed || this.#strikes("lost-interrupt", -1, vector) !== null) return;
      const late = this.#strikes("late-interrupt", -1, vector);
      if (late === null) return fired(vector);
      const timer = setTimeout(() => {
        this.#timers.delete(timer);
        fired(vector);
      }, late.delayMs);
      this.#timers.add(timer);
    });
  }

  start(): void {
    this.#inner.start();
  }

  quiesce(): ReturnType<DeviceBackend["quiesce"]> {
    // Interrupts are off from here on, those on their way too.
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    return this.#inner.quiesce();
  }

  quiesced(): boolean {
    return this.#inner.quiesced?.() ?? false;
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
