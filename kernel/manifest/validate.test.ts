/**
 * Tests of manifest validation: one table of what is refused, with exact messages, and what resolves to what.
 *
 * Invariant: every rule of `validate.ts` has at least one row that fails when the rule is removed.
 */
import { describe, expect, test } from "vitest";
import type { Model } from "../interface/model.ts";
import { DEFAULT_LIMITS, ManifestError, defineDomain, defineSystem } from "./manifest.ts";
import type { DomainDescriptor, SystemManifest } from "./manifest.ts";
import { editDistance, nearest } from "./nearest.ts";
import { validateDescriptor, validateManifest } from "./validate.ts";

const face = (name: string) => ({ name, doc: "", file: "", methods: [], fingerprint: "0123456789abcdef" });
const model: Model = {
  interfaces: Object.fromEntries(["BlockDevice", "KeyValue", "System", "Lifecycle"].map((n) => [n, face(n)])),
  types: {},
  enums: {},
};
const descriptors = new Map<string, DomainDescriptor>([
  ["ramdisk", defineDomain({ description: "d", provides: { disk: "BlockDevice", spare: "BlockDevice" } })],
  [
    "kv",
    { description: "k", provides: { store: "KeyValue" }, uses: { disk: "BlockDevice" }, limits: { memoryPages: 8 } },
  ],
  ["init", { description: "i", uses: { system: "System" } }],
]);
const HEAP = { bytes: 64 * 1024 * 1024, objects: 65_536 };
const good = defineSystem({
  name: "default",
  heap: HEAP,
  domains: {
    init: { domain: "init", uses: { system: "kernel.system" } },
    ramdisk: { domain: "ramdisk" },
    kv: { domain: "kv", uses: { disk: "ramdisk.spare" }, limits: { sliceMs: 7 } },
  },
});

function problems(run: () => unknown): readonly string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof ManifestError) return error.problems;
    throw error;
  }
  return [];
}
/** Problems of `good` with its top-level keys, or its domains, replaced by values of any shape. */
const system = (change: object) =>
  problems(() => validateManifest({ ...good, ...change } as SystemManifest, descriptors, model));
const domains = (change: object) => system({ domains: { ...good.domains, ...change } });

test("a good manifest resolves every name, object number and limit", () => {
  const resolved = validateManifest(good, descriptors, model);
  expect(resolved.domains.map((d) => d.name)).toEqual(["init", "ramdisk", "kv"]);
  expect(resolved.domains[1]!.provides).toEqual([
    { name: "disk", interface: "BlockDevice", self: 0 },
    { name: "spare", interface: "BlockDevice", self: 1 },
  ]);
  expect(resolved.domains[2]!.uses).toEqual([
    { name: "disk", interface: "BlockDevice", provider: "ramdisk", object: "spare", self: 1 },
  ]);
  expect(resolved.domains[2]!.limits).toEqual({ ...DEFAULT_LIMITS, memoryPages: 8, sliceMs: 7, entryMs: 70 });
  expect(resolved.domains[0]!.uses[0]).toMatchObject({ provider: "kernel", self: 0 });
  const kv = { ...good.domains.kv, limits: { sliceMs: 7, entryMs: 60_000 } };
  const slow = validateManifest({ ...good, domains: { ...good.domains, kv } }, descriptors, model);
  expect(slow.domains[2]!.limits).toMatchObject({ sliceMs: 7, entryMs: 60_000 });
});

test("uses may refer forwards and in circles", () => {
  const ring = new Map<string, DomainDescriptor>([
    ["a", { description: "a", provides: { x: "KeyValue" }, uses: { y: "KeyValue" } }],
  ]);
  const manifest = {
    name: "ring",
    heap: HEAP,
    domains: { p: { domain: "a", uses: { y: "q.x" } }, q: { domain: "a", uses: { y: "p.x" } } },
  };
  expect(validateManifest(manifest, ring, model).domains[1]!.uses[0]!.provider).toBe("q");
});

test("default quotas are cut to a small heap", () => {
  const heap = { bytes: 1024 * 1024, objects: 256 };
  const small = validateManifest({ ...good, heap }, descriptors, model);
  expect(small.domains[0]!.limits).toMatchObject({ heapBytes: heap.bytes, heapObjects: 256 });
});

