/**
 * Tests of the sampling loop with subjects that keep a diary instead of taking time.
 */
import { describe, expect, it } from "vitest";
import { coldSubject, loopSubject, sampleAll, type Subject } from "./sample.ts";

function diary(name: string, log: string[]): Subject {
  return {
    name,
    warm: () => void log.push(`warm ${name}`),
    sample: () => {
      log.push(name);
      return { ns: 1, cyclesPerNs: null };
    },
    close: () => void log.push(`close ${name}`),
  };
}

describe("sampleAll", () => {
  it("takes every case once in each round, in changing order, and closes all", async () => {
    const log: string[] = [];
    const results = await sampleAll(
      ["a", "b", "c"].map((name) => diary(name, log)),
      4,
    );
    expect(results.map(({ name, samples }) => [name, samples.length])).toEqual([
      ["a", 4],
      ["b", 4],
      ["c", 4],
    ]);
    expect(log.slice(0, 3)).toEqual(["warm a", "warm b", "warm c"]);
    expect(log.slice(-3)).toEqual(["close a", "close b", "close c"]);
    const rounds = [0, 1, 2, 3].map((i) => log.slice(3 + i * 3, 6 + i * 3).join(""));
    for (const round of rounds) expect([...round].toSorted().join("")).toBe("abc");
    expect(new Set(rounds).size).toBeGreaterThan(2);
  });

  it("names the case that failed, and closes the others all the same", async () => {
    const log: string[] = [];
    const bad: Subject = { ...diary("bad", log), sample: () => Promise.reject(new Error("no answer")) };
    await expect(sampleAll([diary("good", log), bad], 1)).rejects.toThrow("case bad failed during sampling: no answer");
    expect(log).toContain("close good");
    expect(log).toContain("close bad");
  });
});

describe("subjects", () => {
  it("takes the undisturbed one of two clocks, and divides", () => {
    const speeds = [2, 3];
    let turns = 0;
    const subject = loopSubject("x", (n) => (turns += n), { cyclesPerNs: () => speeds.shift()! }, { divide: 4 });
    expect((subject.sample() as { cyclesPerNs: number }).cyclesPerNs).toBe(3);
    expect(turns).toBe(1);
  });

  it("does at least as many turns as asked for", () => {
    let turns = 0;
    void loopSubject("x", (n) => (turns += n), null, { atLeast: 9 }).sample();
    expect(turns).toBe(9);
  });

  it("has no cycles without a clock", () => {
    expect(loopSubject("x", () => {}, null).sample()).toMatchObject({ cyclesPerNs: null });
  });

  it("makes something fresh for each cold sample", () => {
    let made = 0;
    const subject = coldSubject("x", () => (made++, () => {}), { cyclesPerNs: () => 1 });
    void subject.sample();
    void subject.sample();
    expect(made).toBe(2);
  });
});
