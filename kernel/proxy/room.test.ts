/**
 * Head room, as far as one process can see: `room` asks for much more than its own frame, and every proxy calls it
 * first. What proxies guarantee in each of V8's tiers is `test/proxy/stack.test.ts`'s business.
 */
import { expect, test } from "vitest";
import { compileIdl } from "../../test/support/lab.ts";
import { generateProxy } from "./generate.ts";
import { room } from "./room.ts";

/** A level of `descend` takes this much at least, in any tier. */
const LEVEL_BYTES = 32;

test("room fails long before the stack ends", () => {
  let failed = -1;
  let deepest = 0;
  const descend = (level: number): void => {
    deepest = level;
    if (failed < 0) {
      try {
        room(0);
      } catch {
        failed = level;
      }
    }
    descend(level + 1);
  };
  expect(() => descend(0)).toThrow(RangeError);
  expect(failed).toBeGreaterThan(0);
  // 48 KiB, if no level took more than that: frames of the interpreter are some hundred bytes.
  expect(deepest - failed).toBeGreaterThan(100);
  expect((deepest - failed) * LEVEL_BYTES).toBeLessThan(512 * 1024);
});

test("every proxy asks for room before it does anything", () => {
  const model = compileIdl(`
    export type Item = { a: u32 };
    export declare enum Err { Failed }
    export interface Server {
      plain(): RpcResult<void, Err>;
      moves(x: RRef<Item>, y: Borrow<Item>): RpcResult<RRef<Item>, Err>;
      text(t: Str<16>): RpcResult<Str<16>, Err>;
      waits(): Promise<RpcResult<u32, Err>>;
    }`);
  const typeIds = new Map(Object.keys(model.types).map((key, i) => [key, i + 1]));
  const [caller, callee] = [4, 5].map((id) => ({ name: `d${id}`, id, generation: 1 }));
  for (const method of model.interfaces.Server!.methods) {
    const edge = { model, interface: model.interfaces.Server!, method, self: 0, counter: 1, typeIds };
    const [head, ...lines] = generateProxy({ ...edge, caller: caller!, callee: callee! }).split("\n");
    expect(head).toMatch(/^\(function /);
    expect([method.name, lines.slice(0, 2).map((line) => line.trim())]).toEqual([
      method.name,
      [expect.stringMatching(/^const depth = L\[\d+\];$/), "room(depth);"],
    ]);
  }
});
