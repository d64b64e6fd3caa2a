/**
 * CPU slices and entries: what happens when the watchdog asks the running code for a tick.
 *
 * The watchdog samples: with its request it notes how deep the stack is. The time since the last tick is charged to the
 * frame that was sampled, in its frame word, which a return discards: so a frame's time is its own, without callees. A
 * sampled frame that has returned meanwhile is charged nothing, and neither is one that is met for the first time, so
 * no short call is ever condemned for what its caller does. All of a long interval counts only when the frame was
 * certainly alone in it: a caller's share of an interval with calls in it is at most MIXED_UNITS. Nor does all of it
 * count when the request went unanswered for much longer than the thread has computed: a debugger held it then.
 *
 * A tree of calls that are all short is stopped by the second account. A frame word without time is new, so each tick
 * sees how many frames were there at the last one: the deepest of them *drove* the interval, since what was above it
 * came and went. When a frame has returned, what it drove passes to the deepest that is left. So each frame has the
 * time in which it stayed and all above it changed, and a domain that of its frames on the stack. Only the deepest is
 * judged: who waits in one call is not, before it is back. Nor is that call held against it then: of calls that took
 * long, each domain keeps as much as its own limit, once in a stay. A *stay* ends when the stack is empty; it takes at
 * most twice the limits of those who took part.
 *
 * The domain of a frame that has used up its time is condemned. When it is not the running one, it is only marked: an
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
  OWNER_HOST,
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
  /** Marks the domain as dying, for having overrun one of its limits; `running`: in the frame on top. */
  overrun(domain: Domain, limit: TimeLimit, ms: number, running: boolean): void;
}

/** Time of one call without the calls it makes, or with them. */
export type TimeLimit = "sliceMs" | "entryMs";

/** The frame that is the deepest of so many drove so much; other frames of its domain, below it, drove `before`. */
interface Drive {
  readonly frames: number;
  readonly domain: number;
  readonly before: number;
  units: number;
}

const MAX_UNITS = 0xfffff;
const UNITS_PER_MS = 1000 / FRAME_TIME_UNIT_US;
/** What an interval counts at most for a frame that was not alone in it: two periods of the watchdog. */
const MIXED_UNITS = 2 * UNITS_PER_MS;
/** A request that is this many times older than the time computed since the last tick found the thread held. */
const HELD_RATIO = 8;
/** From here on a call is one that its caller waits for, and not one of many. */
const LONG_UNITS = 10 * UNITS_PER_MS;
/** From a tick on in the frame word above the top one, until a call overwrites it. No frame word has this value. */
const ALONE = -1;
/**
 * What the first tick of a stay in domains counts for people: how long it had lasted is unknown, but as ticks come
 * about once a millisecond, each stands for one.
 */
const SAMPLE_UNITS = UNITS_PER_MS;

const toMs = (units: number): number => (units * FRAME_TIME_UNIT_US) / 1000;

export class SliceClock {
  readonly #kernel: SliceKernel;
  /** CPU time of the last tick; -1 after control was in the host, whose time is nobody's. */
  #last = -1;
  /** Of the frames on the stack that drove, outermost first. */
  readonly #drives: Drive[] = [];
  /** What domains keep in this stay of their long calls that are over, in units. */
  readonly #kept = new Map<number, number>();

  constructor(kernel: SliceKernel) {
    this.#kernel = kernel;
  }

  /** Called whenever the stack is empty: time from here to the next entry is the host's. */
  idle(): void {
    if (this.#last < 0) return;
    this.#last = -1;
    this.#drives.length = 0;
    this.#kept.clear();
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
    const known = this.#markNew(depth);
    const alone = known === depth && ledger[(FRAMES >> 2) + depth] === ALONE && !held;
    const share = alone ? units : Math.min(units, MIXED_UNITS);
    if (sampled <= known) this.#charge(sampled - 1, depth, sampled === depth ? share : Math.min(share, MIXED_UNITS));
    this.#drive(known, depth, share);
    if (depth < MAX_FRAMES) ledger[(FRAMES >> 2) + depth] = ALONE;
    const running = this.#kernel.byId(this.#domainAt(depth - 1));
    if (running !== null && !running.alive) throw trap;
  };

  #domainAt(frame: number): number {
    return this.#kernel.ledger[(FRAMES >> 2) + frame]! & FRAME_DOMAIN_MASK;
  }

  /** Leaves a mark, the smallest unit of time, in frames without one. @returns how many had one, the others above */
  #markNew(depth: number): number {
    const { ledger } = this.#kernel;
    let known = depth;
    for (; known > 0 && ledger[(FRAMES >> 2) + known - 1]! >>> FRAME_TIME_SHIFT === 0; known--)
      ledger[(FRAMES >> 2) + known - 1]! |= 1 << FRAME_TIME_SHIFT;
    return known;
  }

  #charge(frame: number, depth: number, share: number): void {
    const { ledger } = this.#kernel;
    const at = (FRAMES >> 2) + frame;
    const word = ledger[at]!;
    const total = Math.min((word >>> FRAME_TIME_SHIFT) + share, MAX_UNITS);
    ledger[at] = (total << FRAME_TIME_SHIFT) | (word & FRAME_DOMAIN_MASK);
    const domain = this.#kernel.byId(word & FRAME_DOMAIN_MASK);
    if (domain !== null && domain.alive && toMs(total) > domain.entry.limits.sliceMs)
      this.#kernel.overrun(domain, "sliceMs", toMs(total), frame === depth - 1);
  }

  /** The deepest of `frames` drove `units`, and what those did that have returned meanwhile. */
  #drive(frames: number, depth: number, units: number): void {
    const drives = this.#drives;
    let passed = 0;
    for (let last = drives.at(-1); last !== undefined && last.frames > frames; last = drives.at(-1)) {
      passed += last.units;
      passed -= this.#keep(last.domain, passed);
      drives.pop();
    }
    if (frames === 0) return;
    if (drives.at(-1)?.frames !== frames) drives.push(this.#newDrive(frames));
    const drive = drives.at(-1)!;
    drive.units += passed + units;
    const domain = this.#kernel.byId(drive.domain);
    const ms = toMs(drive.before + drive.units);
    if (domain !== null && domain.alive && ms > domain.entry.limits.entryMs)
      this.#kernel.overrun(domain, "entryMs", ms, frames === depth);
  }

  #newDrive(frames: number): Drive {
    const domain = this.#domainAt(frames - 1);
    const below = this.#drives.findLast((drive) => drive.domain === domain);
    return { frames, domain, before: below === undefined ? 0 : below.before + below.units, units: 0 };
  }

  /** A call is over. @returns the part of its time that is not held against who waited for it */
  #keep(id: number, units: number): number {
    const domain = this.#kernel.byId(id);
    if (domain === null || units < LONG_UNITS) return 0;
    const kept = this.#kept.get(id) ?? 0;
    // The host's own services have no limit: the longest call counts.
    const most = id === OWNER_HOST ? Math.max(kept, units) : domain.entry.limits.entryMs * UNITS_PER_MS;
    const part = Math.min(units, Math.max(0, most - kept));
    this.#kept.set(id, kept + part);
    return part;
  }

  /** Adds to what the domain has used in all. */
  #account(frame: number, units: number): void {
    const domain = this.#domainAt(frame);
    this.#kernel.ledger[(DOMAINS + (domain << DOMAIN_SHIFT) + DOMAIN_CPU) >> 2]! += units;
  }
}
