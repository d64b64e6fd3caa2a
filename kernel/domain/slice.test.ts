/** CPU slices: who is charged for the time between two ticks, who is condemned, and who traps. */
import { describe, expect, test } from "vitest";
import {
  CORE_DEPTH,
  CORE_EPOCH,
  DOMAIN_CPU,
  DOMAIN_SHIFT,
  EPOCH_AGE_SHIFT,
  FRAME_DOMAIN_MASK,
  FRAME_TIME_SHIFT,
  FRAME_TIME_UNIT_US,
  FRAMES,
  MAX_FRAMES,
  TYPES,
} from "../../shared-heap/layout.ts";
import { DEFAULT_LIMITS } from "../manifest/manifest.ts";
import { Domain } from "./domain.ts";
import { SliceClock } from "./slice.ts";

const SLICE_MS = 10;

/** A clock over frames that a test lays by hand, and CPU time that it sets. */
function setUp() {
  const ledger = new Int32Array(TYPES >> 2);
  const trap = new WebAssembly.RuntimeError("dead");
  const limits = { ...DEFAULT_LIMITS, sliceMs: SLICE_MS };
  const domains = [4, 5, 6].map((id) => {
    const domain = new Domain({ name: `d${id}`, domain: `d${id}`, limits, provides: [], uses: [] }, id, id);
    domain.state = "running";
    return domain;
  });
  const overran: string[] = [];
  const time = { micros: 0 };
  const clock = new SliceClock({
    ledger,
    trap,
    probe: () => {},
    cpuMicros: () => time.micros,
    tidy: () => {},
    byId: (id) => domains.find((d) => d.id === id) ?? null,
    overrun: (domain, _, running) => {
      overran.push(running ? domain.name : `${domain.name}, below`);
      domain.state = "dying";
    },
  });
  const frames = (...ids: number[]): void => {
    ids.forEach((id, i) => (ledger[(FRAMES >> 2) + i] = id));
    ledger[CORE_DEPTH >> 2] = ids.length;
  };
  /** A tick after so many milliseconds of computing, asked for `age` ms ago at `sampled` frames; whether it traps. */
  const tick = (ms: number, sampled = ledger[CORE_DEPTH >> 2]!, age = 1): boolean => {
    time.micros += ms * 1000;
    ledger[CORE_EPOCH >> 2] = (age << EPOCH_AGE_SHIFT) | sampled;
    try {
      clock.tick();
      return false;
    } catch (error) {
      expect(error).toBe(trap);
      return true;
    } finally {
      expect(ledger[CORE_EPOCH >> 2]).toBe(0);
    }
  };
  /** The top frame calls a domain, or returns. */
  const call = (id: number): void => {
    ledger[(FRAMES >> 2) + ledger[CORE_DEPTH >> 2]!++] = id;
  };
  const leave = (): void => void ledger[CORE_DEPTH >> 2]!--;
  const ownMs = (frame: number): number => {
    const word = ledger[(FRAMES >> 2) + frame]!;
    expect(word & FRAME_DOMAIN_MASK).toBeGreaterThanOrEqual(4);
    return ((word >>> FRAME_TIME_SHIFT) * FRAME_TIME_UNIT_US) / 1000;
  };
  return { ledger, clock, domains, overran, frames, tick, call, leave, ownMs };
}

/** What the first tick leaves in a frame. */
const MARK = 0.1;

describe("a tick", () => {
  test("charges the frame that was sampled, and nobody below", () => {
    const { frames, tick, ownMs, overran } = setUp();
    frames(4, 5);
    expect(tick(0)).toBe(false);
    expect(tick(7)).toBe(false);
    expect([ownMs(0), ownMs(1)]).toEqual([0, 7 + MARK]);
    expect(overran).toEqual([]);
  });

  test("traps in the running domain once its own time is more than its slice", () => {
    const { frames, tick, overran } = setUp();
    frames(4, 5);
    tick(0);
    expect(tick(SLICE_MS - 1)).toBe(false);
    expect(tick(1)).toBe(true);
    expect(overran).toEqual(["d5"]);
  });

  test("lets an innocent callee finish: the culprit below is marked, and traps when it is on top again", () => {
    const { frames, tick, call, leave, overran } = setUp();
    frames(4);
    tick(0);
    tick(SLICE_MS - 1);
    call(5);
    expect(tick(1, 1)).toBe(false);
    expect(overran).toEqual(["d4, below"]);
    leave();
    expect(tick(0)).toBe(true);
    expect(overran).toEqual(["d4, below"]);
  });

  test("charges a call nothing when it meets it for the first time: that was its caller's doing", () => {
    const { frames, tick, call, leave, ownMs, overran } = setUp();
    frames(4);
    tick(0);
    for (let i = 0; i < 100; i++) {
      call(5);
      expect(tick(100 * SLICE_MS)).toBe(false);
      expect(ownMs(1)).toBe(MARK);
      leave();
    }
    expect(ownMs(0)).toBe(MARK);
    expect(overran).toEqual([]);
  });

  test("charges nobody when the frame that was sampled has returned", () => {
    const { frames, tick, ownMs } = setUp();
    frames(4, 5);
    tick(0);
    frames(4);
    tick(100 * SLICE_MS, 2);
    expect(ownMs(0)).toBe(0);
  });

  test("charges two periods at most for an interval with calls in it", () => {
    const { frames, tick, call, leave, ownMs } = setUp();
    frames(4);
    tick(0);
    call(5);
    leave();
    tick(100 * SLICE_MS);
    expect(ownMs(0)).toBe(2 + MARK);
    expect(tick(5)).toBe(false);
    expect(ownMs(0)).toBe(7 + MARK);
  });

  test("charges two periods at most when a debugger held the thread: long asked, hardly computed", () => {
    const { frames, tick, ownMs, overran } = setUp();
    frames(4);
    tick(0);
    expect(tick(2 * SLICE_MS, 1, 1000)).toBe(false);
    expect(ownMs(0)).toBe(2 + MARK);
    expect(tick(2 * SLICE_MS, 1, 2 * SLICE_MS)).toBe(true);
    expect(overran).toEqual(["d4"]);
  });

  test("writes nothing beyond the frames, however deep the stack is", () => {
    const { ledger, frames, tick } = setUp();
    frames(...Array.from({ length: MAX_FRAMES }, () => 4));
    const beyond = ledger.slice((FRAMES >> 2) + MAX_FRAMES);
    tick(0);
    tick(1);
    // CPU time is added up in the domain's record.
    beyond[((4 << DOMAIN_SHIFT) + DOMAIN_CPU) >> 2] = 20;
    expect(ledger.slice((FRAMES >> 2) + MAX_FRAMES)).toEqual(beyond);
  });

  test("traps in a domain that was killed meanwhile, and in no other", () => {
    const { domains, frames, tick } = setUp();
    frames(4, 5);
    domains[0]!.state = "dying";
    expect(tick(1)).toBe(false);
    frames(4);
    expect(tick(1)).toBe(true);
  });

  test("with no frame, or after control was in the host, charges nobody", () => {
    const { clock, frames, tick, ownMs } = setUp();
    frames();
    expect(tick(5)).toBe(false);
    frames(4);
    tick(1);
    clock.idle();
    expect(tick(1000)).toBe(false);
    expect(ownMs(0)).toBe(MARK);
  });

  test("adds up what is shorter than a unit of frame time", () => {
    const { frames, tick, ownMs } = setUp();
    frames(4);
    tick(0);
    for (let i = 0; i < 100; i++) tick(0.04);
    expect(ownMs(0)).toBeGreaterThan(3);
  });
});