const refused: [string, () => readonly string[], string[]][] = [
  [
    "misspelt provider",
    () => domains({ kv: { domain: "kv", uses: { disk: "ramdisc.disk" } } }),
    ['systems/default: domains.kv.uses.disk: "ramdisc.disk" names no domain (did you mean "ramdisk.disk"?)'],
  ],
  [
    "no object given",
    () => domains({ kv: { domain: "kv", uses: { disk: "ramdisk" } } }),
    ['systems/default: domains.kv.uses.disk: "ramdisk" names no object of ramdisk, which provides disk, spare'],
  ],
  [
    "misspelt object",
    () => domains({ kv: { domain: "kv", uses: { disk: "ramdisk.dsik" } } }),
    [
      'systems/default: domains.kv.uses.disk: "ramdisk.dsik" names no object of ramdisk, which provides disk, spare' +
        ' (did you mean "ramdisk.disk"?)',
    ],
  ],
  [
    "provider of nothing",
    () => domains({ kv: { domain: "kv", uses: { disk: "init.x" } } }),
    ['systems/default: domains.kv.uses.disk: "init.x" names no object of init, which provides nothing'],
  ],
  [
    "interface mismatch",
    () => domains({ kv: { domain: "kv", uses: { disk: "kv.store" } } }),
    ['systems/default: domains.kv.uses.disk: "kv.store" is a KeyValue, but a BlockDevice is needed'],
  ],
  [
    "use is no text",
    () => domains({ kv: { domain: "kv", uses: { disk: 7 } } }),
    ['systems/default: domains.kv.uses.disk: must be "provider.object", is 7'],
  ],
  [
    "missing use",
    () => domains({ kv: { domain: "kv" } }),
    ["systems/default: domains.kv.uses.disk: missing: the domain needs a BlockDevice"],
  ],
  [
    "extra use",
    () => domains({ ramdisk: { domain: "ramdisk", uses: { disk: "ramdisk.disk" } } }),
    ["systems/default: domains.ramdisk.uses.disk: the domain uses nothing of this name"],
  ],
  [
    "misspelt use",
    () => domains({ kv: { domain: "kv", uses: { disc: "ramdisk.disk" } } }),
    [
      'systems/default: domains.kv.uses.disc: the domain uses nothing of this name (did you mean "disk"?)',
      "systems/default: domains.kv.uses.disk: missing: the domain needs a BlockDevice",
    ],
  ],
  [
    "inherited names are no names",
    () => domains({ kv: { domain: "kv", uses: { disk: "ramdisk.toString" } } }),
    [
      'systems/default: domains.kv.uses.disk: "ramdisk.toString" names no object of ramdisk, ' +
        "which provides disk, spare",
    ],
  ],
  [
    "built-in that is not there",
    () => domains({ init: { domain: "init", uses: { system: "host.console" } } }),
    ['systems/default: domains.init.uses.system: "host.console" names no object of host, which provides nothing'],
  ],
  [
    "unknown domain",
    () => domains({ x: { domain: "ramdsik" } }),
    ['systems/default: domains.x.domain: "ramdsik" names no domain (did you mean "ramdisk"?)'],
  ],
  [
    "domain is no text",
    () => domains({ x: {} }),
    ["systems/default: domains.x.domain: must name a folder under domains/, is undefined"],
  ],
  [
    "entry is no object",
    () => domains({ x: null }),
    [
      "systems/default: domains.x: must be an object, is null",
      "systems/default: domains.x.domain: must name a folder under domains/, is undefined",
    ],
  ],
  [
    "unknown entry key",
    () => domains({ x: { domain: "ramdisk", use: {} } }),
    ['systems/default: domains.x.use: unknown key (did you mean "uses"?)'],
  ],
  [
    "reserved host",
    () => domains({ host: { domain: "ramdisk" } }),
    ["systems/default: domains.host: the name is reserved"],
  ],
  [
    "reserved kernel",
    () => domains({ kernel: { domain: "ramdisk" } }),
    ["systems/default: domains.kernel: the name is reserved"],
  ],
  [
    "bad instance name",
    () => domains({ "a.b": { domain: "ramdisk" } }),
    ['systems/default: domains.a.b: "a.b" is no name: write a letter, then letters, digits and "-", at most 63'],
  ],
  [
    "limits no object",
    () => domains({ x: { domain: "ramdisk", limits: [] } }),
    ["systems/default: domains.x.limits: must be an object, is an array"],
  ],
  [
    "limit out of range",
    () => domains({ x: { domain: "ramdisk", limits: { sliceMs: 0 } } }),
    ["systems/default: domains.x.limits.sliceMs: must be 1 … 60000, is 0"],
  ],
  [
    "slice that cannot be multiplied",
    () => domains({ x: { domain: "ramdisk", limits: { sliceMs: 10n, entryMs: 0 } } }),
    [
      "systems/default: domains.x.limits.sliceMs: must be an integer, is a bigint",
      "systems/default: domains.x.limits.entryMs: must be 1 … 3600000, is 0",
    ],
  ],
  [
    "memory out of range",
    () => domains({ x: { domain: "ramdisk", limits: { memoryPages: 65_536 } } }),
    ["systems/default: domains.x.limits.memoryPages: must be 0 … 32768, is 65536"],
  ],
  [
    "limit no integer",
    () => domains({ x: { domain: "ramdisk", limits: { heapObjects: 1.5 } } }),
    ["systems/default: domains.x.limits.heapObjects: must be an integer, is 1.5"],
  ],
  [
    "quota above the heap",
    () => domains({ x: { domain: "ramdisk", limits: { heapBytes: HEAP.bytes + 1 } } }),
    ["systems/default: domains.x.limits.heapBytes: 67108865 exceeds heap.bytes, 67108864"],
  ],
  [
    "object quota above the heap",
    () => domains({ x: { domain: "ramdisk", limits: { heapObjects: 65_537 } } }),
    ["systems/default: domains.x.limits.heapObjects: 65537 exceeds heap.objects, 65536"],
  ],
  [
    "unknown limit",
    () => domains({ x: { domain: "ramdisk", limits: { heapByte: 1 } } }),
    ['systems/default: domains.x.limits.heapByte: unknown key (did you mean "heapBytes"?)'],
  ],
  [
    "heap too large",
    () => system({ heap: { bytes: 2 ** 31 + 65_536, objects: 256 } }),
    ["systems/default: heap.bytes: must be 1048576 … 2147483648, is 2147549184"],
  ],
  [
    "heap not in pages",
    () => system({ heap: { bytes: 2 ** 20 + 1, objects: 256 } }),
    ["systems/default: heap.bytes: must be a multiple of 65536, is 1048577"],
  ],
  [
    "too many objects",
    () => system({ heap: { bytes: 2 ** 20, objects: 2 ** 22 + 1 } }),
    ["systems/default: heap.objects: must be 256 … 4194304, is 4194305"],
  ],
  ["unknown heap key", () => system({ heap: { ...HEAP, size: 1 } }), ["systems/default: heap.size: unknown key"]],
  [
    "heap missing",
    () => system({ heap: undefined }),
    [
      "systems/default: heap: must be an object, is undefined",
      "systems/default: heap.bytes: must be an integer, is undefined",
      "systems/default: heap.objects: must be an integer, is undefined",
    ],
  ],
  ["no domains", () => system({ domains: {} }), ["systems/default: domains: must name at least one domain"]],
  ["unknown top key", () => system({ domain: {} }), ['systems/default: domain: unknown key (did you mean "domains"?)']],
  ["no name", () => system({ name: 5 }), ["systems/?: name: must be text, is 5"]],
  [
    "bad name",
    () => system({ name: "A b" }),
    ['systems/A b: name: "A b" is no name: write a letter, then letters, digits and "-", at most 63'],
  ],
];

