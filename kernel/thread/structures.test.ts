/** The structures under threads: timers, ready queue, argument region, budget. Each against a simple model. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DEFAULT_LIMITS } from "../manifest/manifest.ts";
import { Domain } from "../domain/domain.ts";
import { ArgumentRegion } from "./arguments.ts";
import { Budget } from "./budget.ts";
import { ReadyQueue } from "./ready.ts";
import { DomainThreads, Thread } from "./thread.ts";
import { Timers, type Timed } from "./timers.ts";

const domain = (threads = 4): Domain => {
  const limits = { ...DEFAULT_LIMITS, threads };
  return new Domain({ name: "d", domain: "d", limits, provides: [], uses: [] }, 4, 1);
};
const thread = (priority = 1): Thread => new Thread(domain(), null, priority);

test("timers give the earliest first, whatever is added and taken out", () => {
  const step = fc.record({ add: fc.boolean(), deadline: fc.integer({ min: 0, max: 50 }), pick: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const timers = new Timers<Timed>();
      const model: Timed[] = [];
      for (const { add, deadline, pick } of steps) {
        if (add) {
          const item = { deadline, heapIndex: -1 };
          model.push(item);
          timers.add(item);
        } else if (model.length > 0) {
          const [item] = model.splice(pick % model.length, 1);
          timers.remove(item!);
          timers.remove(item!);
        }
        const earliest = Math.min(...model.map((m) => m.deadline));
        expect(timers.first?.deadline ?? Infinity).toBe(earliest);
        expect(new Set(model.map((m) => m.heapIndex)).size).toBe(model.length);
      }
    }),
  );
});

describe("the ready queue", () => {
  test("chooses the highest level, in order, and what is unwound before all", () => {
    const queue = new ReadyQueue();
    const threads = [0, 3, 1, 3, 2].map((priority) => thread(priority));
    const unwound = thread(0);
    unwound.unwinding = true;
    for (const t of [...threads, unwound]) queue.push(t);
    expect(queue.size).toBe(6);
    const order = Array.from({ length: 6 }, () => queue.shift());
    expect(order).toEqual([unwound, threads[1], threads[3], threads[4], threads[2], threads[0]]);
    expect([queue.shift(), queue.size]).toEqual([null, 0]);
  });

  test("a removed thread is not chosen; its neighbours are", () => {
    const queue = new ReadyQueue();
    const threads = [0, 1, 2].map(() => thread());
    threads.forEach((t) => queue.push(t));
    queue.remove(threads[1]!);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([threads[0], threads[2], null]);
  });

  test("every level is chosen, while all others are always ready", () => {
    const queue = new ReadyQueue();
    for (let priority = 0; priority < 4; priority++) queue.push(thread(priority));
    const chosen = [0, 0, 0, 0];
    for (let i = 0; i < 320; i++) {
      const t = queue.shift()!;
      chosen[t.priority]!++;
      queue.push(t);
    }
    expect(chosen).toEqual([10, 10, 10, 290]);
  });
});

test("the argument region: no two calls share a byte, and all of it comes back", () => {
  const step = fc.record({ plain: fc.boolean(), take: fc.boolean(), size: fc.nat(40), pick: fc.nat(1000) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const region = new ArgumentRegion();
      region.locate(64, 512);
      const taken: { at: number; size: number }[] = [];
      const tops: number[] = [];
      for (const { plain, take, size, pick } of steps) {
        const bytes = (size + 7) & ~7;
        if (plain && take && region.top + bytes <= region.end) {
          tops.push(region.top);
          region.top += bytes;
        } else if (plain && tops.length > 0) region.top = tops.pop()!;
        else if (take) {
          const at = region.find(bytes);
          if (at < 0) continue;
          region.take(at, bytes);
          taken.push({ at, size: bytes });
        } else if (taken.length > 0) region.give(taken.splice(pick % taken.length, 1)[0]!.at);
        const regions = taken.filter((t) => t.size > 0).toSorted((a, b) => a.at - b.at);
        regions.forEach((r, i) => {
          expect(r.at).toBeGreaterThanOrEqual(i === 0 ? region.top : regions[i - 1]!.at + regions[i - 1]!.size);
          expect(r.at & 7).toBe(0);
        });
        expect(region.end).toBeGreaterThanOrEqual(region.top);
      }
      for (const { at } of taken) region.give(at);
      expect(region.end).toBe(512);
    }),
    { numRuns: 2000 },
  );
});

test("a budget gives no more than it has", () => {
  const budget = new Budget(2);
  expect([budget.take(), budget.take(), budget.take(), budget.used]).toEqual([true, true, false, 2]);
  budget.give();
  expect([budget.available, budget.take(), budget.available]).toEqual([true, true, false]);
});

test("exit codes of the last threads are kept, of older ones not; events are limited", () => {
  const threads = new DomainThreads(2);
  for (const id of [1, 2, 3]) threads.ended(id, id * 10);
  expect([1, 2, 3].map((id) => threads.exitCode(id))).toEqual([undefined, 20, 30]);
  let count = 0;
  while (threads.newEvent() !== 0) count++;
  expect(count).toBe(65_536);
  threads.clear();
  expect(threads.exitCode(3)).toBeUndefined();
  expect(threads.newEvent()).toBeGreaterThan(65_536);
});

test("ids that come around after 2^31 pass by those that are in use", () => {
  const threads = new DomainThreads(4, 0x7fffffff - 1);
  expect([threads.newEvent(), threads.newEvent()]).toEqual([0x7fffffff, 1]);
  const around = new DomainThreads(4, 0x7fffffff);
  around.live.set(1, thread());
  expect([around.newEvent(), around.nextId()]).toEqual([2, 3]);
});
