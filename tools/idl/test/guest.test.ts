/**
 * The generated AssemblyScript at work: compiled by the real compiler, run on JavaScript that stands in for the kernel.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  resultWords,
  clientSignature,
  F32,
  F64,
  flatten,
  interfaceKey,
  outBuffers,
  serverSignature,
  typeKey,
  type Model,
  type ValueType,
} from "#kernel/interface/model.ts";
import { HEAP, HEAP_CALLS, RPC } from "#kernel/wasm/intrinsics.ts";
import { compileInterfaces, emitGuest } from "../index.ts";
import { FakeKernel } from "./fake-kernel.ts";
import { compileDomain, realModel } from "./support.ts";

const folder = join(import.meta.dirname, "guest");
const read = (name: string): string => readFileSync(join(folder, name), "utf8");

let model: Model;
let key: string;
let bytes: Uint8Array<ArrayBuffer>;
let printed: string;
let kernel: FakeKernel;

beforeAll(async () => {
  model = compileInterfaces(new Map([["interfaces/kinds.ts", read("kinds.ts")]]));
  key = interfaceKey(model.interfaces["Kinds"]!);
  ({ bytes, printed } = await compileDomain(emitGuest(model), read("server.ts"), ["Kinds", "Peer"]));
}, 120_000);

/** An import of `Kinds` that calls the module's own export, as a proxy would. */
function loop(name: string): (...args: number[]) => number {
  const { params, result } = method(name);
  const texts: [number, number][] = [];
  let at = 0;
  for (const { type } of params) {
    if (type.kind === "str" || type.kind === "slice") texts.push([at, type.max]);
    at += flatten(type).length;
  }
  const values: ValueType[] =
    result.kind === "fields" ? result.fields.map((f) => f.type) : result.kind === "value" ? [result.type] : [];
  const words = resultWords(values);
  const outs = values.flatMap((type, i) => (type.kind === "str" || type.kind === "slice" ? [words[i]!] : []));
  expect(outs.length).toBe(outBuffers(result).length);
  return kernel.loop(name, key, texts, outs);
}

beforeEach(async () => {
  kernel = new FakeKernel();
  let minted = 2000;
  await kernel.start(bytes, (module, name) => {
    if (name === "use") return (pointer, length) => (kernel.calls.push(`use(${kernel.text(pointer, length)})`), 1500);
    if (name === "mint") return (self) => (kernel.calls.push(`mint(${self})`), minted++);
    if (module.startsWith("Peer$")) return (capability) => (kernel.calls.push(`ping(${capability})`), 0);
    return module === key ? loop(name) : null;
  });
});

describe("the compiled module", () => {
  it("compiles without warnings", () => {
    expect(printed).toBe("");
  });

  it("imports exactly what the contract names, with its signatures", () => {
    const wasm = new WebAssembly.Module(bytes);
    const types = new Set(Object.values(model.types).map(typeKey));
    for (const { module, name, kind } of WebAssembly.Module.imports(wasm)) {
      expect(kind).toBe("function");
      if (module === "heap") expect(HEAP[name] ?? HEAP_CALLS[name], name).toBeDefined();
      else if (module === "rpc") expect(RPC[name], name).toBeDefined();
      else if (module === "type") expect(types, name).toContain(name);
      else expect([`env`, `cap`, key, interfaceKey(model.interfaces["Peer"]!)]).toContain(module);
    }
    expect(signatures(bytes, 2).get(`${key}\0both`)).toEqual(clientSignature(method("both")));
    expect(signatures(bytes, 2).get(`${key}\0reals`)).toEqual(clientSignature(method("reals")));
  });

  it("exports every method with the server's signature", () => {
    const exported = signatures(bytes, 7);
    for (const m of model.interfaces["Kinds"]!.methods)
      expect(exported.get(`${key}$${m.name}`), m.name).toEqual(serverSignature(m));
    expect([...exported.keys()]).toEqual(expect.arrayContaining(["samara_args", "samara_args_size", "_init"]));
  });
});

describe("clients and servers", () => {
  it("pass scalars of every kind", () => {
    kernel.call("callScalars");
    expect(kernel.calls).toEqual([
      "use(kinds.é)",
      "nothing(1500)",
      "narrow(1, 255, -128, 65535, -32768, 1500)",
      "narrow(0, 0, 0, 0, 0, 1500)",
      `wide(2, ${0x8000_0001 | 0}, -3, -1, 1500)`,
      "reals(1.5, -2.25, 1500)",
      "color(0, 1500)",
    ]);
  });

  it("pass objects and containers", () => {
    kernel.call("callObjects");
    expect(kernel.calls.slice(1, 3)).toEqual(["lend(1024, 1500)", "move(1024, 1500)"]);
  });

  it("pass text and bytes, with views that survive nesting", () => {
    kernel.call("callText");
    expect(kernel.calls.filter((c) => c.startsWith("delete")).length).toBe(4);
  });

  it("pass capabilities and mint new ones", () => {
    kernel.call("callPeers", 0);
    expect(kernel.calls).toEqual(
      expect.arrayContaining(["mint(0)", "peer(2000, 1500)", "ping(2000)", "drop(2000)", "mint(1)", "ping(2001)"]),
    );
  });

  it("reach the object that self names, and no other", () => {
    expect(kernel.call(`${key}$nothing`, 1)).toBe(2);
    expect(() => kernel.call(`${key}$nothing`, 2)).toThrow("Kinds: no such object");
    expect(() => kernel.call(`${key}$nothing`, -1)).toThrow("Kinds: no such object");
  });

  it("decode whatever bytes another domain passes as text", () => {
    const at = kernel.call("samara_args");
    const decoded = (...input: number[]): string => {
      kernel.memory.set(input, at);
      expect(kernel.call(`${key}$text`, 0, 1, at, input.length, 2)).toBe(0);
      return kernel.text(kernel.words.getInt32(0, true), kernel.words.getInt32(4, true)).slice(1, -1);
    };
    expect(decoded(0x61, 0xff, 0x62)).toBe("a\ufffdb");
    expect(decoded(0xe2, 0x82)).toBe("\ufffd");
    expect(decoded(0xe2, 0x82, 0x61)).toBe("\ufffda");
    expect(decoded(0xc0, 0x80)).toBe("\ufffd");
    expect(decoded(0xed, 0xa0, 0x80)).toBe("\ufffd");
    expect(decoded(0xf4, 0x90, 0x80, 0x80)).toBe("\ufffd");
    expect(decoded(0xf0, 0x9f, 0x98, 0x80)).toBe("😀");
  });

  it("read no byte beyond a text at the very end of memory", () => {
    const end = kernel.memory.length;
    kernel.memory[end - 1] = 0xf0;
    expect(kernel.call(`${key}$text`, 0, 1, end - 1, 1, 2)).toBe(0);
  });
});

