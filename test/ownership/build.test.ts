/**
 * The ownership check as part of a build: what stops it, what is only told, and what a sound module says of itself.
 */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Model } from "#kernel/interface/model.ts";
import { defineSystem } from "#kernel/manifest/manifest.ts";
import { System } from "#runtime/node/system.ts";
import { buildDomain, buildInterfaces, buildSystem } from "#tools/build/index.ts";
import { appendSection, SECTION } from "#tools/ownership/index.ts";
import { ROOT } from "#tools/lib/paths.ts";

const SCRATCH = `build/scratch/ownership-${process.pid}`;
const DIR = `${SCRATCH}/courier`;
const DESCRIPTOR = `import { defineDomain } from "#kernel/manifest/manifest.ts";
export default defineDomain({ description: "For a test", uses: { disk: "BlockDevice" } });
`;
const WRONG = `import { BlockRequest } from "idl/block-device";
export function twice(): void {
  const request = BlockRequest.create();
  request.free();
  request.free();
}
`;
const RIGHT = WRONG.replace("  request.free();\n", "  request.tag = 1;\n");

let model: Model;
beforeAll(async () => {
  model = await buildInterfaces();
  mkdirSync(join(ROOT, DIR), { recursive: true });
  writeFileSync(join(ROOT, DIR, "domain.ts"), DESCRIPTOR);
});
afterAll(() => rmSync(join(ROOT, SCRATCH), { recursive: true, force: true }));

const write = (text: string): void => writeFileSync(join(ROOT, DIR, "index.ts"), text);
const build = (onOwnership?: (text: string) => void) => buildDomain(DIR, model, undefined, "quick", onOwnership);

/** The text of the last section, if it is ours. */
function factsOf(bytes: Uint8Array<ArrayBuffer>): unknown {
  const sections = WebAssembly.Module.customSections(new WebAssembly.Module(bytes), SECTION);
  return sections.length === 0 ? null : JSON.parse(new TextDecoder().decode(sections[0]));
}

describe("a build", () => {
  const MESSAGE = [
    `${DIR}/index.ts:5:3: error: \`request\` is freed here, but it was freed at 4:3: once is enough`,
    "      request.free();",
    "      ^^^^^^^^^^^^^^",
  ].join("\n");

  test("stops at a mistake, and says where and what", async () => {
    write(WRONG);
    await expect(build()).rejects.toThrow(MESSAGE);
  });

  test("goes on when mistakes are warnings, says them each time, and leaves nothing that another build takes", async () => {
    write(WRONG);
    const told: string[] = [];
    for (let times = 0; times < 2; times++) {
      const { compiled, bytes } = await build((text) => told.push(text));
      expect(compiled).toBe(true);
      expect(factsOf(bytes)).toBe(null);
    }
    expect(told).toEqual([MESSAGE.replace("error", "warning"), MESSAGE.replace("error", "warning")]);
    await expect(build()).rejects.toThrow(MESSAGE);
  });

  test("is fresh for every build when there is none", async () => {
    write(RIGHT);
    expect((await build(() => undefined)).compiled).toBe(true);
    expect((await build()).compiled).toBe(false);
  });
});

describe("the facts", () => {
  test("say what is owned where, in the sources' own lines", async () => {
    write(RIGHT);
    const file = `${DIR}/index.ts`;
    expect(factsOf((await build()).bytes)).toEqual({
      version: 1,
      functions: [
        {
          file,
          name: "twice",
          parameters: [],
          facts: [
            [3, 19, "the object that `BlockRequest.create` answers", "owned"],
            [4, 3, "request", "owned"],
            [5, 3, "request", "owned"],
          ],
        },
      ],
    });
  });

  test("of loans too", async () => {
    cpSync(join(ROOT, "domains/medium"), join(ROOT, SCRATCH, "medium"), { recursive: true });
    const { bytes } = await buildDomain(`${SCRATCH}/medium`, model, undefined, "quick");
    const { functions } = factsOf(bytes) as { functions: { name: string; parameters: string[]; facts: unknown[][] }[] };
    const lent = functions.find(({ name }) => name === "Medium.write")!;
    expect(lent.parameters).toEqual(["none", "none", "none", "borrow"]);
    expect(lent.facts.map(([, , place, state]) => [place, state])).toContainEqual(["request", "borrowed"]);
  });

  test("are nothing to the loader, whatever they say", async () => {
    const medium = { domain: "medium", limits: { heapObjects: 4 } };
    const heap = { bytes: 16 << 20, objects: 256 };
    const { system: manifest, images } = await buildSystem(defineSystem({ name: "lie", heap, domains: { medium } }));
    const { bytes } = images.get("medium")!;
    const lie = [{ path: "x", name: "y".repeat(300), modes: ["give"], facts: [] }] as const;
    const lying = { bytes: appendSection(bytes, lie, (path) => path) as Uint8Array<ArrayBuffer> };
    const system = await System.boot(manifest, { images: new Map([["medium", lying]]) });
    expect(system.domains()[0]).toMatchObject({ state: "running", objects: 4 });
    await system.stop();
  });
});