describe("refused manifests", () => {
  test.each(refused)("%s", (_name, run, messages) => expect(run()).toEqual(messages));

  test("a manifest that is no object", () => {
    expect(problems(() => validateManifest(null as never, descriptors, model))[0]).toBe(
      "systems/?: must be an object, is null",
    );
  });
  test("all problems of a run are reported", () => {
    expect(domains({ x: { domain: "nope" }, y: { domain: "ramdisk", limits: { sliceMs: 0 } } })).toHaveLength(2);
  });
});

const badDescriptors: [string, unknown, string][] = [
  [
    "unknown interface",
    { description: "x", provides: { kv: "KeyValu" } },
    'domains/d: provides.kv: "KeyValu" names no interface (did you mean "KeyValue"?)',
  ],
  [
    "inherited interface",
    { description: "x", uses: { kv: "constructor" } },
    'domains/d: uses.kv: "constructor" names no interface',
  ],
  ["interface no text", { description: "x", uses: { kv: 1 } }, "domains/d: uses.kv: must name an interface, is 1"],
  [
    "bad object name",
    { description: "x", provides: { "k v": "KeyValue" } },
    'domains/d: provides.k v: "k v" is no name: write a letter, then letters, digits and "-", at most 63',
  ],
  ["no description", { description: " " }, "domains/d: description: must say in a sentence what the domain does"],
  ["unknown key", { description: "x", provide: {} }, 'domains/d: provide: unknown key (did you mean "provides"?)'],
  [
    "bad runtime",
    { description: "x", runtime: "none" },
    'domains/d: runtime: must be one of incremental, minimal, stub, is "none"',
  ],
  [
    "bad limit",
    { description: "x", limits: { memoryPages: -1 } },
    "domains/d: limits.memoryPages: must be 0 … 32768, is -1",
  ],
];
test.each(badDescriptors)("refused descriptor: %s", (_name, value, message) => {
  expect(problems(() => validateDescriptor("d", value, model))).toEqual([message]);
});
test("a good descriptor comes back unchanged", () => {
  const kv = descriptors.get("kv")!;
  expect(validateDescriptor("kv", kv, model)).toBe(kv);
});

test("names are near by edits, not by length", () => {
  expect(editDistance("disk", "dsik")).toBe(1);
  expect(editDistance("", "abc")).toBe(3);
  expect(nearest("kv", ["init", "shell"])).toBe(null);
  expect(nearest("shel", ["init", "shell"])).toBe("shell");
  expect(nearest("x".repeat(200), ["x"])).toBe(null);
});
