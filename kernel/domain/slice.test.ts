/** CPU slices: who is charged for the time between two ticks, who is condemned, and who traps. */
import { describe, expect, test } from "vitest";
import {
  CORE_DEPTH,
  CORE_EPOCH,
  FRAME_DOMAIN_MASK,
  FRAME_TIME_SHIFT,
  FRAME_TIME_UNIT_US,
  FRAMES,
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
    overrun: (domain) => {
      overran.push(domain.name);
      domain.state = "dying";
    },
  });
  const frames = (...ids: number[]): void => {
    ids.forEach((id, i) => (ledger[(FRAMES >> 2) + i] = id));
    ledger[CORE_DEPTH >> 2] = ids.length;
  };
  /** A tick after so many milliseconds; whether it traps. */
  const tick = (ms: number): boolean => {
    time.micros += ms * 1000;
    ledger[CORE_EPOCH >> 2] = 1;
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
  const ownMs = (frame: number): number => {
    const word = ledger[(FRAMES >> 2) + frame]!;
    expect(word & FRAME_DOMAIN_MASK).toBeGreaterThanOrEqual(4);
    return ((word >>> FRAME_TIME_SHIFT) * FRAME_TIME_UNIT_US) / 1000;
  };
  return { ledger, clock, domains, overran, frames, tick, ownMs };
}

describe("a tick", () => {
  test("charges the frame on top, and nobody below", () => {
    const { frames, tick, ownMs, overran } = setUp();
    frames(4, 5);
    expect(tick(0)).toBe(false);
    expect(tick(7)).toBe(false);
    expect([ownMs(0), ownMs(1)]).toEqual([0, 7]);
    expect(overran).toEqual([]);
  });

  test("traps in the running domain once its own time is more than its slice", () => {
    const { frames, tick, overran } = setUp();
    frames(4, 5);
    tick(0);
    expect(tick(SLICE_MS)).toBe(false);
    expect(tick(1)).toBe(true);
    expect(overran).toEqual(["d5"]);
  });

  test("lets an innocent callee finish: the culprit below is marked, and traps when it is on top again", () => {
    const { ledger, frames, tick, overran } = setUp();
    frames(4);
    tick(0);
    tick(SLICE_MS - 1);
    ledger[(FRAMES >> 2) + 1] = 5;
    ledger[CORE_DEPTH >> 2] = 2;
    ledger[FRAMES >> 2]! += 20 << FRAME_TIME_SHIFT;
    expect(tick(1)).toBe(false);
    expect(overran).toEqual(["d4"]);
    ledger[CORE_DEPTH >> 2] = 1;
    expect(tick(0)).toBe(true);
    expect(overran).toEqual(["d4"]);
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
    clock.idle();
    frames(4);
    expect(tick(1000)).toBe(false);
    expect(ownMs(0)).toBe(0);
  });

  test("adds up what is shorter than a unit of frame time", () => {
    const { frames, tick, ownMs } = setUp();
    frames(4);
    tick(0);
    for (let i = 0; i < 100; i++) tick(0.04);
    expect(ownMs(0)).toBeGreaterThan(3);
  });
});
