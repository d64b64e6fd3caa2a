/**
 * CPU slices: what happens when the watchdog asks the running code for a tick.
 *
 * The watchdog samples: with its request it notes how deep the stack is. The time since the last tick is charged to the
 * frame that was sampled, in its frame word, which a return discards: so a frame's time is its own, without callees. A
 * sampled frame that has returned meanwhile is charged nothing, and neither is one that is met for the first time, so
 * no short call is ever condemned for what its caller does. All of a long interval counts only when the frame was
 * certainly alone in it: a caller's share of an interval with calls in it is at most MIXED_UNITS. Nor does all of it
 * count when the request went unanswered for much longer than the thread has computed: a debugger held it then.
 *
 * The domain of a frame that has used up its slice is condemned. When it is not the running one, it is only marked: an
 * innocent callee finishes, and the culprit traps when control is back in it. Time is also added up for each domain,
 * for people to see. A tick never suspends, frees or moves anything, so facts about handles survive it.
 */
import {
  CORE_DEPTH,
  CORE_EPOCH,
  DOMAIN_CPU,
  DOMAIN_SHIFT,
  DOMAINS,
  EPOCH_AGE_SHIFT,
  EPOCH_DEPTH_MASK,
  FRAME_DOMAIN_MASK,
  FRAME_TIME_SHIFT,
  FRAME_TIME_UNIT_US,
  FRAMES,
  MAX_FRAMES,
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
  /** Marks the domain as dying, for having overrun its slice; `running`: in the frame on top. */
  overrun(domain: Domain, ownMs: number, running: boolean): void;
}

const MAX_UNITS = 0xfffff;
const UNITS_PER_MS = 1000 / FRAME_TIME_UNIT_US;
/** What an interval counts at most for a frame that was not alone in it: two periods of the watchdog. */
const MIXED_UNITS = 2 * UNITS_PER_MS;
/** A request that is this many times older than the time computed since the last tick found the thread held. */
const HELD_RATIO = 8;
/** From a tick on in the frame word above the top one, until a call overwrites it. No frame word has this value. */
const ALONE = -1;
/**
 * What the first tick of a stay in domains counts for people: how long it had lasted is unknown, but as ticks come
 * about once a millisecond, each stands for one.
 */
const SAMPLE_UNITS = UNITS_PER_MS;

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
    // The time first: a debugger that holds the thread right here is seen in the requests then.
    const now = this.#kernel.cpuMicros();
    const asked = ledger[CORE_EPOCH >> 2]!;
    ledger[CORE_EPOCH >> 2] = 0;
    const first = this.#last < 0;
    const units = first ? 0 : Math.round((now - this.#last) / FRAME_TIME_UNIT_US);
    this.#last = units === 0 && !first ? this.#last : now;
    this.#kernel.tidy();
    const depth = ledger[CORE_DEPTH >> 2]!;
    if (depth === 0) return;
    const sampled = asked & EPOCH_DEPTH_MASK;
    const held = (asked >>> EPOCH_AGE_SHIFT) * UNITS_PER_MS > HELD_RATIO * units;
    this.#account(sampled - 1, first ? SAMPLE_UNITS : units);
    if (sampled <= depth) this.#charge(sampled - 1, depth, units, held);
    const running = this.#kernel.byId(ledger[(FRAMES >> 2) + depth - 1]! & FRAME_DOMAIN_MASK);
    if (running !== null && !running.alive) throw trap;
  };

  #charge(frame: number, depth: number, units: number, held: boolean): void {
    const { ledger } = this.#kernel;
    const at = (FRAMES >> 2) + frame;
    const word = ledger[at]!;
    const own = word >>> FRAME_TIME_SHIFT;
    const onTop = frame === depth - 1;
    const alone = onTop && ledger[at + 1] === ALONE && !held;
    // The first time leaves a mark, the smallest unit, and no more.
    const share = own === 0 ? 1 : alone ? units : Math.min(units, MIXED_UNITS);
    const total = Math.min(own + share, MAX_UNITS);
    ledger[at] = (total << FRAME_TIME_SHIFT) | (word & FRAME_DOMAIN_MASK);
    if (onTop && depth < MAX_FRAMES) ledger[at + 1] = ALONE;
    const domain = this.#kernel.byId(word & FRAME_DOMAIN_MASK);
    const ownMs = (total * FRAME_TIME_UNIT_US) / 1000;
    if (domain !== null && domain.alive && ownMs > domain.entry.limits.sliceMs)
      this.#kernel.overrun(domain, ownMs, onTop);
  }

  /** Adds to what the domain has used in all. */
  #account(frame: number, units: number): void {
    const { ledger } = this.#kernel;
    const domain = ledger[(FRAMES >> 2) + frame]! & FRAME_DOMAIN_MASK;
    ledger[(DOMAINS + (domain << DOMAIN_SHIFT) + DOMAIN_CPU) >> 2]! += units;
  }
}
