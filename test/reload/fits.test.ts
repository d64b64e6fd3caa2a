/**
 * What a running system refuses to take: a build against other interfaces, or with other objects than the manifest's.
 */
import { describe, expect, test } from "vitest";
import { interfaceKey, exportName, type Model } from "#kernel/interface/model.ts";
import { DEFAULT_LIMITS, type DomainDescriptor } from "#kernel/manifest/manifest.ts";
import type { DomainBuild } from "#tools/build/index.ts";
import { difference } from "#tools/reload/declarations.ts";
import { checkFits, fingerprintsOf, instancesOf, reload, type Running } from "#tools/reload/reload.ts";
import { assemble, compileIdl } from "../support/lab.ts";

const IDL = `
export declare enum Colour { Red, Green }
export type Box = { width: u32; colour: Colour; inner: RRef<Box>; };
export interface Peer { ping(): RpcResult<void, never>; }
export interface Store {
  put(box: RRef<Box>, name: Str<16>): RpcResult<void, Colour>;
  take(peer: Peer): RpcResult<{ a: u32; b: u64 }, never>;
  slow(): Promise<RpcResult<u32, never>>;
}`;
const model = compileIdl(IDL);
/** The same declarations with one text replaced. */
function changed(old: string, now: string): Model {
  expect(IDL).toContain(old);
  return compileIdl(IDL.replace(old, now));
}

describe("the difference between two versions of an interface", () => {
  test.each([
    [
      "a parameter",
      "name: Str<16>",
      "name: Str<32>",
      [
        "  Store.put",
        "  - put(box: RRef<Box>, name: Str<16>): RpcResult<void, Colour>",
        "  + put(box: RRef<Box>, name: Str<32>): RpcResult<void, Colour>",
      ],
    ],
    [
      "a result",
      "b: u64 }",
      "b: u32 }",
      [
        "  Store.take",
        "  - take(peer: Peer): RpcResult<{ a: u32; b: u64 }, never>",
        "  + take(peer: Peer): RpcResult<{ a: u32; b: u32 }, never>",
      ],
    ],
    [
      "asynchronous",
      "Promise<RpcResult<u32, never>>",
      "RpcResult<u32, never>",
      ["  Store.slow", "  - slow(): Promise<RpcResult<u32, never>>", "  + slow(): RpcResult<u32, never>"],
    ],
    [
      "a method less",
      "  slow(): Promise<RpcResult<u32, never>>;\n",
      "",
      ["  Store.slow", "  - slow(): Promise<RpcResult<u32, never>>"],
    ],
    ["a member of an enum", "Green }", "Green, Blue }", ["  Colour.Blue", "  + Blue = 2"]],
    [
      "a field of an object",
      "width: u32",
      "width: u64",
      [
        "  Box.width",
        "  - width: u32 (at byte 0)",
        "  + width: u64 (at byte 0)",
        "  Box.colour",
        "  - colour: Colour (at byte 4)",
        "  + colour: Colour (at byte 8)",
      ],
    ],
    [
      "an interface that is passed",
      "ping(): ",
      "pong(): ",
      ["  Peer.ping", "  - ping(): RpcResult<void, never>", "  Peer.pong", "  + pong(): RpcResult<void, never>"],
    ],
  ])("%s", (_, old, now, lines) => expect(difference(model, changed(old, now), "Store")).toEqual(lines));

  test("the order of methods", () => {
    const lines = "  slow(): Promise<RpcResult<u32, never>>;\n";
    const other = compileIdl(IDL.replace(lines, "").replace("Store {\n", `Store {\n${lines}`));
    expect(other.interfaces.Store!.fingerprint).not.toBe(model.interfaces.Store!.fingerprint);
    expect(difference(model, other, "Store")[0]).toBe("  the order of its declarations");
  });
});

/** A module that serves Store and uses Peer as `with` has them. */
async function built(with_: Model, descriptor: Partial<DomainDescriptor> = {}): Promise<DomainBuild> {
  const { Store, Peer } = with_.interfaces;
  const exports = Store!.methods.map((m) => `(func (export "${exportName(Store!, m)}"))`).join("");
  const bytes = await assemble(`(module (import "${interfaceKey(Peer!)}" "ping" (func)) ${exports})`);
  return {
    name: "shop",
    dir: "domains/shop",
    descriptor: { description: "", provides: { store: "Store" }, uses: { peer: "Peer" }, ...descriptor },
    bytes: new Uint8Array(bytes),
    file: "build/domains/shop.wasm",
    sourceMap: null,
    compiled: true,
  };
}
const entry = (name: string, domain: string) => ({
  name,
  domain,
  limits: DEFAULT_LIMITS,
  provides: [{ name: "store", interface: "Store", self: 0 }],
  uses: [{ name: "peer", interface: "Peer", provider: "host", object: "peer", self: 0 }],
});
const running: Running = { model, domains: [entry("a", "shop"), entry("other", "kv"), entry("b", "shop")] };

describe("a build", () => {
  test("that fits replaces every instance, and one failure hides no other", async () => {
    const build = await built(model);
    expect([...fingerprintsOf(build.bytes).keys()].toSorted()).toEqual(["Peer", "Store"]);
    expect(instancesOf(running, "shop")).toEqual(["a", "b"]);
    const target = {
      running: () => running,
      replace: async (instance: string) => {
        if (instance === "a") throw new Error("it died");
        return true;
      },
    };
    const results = await reload(target, ["a", "b"], build, model);
    expect(results).toMatchObject([
      { instance: "a", ok: false, why: "it died" },
      { instance: "b", ok: true, stateHandedOver: true },
    ]);
  });

  test("against another version of what it serves is refused with the difference, before anything is touched", async () => {
    const other = changed("name: Str<16>", "name: Str<32>");
    const build = await built(other);
    const target = { running: () => running, replace: () => Promise.reject(new Error("touched")) };
    await expect(reload(target, ["a", "b"], build, other)).rejects.toThrow(
      /^shop was built with another Store than the running system has\n {2}Store\.put\n {2}- put.*Str<16>.*\n {2}\+ put.*Str<32>/,
    );
  });

  test("against another version of what it uses is refused; what it does not reach may change", async () => {
    const other = changed("ping(): RpcResult<void", "ping(): RpcResult<u32");
    const build = await built(other);
    expect(() => checkFits(running, ["a"], build, other)).toThrow(/another Peer .*\n {2}Peer\.ping\n {2}- ping/);
    const more = compileIdl(`${IDL}\nexport interface Unrelated { x(): RpcResult<void, never>; }`);
    checkFits(running, ["a"], await built(more), more);
  });

  test("with an interface that the system does not know", async () => {
    const more = compileIdl(`${IDL}\nexport interface New { x(): RpcResult<void, never>; }`);
    const build = await built(more, { uses: { peer: "Peer", fresh: "New" } });
    expect(() => checkFits(running, ["a"], build, more)).toThrow("shop needs New, which the running system does not");
  });

  test("whose descriptor has changed is refused for each instance", async () => {
    const build = await built(model, { provides: { store: "Store", second: "Store" }, uses: {} });
    expect(() => checkFits(running, ["a", "b"], build, model)).toThrow(
      [
        "domains/shop/domain.ts has changed",
        "  a provides",
        "  + second: Store",
        "  a uses",
        "  - peer: Peer",
        "  b provides",
      ].join("\n"),
    );
  });
});
