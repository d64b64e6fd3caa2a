/**
 * Tests of the part of a manifest that is about devices: what is refused, with exact messages, and what resolves.
 *
 * Invariant: every rule of `devices.ts` has at least one row that fails when the rule is removed.
 */
import { expect, test } from "vitest";
import { ManifestError, type SystemManifest } from "./manifest.ts";
import { validateManifest } from "./validate.ts";

const MIB = 2 ** 20;
const good: SystemManifest = {
  name: "disks",
  heap: { bytes: 8 * MIB, objects: 1024, arenas: { dma: 2 * MIB, net: MIB } },
  devices: { nvme0: { backend: "model:nvme", options: { file: "disk.img", zero: true }, arenas: ["dma"] } },
  domains: { a: { domain: "idle", arena: "dma" }, b: { domain: "idle" } },
};

function validate(change: object) {
  const model = { interfaces: {}, types: {}, enums: {} };
  return validateManifest({ ...good, ...change }, new Map([["idle", { description: "d" }]]), model);
}
function problems(change: object): readonly string[] {
  try {
    validate(change);
  } catch (error) {
    if (error instanceof ManifestError) return error.problems.map((p) => p.replace("systems/disks: ", ""));
    throw error;
  }
  return [];
}

test("arenas and devices resolve in the manifest's order", () => {
  const { heap, devices, domains } = validate({});
  expect(heap.arenas).toEqual([
    { name: "dma", bytes: 2 * MIB },
    { name: "net", bytes: MIB },
  ]);
  expect(devices).toEqual([{ name: "nvme0", ...good.devices!.nvme0 }]);
  expect(domains.map((d) => d.arena)).toEqual(["dma", undefined]);
});

const heap = (arenas: unknown) => ({ heap: { bytes: 8 * MIB, objects: 1024, arenas } });
const device = (change: object) => ({ devices: { nvme0: { ...good.devices!.nvme0, ...change } } });
const none = { devices: {}, domains: { a: { domain: "idle" } } };

const refused: [string, object, string[]][] = [
  ["arenas no object", { ...heap(7), ...none }, ["heap.arenas: must be an object, is 7"]],
  [
    "arena's name",
    { ...heap({ "a b": MIB }), ...none },
    ['heap.arenas.a b: "a b" is no name: write a letter, then letters, digits and "-", at most 63'],
  ],
  [
    "arena named as the general one",
    { ...heap({ main: MIB }), ...none },
    ["heap.arenas.main: is the name of the general arena"],
  ],
  ["arena no number", { ...heap({ x: "1" }), ...none }, ['heap.arenas.x: must be an integer, is "1"']],
  ["arena not in pages", { ...heap({ x: 65537 }), ...none }, ["heap.arenas.x: must be a multiple of 65536, is 65537"]],
  ["arena too small", { ...heap({ x: 0 }), ...none }, ["heap.arenas.x: must be 65536 … 2147483648, is 0"]],
  [
    "no room for others",
    { ...heap({ x: 8 * MIB - 65536 }), ...none },
    ["heap.arenas: have 8323072 bytes together, but heap.bytes leaves room for 8257536"],
  ],
  [
    "too many arenas",
    { ...heap(Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`a${i}`, 65536]))), ...none },
    ["heap.arenas: has 17 arenas, at most 16"],
  ],
  [
    "domain's arena",
    { domains: { a: { domain: "idle", arena: "dms" } } },
    ['domains.a.arena: "dms" names no arena of the heap (did you mean "dma"?)'],
  ],
  [
    "domain's arena no text",
    { domains: { a: { domain: "idle", arena: 1 } } },
    ["domains.a.arena: must name an arena of the heap, is 1"],
  ],
  ["devices no object", { devices: [] }, ["devices: must be an object, is an array"]],
  [
    "device no object",
    { devices: { d: 1 } },
    [
      "devices.d: must be an object, is 1",
      'devices.d.backend: must be "KIND:WHICH", as "model:nvme" or "vfio:0000:00:04.0", is undefined',
      "devices.d.arenas: must list the arenas that the device may reach, is undefined",
    ],
  ],
  ["device key", device({ arena: "dma" }), ['devices.nvme0.arena: unknown key (did you mean "arenas"?)']],
  [
    "back end",
    device({ backend: "nvme" }),
    ['devices.nvme0.backend: must be "KIND:WHICH", as "model:nvme" or "vfio:0000:00:04.0", is "nvme"'],
  ],
  [
    "option of no simple type",
    device({ options: { a: [] } }),
    ["devices.nvme0.options.a: must be text, a number or a boolean, is an array"],
  ],
  [
    "no arenas",
    device({ arenas: [] }),
    ["devices.nvme0.arenas: must list the arenas that the device may reach, is an array"],
  ],
  ["unknown arena", device({ arenas: ["x"] }), ['devices.nvme0.arenas.0: "x" names no arena of the heap']],
  [
    "arena no text",
    device({ arenas: [undefined] }),
    ["devices.nvme0.arenas.0: must name an arena of the heap, is null"],
  ],
  ["arena twice", device({ arenas: ["dma", "dma"] }), ['devices.nvme0.arenas.1: "dma" stands there twice']],
  [
    "serial empty",
    device({ writable: " " }),
    ['devices.nvme0.writable: must be the serial number of the device, is " "'],
  ],
  [
    "serial too long",
    device({ writable: "x".repeat(21) }),
    [`devices.nvme0.writable: must be the serial number of the device, is "${"x".repeat(21)}"`],
  ],
  [
    "too many devices",
    { devices: Object.fromEntries(Array.from({ length: 65 }, (_, i) => [`d${i}`, good.devices!.nvme0])) },
    ["devices: has 65 devices, at most 64"],
  ],
];
test.each(refused)("refused: %s", (_name, change, messages) => expect(problems(change)).toEqual(messages));
