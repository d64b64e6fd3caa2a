/**
 * The outputs for other toolchains: the host's TypeScript passes the type checker, and clang builds domains with the C
 * header, with the signatures of the model.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { exportName, interfaceKey, typeKey, type Model } from "#kernel/interface/model.ts";
import { compileInterfaces, emitC, emitHost } from "../index.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { realModel, ROOT, withFiles } from "./support.ts";

const kinds = (): Model =>
  compileInterfaces(
    new Map([["interfaces/kinds.ts", readFileSync(join(import.meta.dirname, "guest/kinds.ts"), "utf8")]]),
  );

/** Type-checks files inside the project, where its `#kernel/…` imports resolve; returns the checker's output. */
function typeCheck(files: ReadonlyMap<string, string>): string {
  mkdirSync(join(ROOT, "build"), { recursive: true });
  const folder = mkdtempSync(join(ROOT, "build", "idl-check-"));
  try {
    for (const [path, text] of files) writeFileSync(join(folder, path), text);
    const config = { extends: "../../tsconfig.json", include: ["./*.ts"], exclude: [], compilerOptions: {} };
    writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
    const { stdout, stderr, error } = spawnSync(join(ROOT, "node_modules/.bin/tsc"), ["-p", folder], {
      encoding: "utf8",
    });
    if (error !== undefined) throw error;
    // Errors in the kernel's own files are not this test's business.
    return (stdout + stderr)
      .split("\n")
      .filter((line) => line.includes("idl-check-"))
      .join("\n");
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("host types", () => {
  it("pass the project's strict type check, with a program that uses them", () => {
    const files = emitHost(kinds());
    files.set(
      "program.ts",
      `import type { HostHeap } from "#kernel/host/object.ts";
       import { Color, Thing, ThingDeque4, type KindsClient } from "./kinds.ts";
       import { records, type Clients } from "./interfaces.ts";
       export function program(kinds: Clients["Kinds"], heap: HostHeap): bigint | string {
         const client: KindsClient = kinds;
         const thing = Thing.create(heap);
         thing.g = 5n;
         thing.flag = true;
         thing.color = Color.Blue;
         thing.tableSet(1, -4);
         thing.setData(new Uint8Array([1, 2]), 3);
         const queue: ThingDeque4 = records["Deque<Thing,4>"].create(heap);
         queue.push(thing);
         const answer = client.queue(queue);
         if (!answer.ok) return answer.error === "Hard" ? "hard" : (answer.fault ?? "soft");
         const first: Thing | null = answer.value.things.pop();
         const text = client.text(1, "line", 2);
         return first === null || !text.ok ? "empty" : first.g + BigInt(text.value.length);
       }\n`,
    );
    expect(typeCheck(files)).toBe("");
  }, 60_000);

  it("refuse values of the wrong type", () => {
    const files = emitHost(kinds());
    files.set(
      "program.ts",
      `import type { KindsClient } from "./kinds.ts";\nexport const f = (k: KindsClient) => k.wide(1, 2n);\n`,
    );
    expect(typeCheck(files)).toContain("Argument of type 'number' is not assignable to parameter of type 'bigint'");
  }, 60_000);
});

const C_DOMAIN = `#include "samara.h"
SAMARA_ARGUMENTS(4096)
static samara_capability echo;
Echo_ping_SERVER { return self == 0 ? 0 : 1; }
Echo_add_SERVER { (void)self; samara_set0((int32_t)((uint32_t)value + 1u)); return 0; }
Echo_move_SERVER {
  (void)self;
  if (Packet_length(packet) == 13) return EchoError_Asked + 1;
  Packet_port_set(packet, Packet_data(packet, 2) + Packet_length(packet));
  return packet;
}
Echo_bytes64_SERVER {
  (void)self;
  const uint8_t *bytes = (const uint8_t *)data_0;
  int32_t sum = 0;
  for (int32_t i = 0; i < data_1; i++) sum += bytes[i];
  samara_set0(sum);
  return 0;
}
Echo_scalars_SERVER {
  (void)self;
  samara_set0(big_0); samara_set1(big_1); samara_set2(small + 1); samara_setd4(real / 2);
  return 0;
}
SAMARA_EXPORT("start") void start(void) { echo = Echo_use("echo", 4); }
SAMARA_EXPORT("run") int32_t run(void) {
  samara_handle packet = Packet_new();
  Packet_length_set(packet, 7);
  Packet_data_set(packet, 2, 30);
  int32_t answer = Echo_move(packet, echo);
  if (!SAMARA_IS_HANDLE(answer)) return -1;
  int32_t port = (int32_t)Packet_port(answer);
  samara_free(answer);
  return port + (Echo_add(41, echo) == 0 ? samara_get0() : -1000);
}
`;

describe("the C header", () => {
  const clang = spawnSync("clang", ["--version"]).status === 0;
  it.skipIf(!clang)(
    "builds a domain that serves and calls an interface",
    async () => {
      const model = realModel();
      const files = emitC(model);
      files.set("domain.c", C_DOMAIN);
      await withFiles(files, async (folder) => {
        const options = ["--target=wasm32", "-O2", "-nostdlib", "-Wl,--no-entry", "-Wall", "-Wextra", "-Werror"];
        const build = spawnSync("clang", [...options, "domain.c", "-o", "domain.wasm"], {
          cwd: folder,
          encoding: "utf8",
        });
        expect(build.stderr).toBe("");
        const bytes = new Uint8Array(readFileSync(join(folder, "domain.wasm")));
        await runC(model, bytes);
      });
    },
    60_000,
  );
});

async function runC(model: Model, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  const echo = model.interfaces["Echo"]!;
  const names = WebAssembly.Module.imports(new WebAssembly.Module(bytes)).map((i) => `${i.module} ${i.name}`);
  expect(names).toContain(`${interfaceKey(echo)} move`);
  expect(names).toContain(`type ${typeKey(model.types["Packet"]!)}`);
  const kernel = new FakeKernel();
  const own = (method: string, ...args: number[]): number =>
    kernel.call(
      exportName(
        echo,
        echo.methods.find((m) => m.name === method)!,
      ),
      0,
      ...args,
    );
  await kernel.start(
    bytes,
    (_module, name) => {
      if (name === "use") return (pointer, length) => (expect(kernel.text(pointer, length)).toBe("echo"), 1500);
      return (...args) => own(name, ...args.slice(0, -1));
    },
    "start",
  );
  expect(kernel.call("run")).toBe(37 + 42);
  expect(kernel.objects.size).toBe(0);
  const at = kernel.call("samara_args");
  expect(kernel.call("samara_args_size")).toBe(4096);
  kernel.memory.set([1, 2, 250], at);
  expect(own("bytes64", at, 3)).toBe(0);
  expect(kernel.words.getInt32(0, true)).toBe(253);
  expect(own("scalars", 1, 5, 6, 9)).toBe(0);
  expect([0, 4, 8].map((w) => kernel.words.getInt32(w, true))).toEqual([5, 6, 2]);
  expect(kernel.words.getFloat64(16, true)).toBe(4.5);
}
