/** CPU slices and entries: who is charged for the time between two ticks, who is condemned, and who traps. */
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
const ENTRY_MS = 50;
/** The host's frames. */
const HOST = 1;

/** A clock over frames that a test lays by hand, and CPU time that it sets. */
function setUp() {
  const ledger = new Int32Array(TYPES >> 2);
  const trap = new WebAssembly.RuntimeError("dead");
  const limits = { ...DEFAULT_LIMITS, sliceMs: SLICE_MS, entryMs: ENTRY_MS };
  const domains = [4, 5, 6].map((id) => {
    const domain = new Domain({ name: `d${id}`, domain: `d${id}`, limits, provides: [], uses: [] }, id, id);
    domain.state = "running";
    return domain;
  });
  const host = new Domain(
    { ...domains[0]!.entry, limits: { ...limits, sliceMs: Infinity, entryMs: Infinity } },
    HOST,
    1,
  );
  const overran: string[] = [];
  const time = { micros: 0 };
  const clock = new SliceClock({
    ledger,
    trap,
    probe: () => {},
    cpuMicros: () => time.micros,
    tidy: () => {},
    byId: (id) => [host, ...domains].find((d) => d.id === id) ?? null,
    overrun: (domain, limit, _, running) => {
      const how = limit === "entryMs" ? " with its calls" : "";
      overran.push(`${domain.name}${how}${running ? "" : ", below"}`);
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
  /** The time that has passed. */
  const ms = (): number => time.micros / 1000;
  return { ledger, clock, domains, overran, frames, tick, call, leave, ownMs, ms };
}

/** What the first tick leaves in a frame. */
const MARK = 0.1;

describe("a tick", () => {
  test("charges the frame that was sampled, and nobody below", () => {
    const { frames, tick, ownMs, overran } = setUp();
    frames(4, 5);
    expect(tick(0)).toBe(false);
    expect(tick(7)).toBe(false);
    expect([ownMs(0), ownMs(1)]).toEqual([MARK, 7 + MARK]);
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
    for (let i = 0; i < ENTRY_MS / 2; i++) {
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
    expect(ownMs(0)).toBe(MARK);
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

describe("an entry", () => {
  /** So many milliseconds in the top frame's domain, one tick each. */
  const run = ({ tick }: ReturnType<typeof setUp>, ms: number): void => {
    for (let i = 0; i < ms; i++) tick(1, 100);
  };
  /** A call of `id` that lasts so long. */
  const calls = (clock: ReturnType<typeof setUp>, id: number, ms: number): void => {
    clock.call(id);
    run(clock, ms);
    clock.leave();
  };

  test("ends who makes ever new calls, when control is back in it", () => {
    const clock = setUp();
    clock.frames(4);
    run(clock, 1);
    for (let i = 0; clock.overran.length === 0; i++) {
      calls(clock, 5, 3);
      expect(i).toBeLessThan(2 * ENTRY_MS);
    }
    expect(clock.overran).toEqual(["d4 with its calls, below"]);
    clock.leave();
    expect(clock.tick(0)).toBe(false);
  });

  test("counts calls between domains in turns as their outermost caller's", () => {
    const clock = setUp();
    clock.frames(4);
    run(clock, 1);
    let turns = 0;
    for (; clock.overran.length === 0; turns++) {
      clock.call(5);
      calls(clock, 4, 1);
      clock.call(6);
      calls(clock, 5, 1);
      clock.leave();
      clock.leave();
    }
    expect(clock.overran).toEqual(["d4 with its calls, below"]);
    expect(turns).toBeLessThanOrEqual(ENTRY_MS);
  });

  test("ends the deepest that stayed, not who waits for it in one call", () => {
    const clock = setUp();
    clock.frames(4, 4, 5);
    run(clock, 1);
    while (clock.overran.length === 0) calls(clock, 6, 2);
    expect(clock.overran).toEqual(["d5 with its calls, below"]);
    clock.leave();
    run(clock, ENTRY_MS - 5);
    expect(clock.overran).toHaveLength(1);
  });

  test("does not hold one long call against who waited for it, nor one to each of several", () => {
    const clock = setUp();
    clock.frames(4);
    run(clock, 1);
    for (const id of [5, 6]) {
      clock.call(id);
      run(clock, 1);
      for (let i = 0; i < ENTRY_MS / 2 - 1; i++) calls(clock, HOST, 2);
      clock.leave();
      run(clock, SLICE_MS - 2);
    }
    expect(clock.overran).toEqual([]);
  });

  test("holds repeated long calls against who makes them", () => {
    const clock = setUp();
    clock.frames(4);
    run(clock, 1);
    let made = 0;
    for (; clock.overran.length === 0; made++) {
      clock.call(5);
      run(clock, 1);
      for (let i = 0; i < 10; i++) calls(clock, 6, 2);
      clock.leave();
      run(clock, 1);
    }
    expect(clock.overran).toEqual(["d4 with its calls"]);
    // Those of d5 take 20 ms each, and it may take ENTRY_MS.
    expect(made).toBeGreaterThan((2 * ENTRY_MS) / 24 - 1);
    expect(made).toBeLessThan((2 * ENTRY_MS) / 20 + 1);
  });

  test("of a domain that calls itself is one domain's, however deep it is", () => {
    const clock = setUp();
    const tree = (depth: number): void => {
      clock.call(4);
      run(clock, 1);
      for (let i = 0; i < Math.min(depth, 2) && clock.overran.length === 0; i++) tree(depth - 1);
      clock.leave();
    };
    clock.frames();
    tree(12);
    expect(clock.overran.map((who) => who.slice(0, 17))).toEqual(["d4 with its calls"]);
    expect(clock.ms()).toBeLessThan(2 * ENTRY_MS + SLICE_MS);
  });

  test("of a domain whose calls each run for a while, and then call deeper, is one domain's", () => {
    const clock = setUp();
    clock.frames();
    for (let depth = 0; clock.overran.length === 0 && depth < 100; depth++) {
      clock.call(4);
      run(clock, SLICE_MS / 2);
    }
    expect(clock.overran).toEqual(["d4 with its calls"]);
    expect(clock.ms()).toBeLessThan(2 * ENTRY_MS);
  });

  test("of domains that work together takes no longer than twice their limits together", () => {
    const clock = setUp();
    const tree = (depth: number): void => {
      const domain = clock.domains[depth % 3]!;
      if (!domain.alive) return;
      clock.call(domain.id);
      run(clock, 1);
      for (let i = 0; i < Math.min(depth, 3) && domain.alive; i++) tree(depth - 1);
      clock.leave();
    };
    clock.frames();
    tree(20);
    expect(clock.overran.length).toBeGreaterThan(0);
    expect(clock.ms()).toBeLessThan(2 * 3 * ENTRY_MS);
  });

  test("is never held against the host: neither its service that calls for ever, nor who waits for one", () => {
    const clock = setUp();
    clock.frames(4, HOST);
    run(clock, 1);
    for (let i = 0; i < 2 * ENTRY_MS; i++) calls(clock, 5, 2);
    clock.leave();
    run(clock, SLICE_MS - 2);
    expect(clock.overran).toEqual([]);
  });

  test("counts two periods at most for what takes long without a tick: a service that computes", () => {
    const clock = setUp();
    clock.frames(4);
    run(clock, 1);
    for (let i = 0; i < ENTRY_MS / 2 - 2; i++) {
      clock.call(HOST);
      clock.leave();
      clock.tick(100, 100);
    }
    expect(clock.overran).toEqual([]);
  });

  test("has nothing to do with the one before", () => {
    const clock = setUp();
    for (let i = 0; i < 10; i++) {
      clock.frames(4);
      run(clock, 1);
      clock.call(5);
      run(clock, 1);
      for (let k = 0; k < ENTRY_MS / 2 - 2; k++) calls(clock, 6, 2);
      clock.leave();
      run(clock, SLICE_MS - 2);
      clock.frames();
      clock.clock.idle();
    }
    expect(clock.overran).toEqual([]);
  });

  test("ends when control is in the host: its own loop of short calls is nobody's", () => {
    const clock = setUp();
    for (let i = 0; i < 10 * ENTRY_MS; i++) {
      clock.frames(4);
      run(clock, 1);
      calls(clock, 5, 2);
      run(clock, 1);
      clock.frames();
      clock.clock.idle();
    }
    expect(clock.overran).toEqual([]);
  });
});
