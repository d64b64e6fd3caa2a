/**
 * A launcher in AssemblyScript that starts programs which lie in a key-value store: built like any domain, handed over
 * as bytes.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { validateManifest } from "#kernel/manifest/validate.ts";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { consoleService } from "#runtime/control/services.ts";
import { System } from "#runtime/node/system.ts";
import { buildDomain, buildInterfaces, buildSystem } from "#tools/build/index.ts";

const PIECE = 2048;
const manifest = defineSystem({
  name: "launcher",
  heap: { bytes: 16 << 20, objects: 1024 },
  domains: {
    medium: { domain: "medium", limits: { heapObjects: 512 } },
    disk: { domain: "ramdisk", uses: { medium: "medium.blocks" } },
    store: { domain: "kv", uses: { disk: "disk.disk" } },
    launcher: {
      domain: "launcher",
      uses: { domains: "kernel.domains", store: "store.store", console: "host.console" },
      limits: { memoryPages: 20 },
    },
  },
});

interface KeyValue {
  put(key: string, value: Uint8Array): { ok: boolean };
}
interface Shell {
  execute(line: string): { ok: boolean; value: string; fault?: string };
}
let system: System;
let said: string[];
beforeEach(async () => {
  const build = await buildSystem(manifest, { roots: ["domains", "test/domains"] });
  said = [];
  system = new System(build.system, { images: build.images });
  system.serve(
    "Console",
    consoleService((line) => said.push(line)),
  );
  await system.start();
  const { bytes } = await buildDomain("test/domains/welcomer", await buildInterfaces());
  store("greeter", bytes);
  store("garbage", bytes.slice(0, 5000));
}, 120_000);
afterEach(async () => {
  expect(system.kernel.heap.check()).toEqual([]);
  await system.stop();
});

function store(name: string, bytes: Uint8Array): void {
  const client = system.client<KeyValue>("store.store");
  for (let i = 0; i * PIECE < bytes.length; i++)
    expect(client.put(`${name}/${i}`, bytes.subarray(i * PIECE, (i + 1) * PIECE)).ok).toBe(true);
}
const tell = (line: string): string => system.client<Shell>("launcher.shell").execute(line).value;
async function start(name: string): Promise<string> {
  const before = tell("log");
  expect(tell(`start ${name}`)).toBe("starting\n");
  await vi.waitFor(() => expect(tell("log")).not.toBe(before));
  return tell("log").slice(before.length);
}

test("a program is started from the store, called, killed, crashed and started again", async () => {
  expect(tell("left")).toBe("12\n");
  expect(await start("greeter")).toBe("greeter: started\n");
  expect(tell("tell greeter Ada")).toBe("hello Ada, you are number 1\n");
  expect(tell("tell greeter Bob")).toBe("hello Bob, you are number 2\n");
  expect(said).toEqual(["a greeter runs", "greeted Ada", "greeted Bob"]);
  expect([tell("left"), tell("state greeter")]).toEqual(["8\n", "running\n"]);
  expect(system.kernel.graph()).toContainEqual(
    expect.objectContaining({ holder: "launcher/greeter", provider: "host", object: "console", by: "manifest" }),
  );
  expect(tell("stop greeter")).toBe("stopped\n");
  expect([tell("state greeter"), tell("stop greeter")]).toEqual(["none\n", "there is no greeter\n"]);
  expect(tell("tell greeter Eve")).toBe("greeter does not answer\n");

  expect(await start("greeter")).toBe("greeter: started\n");
  expect(tell("tell greeter die")).toBe("greeter does not answer\n");
  expect(tell("tell greeter Eve")).toBe("greeter does not answer\n");
  expect(system.faults.at(-1)).toMatchObject({ domain: "launcher/greeter", kind: "abort" });
  expect(tell("left")).toBe("12\n");
  system.restart("launcher");
  expect(await start("greeter")).toBe("greeter: started\n");
  expect(system.domains().map((d) => d.name)).toEqual(["medium", "disk", "store", "launcher", "launcher/greeter"]);
});

test("what is no program is refused with the reason", async () => {
  expect(await start("garbage")).toMatch(/^garbage: launcher\/garbage: /);
  expect(await start("nothing")).toMatch(/^nothing: launcher\/nothing: /);
  expect(tell("left")).toBe("12\n");
});

test("a manifest gives each domain an object of its own, by its place in the start order", () => {
  const model = system.kernel.model;
  const descriptor = { description: "creates", uses: { domains: "Domains" } };
  const { domains } = validateManifest(
    {
      ...manifest,
      domains: Object.fromEntries(
        ["a", "b", "c"].map((n) => [n, { domain: "x", uses: { domains: "kernel.domains" } }]),
      ),
    },
    new Map([["x", descriptor]]),
    model,
  );
  expect(domains.map((d) => d.uses[0]!.self)).toEqual([0, 1, 2]);
});
