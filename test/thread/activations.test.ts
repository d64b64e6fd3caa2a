/**
 * Several activations of one domain: their texts, results and argument regions do not mix, whatever the order in which
 * they end.
 */
import { afterEach, describe, expect, test } from "vitest";
import { Entry, makeWorld, turns, until, type Control, type World, type WorldOptions } from "./world.ts";

let world: World;
let a: Control;
afterEach(async () => {
  world.lab.audit();
  await world.lab.close();
});
const start = async (options: Partial<WorldOptions> = {}): Promise<void> => {
  world = await makeWorld({ domains: { a: null }, ...options });
  a = world.control("a");
};
const live = (name = "a"): number => world.lab.info(name).threads;

describe("activations of one domain keep apart", () => {
  test("their texts, whatever the order in which they end", async () => {
    await start({ threads: 6 });
    const events = [0, 1, 2, 3].map(() => a.call("eventNew") as number);
    const texts = ["abc", "zyxw", "m", "0123456789"];
    const calls = events.map((event, i) => a.text(event, texts[i]!, `${i}`.repeat(20)));
    await turns();
    const answers = new Map<number, string>();
    calls.forEach((call, i) =>
      call.then(({ value }) => {
        const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
        answers.set(i, `${text(value!.a)} ${text(value!.b)}`);
      }),
    );
    const further = (text: string): string => String.fromCharCode(...[...text].map((c) => c.charCodeAt(0) + 1));
    for (const i of [2, 0]) a.call("eventSet", events[i]!);
    await until(() => answers.size === 2);
    // Their regions are free again: others fit where they were.
    const late = a.text(events[1]!, "late", "later");
    await turns();
    for (const i of [3, 1]) a.call("eventSet", events[i]!);
    expect(new TextDecoder().decode((await late).value!.b)).toBe(further("later"));
    await until(() => answers.size === 4);
    for (const [i, answer] of answers) expect(answer).toBe(`${further(texts[i]!)} ${further(`${i}`.repeat(20))}`);
    const { args } = world.lab.system.kernel.domain("a");
    expect([args.top, args.end]).toEqual([1024, 1536]);
  });

  test("and those that end together", async () => {
    await start({ threads: 6 });
    const event = a.call("eventNew") as number;
    const calls = [1, 2, 3, 4].map((i) => a.text(event, `${i}${i}`, "x"));
    await turns();
    a.call("eventSet", event);
    const answers = (await Promise.all(calls)).map(({ value }) => new TextDecoder().decode(value!.a));
    expect(answers).toEqual(["22", "33", "44", "55"]);
  });

  test("their result words, when several are answered before any of them runs", async () => {
    await start({ domains: { a: "b", b: null } });
    for (let i = 0; i < 3; i++) a.spawn(Entry.call, Entry.host | (i << 4));
    await until(() => world.waiting.length === 3);
    world.waiting.forEach(({ end }, i) => end(11 + i));
    await until(() => live() === 0);
    // Each value as b's thread saw it, and as a's did.
    expect(world.notes.toSorted((x, y) => x - y)).toEqual([11, 11, 12, 12, 13, 13]);
  });

  test("their answers out of one buffer, and answers into one buffer", async () => {
    await start({ domains: { a: "b", b: null } });
    const b = world.control("b");
    const words = ["one", "two", "three"];
    const answers = await Promise.all(words.map((word) => b.echo(word)));
    expect(answers.map(({ value }) => new TextDecoder().decode(value))).toEqual(words);
    const event = b.call("eventNew") as number;
    for (const letter of [0x41, 0x51, 0x61]) a.spawn(Entry.callText, event | (letter << 8));
    await until(() => live("b") === 3);
    b.call("eventSet", event);
    await until(() => live() === 0);
    expect(world.notes).toEqual([0x42, 0x52, 0x62].map((letter) => letter | (letter << 8)));
  });

  test("a text for which there is no room is refused, and those before stay whole", async () => {
    await start({ threads: 8 });
    const event = a.call("eventNew") as number;
    const full = "x".repeat(64);
    const calls = Array.from({ length: 5 }, () => a.text(event, full, full));
    expect(await calls[4]).toEqual({ ok: false, fault: "tooLarge" });
    a.call("eventSet", event);
    for (const call of calls.slice(0, 4))
      expect((await call).value!.a).toEqual(new TextEncoder().encode("y".repeat(64)));
  });
});
