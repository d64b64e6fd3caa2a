/** Restart policies: who is restarted, after how long, how often, and when no more. */
import { describe, expect, test } from "vitest";
import { Domain } from "../domain/domain.ts";
import type { FaultKind } from "../domain/fault.ts";
import { DEFAULT_LIMITS, DEFAULT_RESTART, type Restart } from "../manifest/manifest.ts";
import { Supervisor } from "./supervisor.ts";

/** A clock that a test moves, and timers that fire when it does. */
function setUp(restart?: Partial<Restart>) {
  const time = { now: 1000 };
  let timers: { at: number; call: () => void }[] = [];
  const delays: number[] = [];
  let revived = 0;
  const supervisor = new Supervisor({
    now: () => time.now,
    after: (ms, call) => {
      delays.push(ms);
      const timer = { at: time.now + ms, call };
      timers.push(timer);
      return () => (timers = timers.filter((t) => t !== timer));
    },
    revive: () => void revived++,
  });
  const entry = { name: "d", domain: "d", limits: DEFAULT_LIMITS, provides: [], uses: [] };
  const domain = new Domain(
    restart === undefined ? entry : { ...entry, restart: { ...DEFAULT_RESTART, ...restart } },
    4,
    1,
  );
  const advance = (ms: number): void => {
    time.now += ms;
    const due = timers.filter((t) => t.at <= time.now);
    timers = timers.filter((t) => t.at > time.now);
    due.forEach((t) => t.call());
  };
  const die = (kind: FaultKind = "trap"): boolean => supervisor.buried(domain, kind);
  return { supervisor, domain, advance, die, delays, revived: () => revived, pending: () => timers.length };
}

describe("policies", () => {
  test.each([
    ["never", "trap", false],
    ["never", "killed", false],
    ["on-fault", "trap", true],
    ["on-fault", "slice", true],
    ["on-fault", "killed", false],
    ["always", "killed", true],
    ["always", "abort", true],
  ] as const)("%s after %s: %s", (policy, kind, lives) => {
    expect(setUp({ policy }).die(kind)).toBe(lives);
  });

  test("none at all is never", () => expect(setUp().die()).toBe(false));
});

describe("back-off", () => {
  test("the first is immediate, the next wait twice as long each, up to the greatest delay", () => {
    const { die, advance, delays, revived } = setUp({ policy: "always", backoffMs: 10, maxBackoffMs: 50, limit: 100 });
    expect(die()).toBe(true);
    for (let i = 0; i < 5; i++) {
      expect(die()).toBe(false);
      advance(delays.at(-1)!);
      expect(revived()).toBe(i + 1);
    }
    expect(delays).toEqual([10, 20, 40, 50, 50]);
  });

  test("without one every restart is immediate, however many there are", () => {
    const { die } = setUp({ policy: "always", backoffMs: 0, limit: 1_000_000 });
    expect(Array.from({ length: 3000 }, () => die()).every(Boolean)).toBe(true);
  });

  test("after a quiet window it begins anew", () => {
    const { die, advance } = setUp({ policy: "always", withinMs: 1000 });
    expect([die(), die()]).toEqual([true, false]);
    advance(2000);
    expect(die()).toBe(true);
  });

  test("no more than the limit within the window", () => {
    const { die, advance, pending, domain, supervisor } = setUp({ policy: "always", limit: 3, withinMs: 10_000 });
    die();
    for (let i = 0; i < 2; i++) {
      die();
      expect(supervisor.waiting(domain)).toBe(true);
      advance(100);
    }
    expect(die()).toBe(false);
    expect(pending()).toBe(0);
    expect(supervisor.waiting(domain)).toBe(false);
    advance(11_000);
    expect(die()).toBe(true);
  });
});

test("forget takes back what is under way, and the count", () => {
  const { supervisor, domain, die, advance, revived } = setUp({ policy: "always" });
  die();
  die();
  supervisor.forget(domain);
  advance(10_000);
  expect(revived()).toBe(0);
  expect(die()).toBe(true);
});

test("after stop nobody is restarted", () => {
  const { supervisor, die, advance, revived } = setUp({ policy: "always" });
  die();
  die();
  supervisor.stop();
  advance(10_000);
  expect(revived()).toBe(0);
  expect(die()).toBe(false);
});