describe("accessors", () => {
  it("set and read every kind of field", () => {
    kernel.call("fields");
  });

  it("put fields where the layout says", () => {
    const handle = kernel.call("createThing");
    expect(kernel.object(handle).bytes.every((b) => b === 0)).toBe(true);
  });

  it.each([
    ["beyondTable", "index or length beyond the field"],
    ["beyondData", "index or length beyond the field"],
    ["wrongValue", "this result has no value: the method answered an error"],
    ["wrongError", "this result has no error"],
    ["tooLong", "text or bytes longer than the interface declares"],
  ])("end the domain with a clear message: %s", (name, message) => {
    expect(() => kernel.call(name)).toThrow(message);
  });

  it("say which type could not be made", () => {
    kernel.exhausted = true;
    expect(() => kernel.call("createThing")).toThrow(
      "Thing: no object left: the domain's quota or the heap is exhausted",
    );
  });
});

describe("cost", () => {
  it("allocates nothing in private memory on calls without text", async () => {
    const source = `
      import { Echo, EchoServer, Packet } from "idl/echo";
      const echo = Echo.use("echo");
      export function run(packet: u32): u32 {
        let sum: u32 = echo.ping().ok ? 1 : 0;
        sum += echo.add(1).value;
        let p = Packet.create();
        p.length = 5;
        sum += echo.lend(p).value + p.length;
        const r = echo.scalars(1, 2, 3);
        return r.ok ? sum + <u32>r.big : sum;
      }`;
    const { bytes: wasm, printed: warnings } = await compileDomain(emitGuest(realModel()), source, [], "stub");
    expect(warnings).toBe("");
    const names = WebAssembly.Module.imports(new WebAssembly.Module(wasm)).map(
      (i) => `${i.module.split("$")[0]}.${i.name.split("$")[0]}`,
    );
    expect(names.toSorted()).toEqual(
      [
        "Echo.add",
        "Echo.lend",
        "Echo.ping",
        "Echo.scalars",
        "Echo.use",
        "env.abort",
        "heap.load_i32",
        "heap.store_i32",
        "rpc.get0",
        "rpc.get1",
        "rpc.get2",
        "rpc.getd4",
        "type.Packet",
      ].toSorted(),
    );
    // Code of the allocator would be several times this size.
    expect(wasm.length).toBeLessThan(3500);
  }, 60_000);
});

function method(name: string) {
  return model.interfaces["Kinds"]!.methods.find((m) => m.name === name)!;
}

/** Signatures of a module's function imports (section 2) or exports (section 7), read from the binary. */
function signatures(wasm: Uint8Array, wanted: 2 | 7): Map<string, { params: number[]; results: number[] }> {
  let at = 8;
  const leb = (): number => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = wasm[at++]!;
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  const text = (): string => {
    const length = leb();
    at += length;
    return new TextDecoder().decode(wasm.subarray(at - length, at));
  };
  const list = (): number[] => Array.from({ length: leb() }, () => wasm[at++]!);
  const types: { params: number[]; results: number[] }[] = [];
  const functions: number[] = [];
  const imports = new Map<string, { params: number[]; results: number[] }>();
  const exports = new Map<string, { params: number[]; results: number[] }>();
  while (at < wasm.length) {
    const section = wasm[at++]!;
    const end = leb() + at;
    const count = section === 1 || section === 2 || section === 3 || section === 7 ? leb() : 0;
    for (let i = 0; i < count; i++) {
      if (section === 1) {
        at++;
        const params = list();
        types.push({ params, results: list() });
      } else if (section === 2) {
        const name = `${text()}\0${text()}`;
        at++;
        functions.push(leb());
        imports.set(name, types[functions.at(-1)!]!);
      } else if (section === 3) functions.push(leb());
      else {
        const name = text();
        const kind = wasm[at++];
        const index = leb();
        if (kind === 0) exports.set(name, types[functions[index]!]!);
      }
    }
    at = end;
  }
  for (const signature of [...imports.values(), ...exports.values()])
    expect(signature.params.every((p) => p === 0x7f || p === 0x7e || p === F32 || p === F64)).toBe(true);
  return wanted === 2 ? imports : exports;
}
