/**
 * Stack exhaustion: the remaining stack is swept in small steps through a proxy, from plenty to none.
 *
 * Whoever runs out, the state is consistent and the blame right: a caller that calls with too little left is the one
 * that dies, its callee never does; a callee that recurses without end dies itself, and its caller goes on.
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { makeLab, type Lab, type Names } from "../support/lab.ts";

const IDL = `
export type Item = { a: u32 };
export declare enum Err { Failed }
/** Does a little, or recurses for ever. */
export interface Server {
  touch(x: RRef<Item>, y: Borrow<Item>): RpcResult<RRef<Item>, Err>;
  forever(): RpcResult<void, Err>;
  /** Needs some KiB of stack, and ticks. */
  some(): RpcResult<void, Err>;
}
/** Recurses \`levels\` deep and calls from there: \`deep\` with objects that it makes there, \`bare\` without. */
export interface Client {
  deep(levels: u32): RpcResult<u32, Err>;
  bare(levels: u32): RpcResult<u32, Err>;
  survive(): RpcResult<u32, Err>;
}
`;

const server = (n: Names): string => `(module
  (import "heap" "store_i32" (func $store (param i32 i32 i32)))
  (func $forever (param i64 i64) (result i64) (i64.add (local.get 0) (call $forever (local.get 1) (i64.add (local.get 0) (i64.const 1)))))
  (func (export "${n.serve("Server.forever")}") (param i32) (result i32) (drop (call $forever (i64.const 0) (i64.const 1))) (i32.const 0))
  (func $levels (param i32) (result i32) (if (result i32) (local.get 0)
    (then (i32.add (call $levels (i32.sub (local.get 0) (i32.const 1))) (i32.const 1))) (else (i32.const 0))))
  (func (export "${n.serve("Server.some")}") (param i32) (result i32)
    (drop (call $levels (i32.const 200))) (i32.const 0))
  (func (export "${n.serve("Server.touch")}") (param i32 i32 i32) (result i32)
    (call $store (i32.const 5) (local.get 1) (i32.const 0)) (local.get 1)))`;

const client = (n: Names): string => `(module
  (import "rpc" "set0" (func $set0 (param i32)))
  (import "${n.module("Server")}" "use" (func $use (param i32 i32) (result i32)))
  (import "${n.module("Server")}" "touch" (func $touch (param i32 i32 i32) (result i32)))
  (import "${n.module("Server")}" "forever" (func $forever (param i32) (result i32)))
  (import "${n.module("Server")}" "some" (func $some (param i32) (result i32)))
  (import "heap" "free" (func $free (param i32)))
  ${n.newType("Item")}
  (memory 1) (data (i32.const 0) "s") (global $s (mut i32) (i32.const 0))
  (func (export "_init") (global.set $s (call $use (i32.const 0) (i32.const 1))))
  (func $deep (param $levels i32) (result i32) (local $item i32) (local $lent i32)
    (if (result i32) (local.get $levels)
      (then (i32.add (call $deep (i32.sub (local.get $levels) (i32.const 1))) (i32.const 1)))
      (else
        (local.set $item (call $new_Item)) (local.set $lent (call $new_Item))
        (call $free (call $touch (local.get $item) (local.get $lent) (global.get $s)))
        (call $free (local.get $lent))
        (i32.const 0))))
  (func $bare (param $levels i32) (result i32)
    (if (result i32) (local.get $levels)
      (then (i32.add (call $bare (i32.sub (local.get $levels) (i32.const 1))) (i32.const 1)))
      (else (call $some (global.get $s)))))
  (func (export "${n.serve("Client.bare")}") (param i32 i32) (result i32) (call $set0 (call $bare (local.get 1))) (i32.const 0))
  (func (export "${n.serve("Client.deep")}") (param i32 i32) (result i32) (call $set0 (call $deep (local.get 1))) (i32.const 0))
  (func (export "${n.serve("Client.survive")}") (param i32) (result i32) (call $set0 (call $forever (global.get $s))) (i32.const 0)))`;

type Answer = { ok: boolean; value?: number; fault?: string };
type Method = "deep" | "bare";
type Client = Record<Method, (levels: number) => Answer> & { survive(): Answer };

async function boot(): Promise<Lab> {
  return makeLab({
    idl: IDL,
    domains: {
      server: { wat: unlike(server), provides: { s: "Server" } },
      client: { wat: unlike(client), provides: { c: "Client" }, uses: { s: ["Server", "server"] } },
    },
  });
}

let serial = 0;
/** V8 shares code, and the tier that it has reached, between modules of the same bytes. */
function unlike(wat: (n: Names) => string): (n: Names) => string {
  const nonce = `(func (drop (i32.const ${serial++}))))`;
  return (n) => wat(n).trimEnd().slice(0, -1) + nonce;
}

/** What one depth does to a fresh client. True when it died. */
function probe(lab: Lab, method: Method, levels: number): boolean {
  const faults = lab.faults.length;
  const answer = lab.client<Client>("client.c")[method](levels);
  lab.audit();
  expect(lab.system.kernel.heap.statistics().objects, `levels ${levels}`).toBe(0);
  expect(lab.info("server").state, `levels ${levels}: the callee is innocent`).toBe("running");
  if (answer.ok) {
    expect(answer.value).toBe(levels);
    return false;
  }
  expect(answer).toEqual({ ok: false, fault: "crashed" });
  expect(lab.faults.slice(faults)).toMatchObject([{ domain: "client", kind: "stack" }]);
  return true;
}

/** A new client in the place of the dead one: the same compiled module, in whatever tier it has reached. */
async function revive(lab: Lab): Promise<void> {
  await lab.load("client");
}

describe("the remaining stack, swept", () => {
  // Frames differ by tier, so each tier has its own limit: fresh code, and code that V8 has optimised.
  const ways = (["fresh", "optimised"] as const).flatMap((tier) =>
    (["deep", "bare"] as const).map((method) => [tier, method] as const),
  );
  test.each(ways)(
    "the caller that calls with too little left is blamed, at every depth: %s code, %s calls",
    async (tier, method) => {
      let lab = await boot();
      const renew = async (): Promise<void> => {
        if (tier === "optimised") return revive(lab);
        await lab.close();
        lab = await boot();
      };
      if (tier === "optimised") {
        for (let i = 0; i < 3000; i++) lab.client<Client>("client.c")[method](100);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      const dies = async (levels: number): Promise<boolean> => {
        const died = probe(lab, method, levels);
        if (died || tier === "fresh") await renew();
        return died;
      };
      let low = 0;
      let high = 1 << 17;
      while (high - low > 16) {
        const middle = (low + high) >> 1;
        if (await dies(middle)) high = middle;
        else low = middle;
      }
      // The limit moves while V8 optimises the kernel's own frames, so the sweep begins below it and goes on until
      // enough have died beyond it. A level is 14 bytes of optimised stack, or 64 of fresh.
      while (await dies(low - 300)) low -= 300;
      let deaths = 0;
      let survivors = 0;
      const [enough, step] = tier === "optimised" ? [200, 1] : [30, 48];
      for (let levels = low - 300; deaths < enough; levels += step) {
        if (await dies(levels)) deaths++;
        else survivors++;
      }
      expect(survivors).toBeGreaterThan(3);
      await lab.close();
    },
    180_000,
  );

  test("a callee that recurses without end dies alone, and its caller goes on", async () => {
    const lab = await boot();
    expect(lab.client<Client>("client.c").survive()).toEqual({ ok: true, value: 257 });
    expect(lab.faults).toMatchObject([{ domain: "server", kind: "stack", chain: ["host", "client", "server"] }]);
    lab.audit();
    await lab.close();
  });
});

describe("the guaranteed head room", () => {
  const child = fileURLToPath(new URL("head-room-child.ts", import.meta.url));
  /** Levels of an interpreted function that fit in it. */
  const levels = (flags: readonly string[], ...args: string[]): number =>
    Number(execFileSync(process.execPath, [...flags, child, ...args], { encoding: "utf8" }));
  const ofProbe = (compiler: string): number =>
    levels([compiler, "--no-opt", "--no-maglev", "--no-sparkplug"], "probe");
  /** Bytes; a level takes 104. */
  const expectRoom = (count: number, bytes: number): void => {
    expect(count * 104).toBeGreaterThan(bytes);
    expect(count * 104).toBeLessThan(bytes * 1.1);
  };

  test("of the probe is the same whichever of V8's compilers made it", () => {
    const [baseline, optimised] = [ofProbe("--liftoff-only"), ofProbe("--no-liftoff")];
    expectRoom(baseline, 32_000);
    expect(Math.abs(baseline - optimised)).toBeLessThanOrEqual(3);
  });

  test.each(["interpreter", "baseline", "middle", "best"])(
    "of proxies is half as much again: made by the %s compiler",
    (compiler) => {
      expectRoom(levels(["--allow-natives-syntax"], "room", compiler), 48_000);
    },
  );
});
