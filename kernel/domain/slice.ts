/**
 * CPU slices: what happens when the watchdog asks the running code for a tick.
 *
 * Time is charged to the frame on top, in its frame word, which a return discards: so a frame's time is its own,
 * without the callees that returned. The outermost frame that has used up its domain's slice is the culprit. When it is
 * not the running one, the domain is only marked: an innocent callee finishes, and the culprit traps when control is
 * back in it. Time is also added up for each domain, for people to see. A tick never suspends, frees or moves anything,
 * so facts about handles survive it.
 */
import {
  CORE_DEPTH,
  CORE_EPOCH,
  DOMAIN_CPU,
  DOMAIN_SHIFT,
  DOMAINS,
  FRAME_DOMAIN_MASK,
  FRAME_TIME_SHIFT,
  FRAME_TIME_UNIT_US,
  FRAMES,
} from "../../shared-heap/layout.ts";
import type { Domain } from "./domain.ts";

export interface SliceKernel {
  readonly ledger: Int32Array;
  readonly trap: WebAssembly.RuntimeError;
  readonly probe: (never: 0) => void;
  cpuMicros(): number;
  byId(id: number): Domain | null;
  /** Called at every tick. */
  tidy(): void;
  /** Marks the domain as dying, for having overrun its slice. */
  overrun(domain: Domain, ownMs: number): void;
}

const MAX_UNITS = 0xfffff;
/**
 * What the first tick of a stay in domains counts for people: how long it had lasted is unknown, but as ticks come
 * about once a millisecond, each stands for one.
 */
const SAMPLE_UNITS = 1000 / FRAME_TIME_UNIT_US;

export class SliceClock {
  readonly #kernel: SliceKernel;
  /** CPU time of the last tick; -1 after control was in the host, whose time is nobody's. */
  #last = -1;

  constructor(kernel: SliceKernel) {
    this.#kernel = kernel;
  }

  /** Called whenever the stack is empty: time from here to the next entry is the host's. */
  idle(): void {
    this.#last = -1;
  }

  /** The import behind every lowered loop head and function entry. Throws only into the domain that is to die. */
  readonly tick = (): void => {
    const { ledger, probe, trap } = this.#kernel;
    probe(0);
    ledger[CORE_EPOCH >> 2] = 0;
    const now = this.#kernel.cpuMicros();
    const first = this.#last < 0;
    const units = first ? 0 : Math.round((now - this.#last) / FRAME_TIME_UNIT_US);
    this.#last = units === 0 && !first ? this.#last : now;
    this.#kernel.tidy();
    const depth = ledger[CORE_DEPTH >> 2]!;
    if (depth === 0) return;
    this.#charge(depth - 1, units);
    this.#account(depth - 1, first ? SAMPLE_UNITS : units);
    this.#findCulprit(depth);
    const running = this.#kernel.byId(ledger[(FRAMES >> 2) + depth - 1]! & FRAME_DOMAIN_MASK);
    if (running !== null && !running.alive) throw trap;
  };

  #charge(frame: number, units: number): void {
    const { ledger } = this.#kernel;
    const word = ledger[(FRAMES >> 2) + frame]!;
    const total = Math.min((word >>> FRAME_TIME_SHIFT) + units, MAX_UNITS);
    ledger[(FRAMES >> 2) + frame] = (total << FRAME_TIME_SHIFT) | (word & FRAME_DOMAIN_MASK);
  }

  /** Adds to what the domain has used in all. */
  #account(frame: number, units: number): void {
    const { ledger } = this.#kernel;
    const domain = ledger[(FRAMES >> 2) + frame]! & FRAME_DOMAIN_MASK;
    ledger[(DOMAINS + (domain << DOMAIN_SHIFT) + DOMAIN_CPU) >> 2]! += units;
  }

  #findCulprit(depth: number): void {
    const { ledger } = this.#kernel;
    for (let frame = 0; frame < depth; frame++) {
      const word = ledger[(FRAMES >> 2) + frame]!;
      const ownMs = ((word >>> FRAME_TIME_SHIFT) * FRAME_TIME_UNIT_US) / 1000;
      const domain = this.#kernel.byId(word & FRAME_DOMAIN_MASK);
      if (domain === null || ownMs <= domain.entry.limits.sliceMs) continue;
      if (domain.alive) this.#kernel.overrun(domain, ownMs);
      return;
    }
  }
}
