/**
 * A kernel in miniature for tests of admission: heap and ledger memories, types and objects, and a way to run a
 * lowered module against them.
 *
 * Owns nothing of the real allocator: objects are laid out one after the other by hand, so that a test knows every
 * byte. Record 0 stays empty, as in the real ledger.
 */
import wabtInit from "wabt";
import { I32, type Signature } from "../../kernel/interface/model.ts";
import { admit } from "../../kernel/wasm/admit.ts";
import {
  CAP_TABLE_SIZE,
  EXPORT_CAPS,
  EXPORT_OWNER,
  EXPORT_RECORD,
  EXPORT_RESET,
} from "../../kernel/wasm/intrinsics.ts";
import { importKey, type Admitted, type LowerOptions, type Policy } from "../../kernel/wasm/policy.ts";
import {
  CORE_EPOCH,
  DOMAIN_SHIFT,
  DOMAINS,
  headerBytes,
  ledgerBytes,
  OBJECT_ADDRESS,
  OBJECT_BYTES,
  OBJECT_SIZE,
  OBJECT_TAG,
  OBJECT_TYPE,
  OBJECTS,
  SLOT_TYPES,
  TYPE_ELEMENT,
  TYPE_KIND,
  TYPE_SHIFT,
  TYPE_SLOTS,
  TypeKind,
  TYPES,
} from "../../shared-heap/layout.ts";

const wabt = await wabtInit();
const FEATURES = {
  simd: true,
  threads: true,
  tail_call: true,
  bulk_memory: true,
  reference_types: true,
  multi_value: true,
  sign_extension: true,
  sat_float_to_int: true,
  mutable_globals: true,
  exceptions: true,
  memory64: true,
  multi_memory: true,
  function_references: true,
  gc: true,
  extended_const: true,
  relaxed_simd: true,
};

/** Assembles text; `check: false` for modules that wabt itself would refuse. */
export function wat(text: string, check = true): Uint8Array<ArrayBuffer> {
  const module = wabt.parseWat("test.wat", text, FEATURES);
  if (check) module.validate();
  return new Uint8Array(module.toBinary({ write_debug_names: true }).buffer);
}

const signature = (params: string, results = ""): Signature => {
  const types: Record<string, number> = { i: I32, I: 0x7e, f: 0x7d, d: 0x7c };
  return { params: [...params].map((c) => types[c]!), results: [...results].map((c) => types[c]!) };
};

/** `{ "env.poke": "ii>i" }` → import signatures; i, I, f, d are i32, i64, f32, f64. */
export function grants(text: Readonly<Record<string, string>>): Map<string, Signature> {
  return new Map(
    Object.entries(text).map(([name, shape]) => {
      const dot = name.indexOf(".");
      const [params, results] = shape.split(">") as [string, string];
      return [importKey(name.slice(0, dot), name.slice(dot + 1)), signature(params, results)];
    }),
  );
}

export function policy(functions: Readonly<Record<string, string>> = {}, more: Partial<Policy> = {}): Policy {
  return { functions: grants(functions), methods: new Map(), maxPages: 256, ...more };
}

export const HEAP_PAGES = 16;
export const MAX_OBJECTS_HERE = 1000;
export const LEDGER_PAGES = ledgerBytes(MAX_OBJECTS_HERE) / 65536;
export const OPTIONS: LowerOptions = { heapPages: HEAP_PAGES, ledgerPages: LEDGER_PAGES };
/** Owner ids of the domain under test and of another one. */
export const ME = 7;
export const OTHER = 9;
export const MY_RECORD = DOMAINS + (ME << DOMAIN_SHIFT);

export type Call = (...args: (number | bigint)[]) => number | bigint | undefined;
/** What a host function or export of a test looks like. */
export type Host = (...args: number[]) => number | void;

export class World {
  readonly heap = new WebAssembly.Memory({ initial: HEAP_PAGES, maximum: HEAP_PAGES, shared: true });
  readonly ledger = new WebAssembly.Memory({ initial: LEDGER_PAGES, maximum: LEDGER_PAGES, shared: true });
  readonly words = new Int32Array(this.ledger.buffer);
  readonly bytes = new Uint8Array(this.heap.buffer);
  readonly heapWords = new Int32Array(this.heap.buffer);
  ticks = 0;
  /** What a tick does besides being counted. */
  onTick: () => void = () => {};
  #address = 4096;
  #index = 1;
  #type = 1;
  #slotTypes = SLOT_TYPES;

  /** Defines a type; `elements` are the element's id, or one id per slot for a record. Returns its id. */
  type(kind: keyof typeof TypeKind, slots = 0, elements: number | readonly number[] = 0): number {
    const id = this.#type++;
    const at = (TYPES + (id << TYPE_SHIFT)) >> 2;
    this.words[at + (TYPE_KIND >> 2)] = TypeKind[kind];
    this.words[at + (TYPE_SLOTS >> 2)] = slots;
    if (typeof elements === "number") this.words[at + (TYPE_ELEMENT >> 2)] = elements;
    else {
      this.words[at + (TYPE_ELEMENT >> 2)] = this.#slotTypes;
      for (const element of elements) {
        this.words[this.#slotTypes >> 2] = element;
        this.#slotTypes += 4;
      }
    }
    return id;
  }

  /** Makes an object and returns its handle. */
  object(size: number, { owner = ME, type = 0, generation = 5 } = {}): number {
    const index = this.#index++;
    const at = (TYPES + (type << TYPE_SHIFT)) >> 2;
    const header = headerBytes(this.words[at]!, this.words[at + 1]!);
    const address = this.#address + header;
    this.#address = (address + size + 127) & ~63;
    const handle = (index << 10) | generation;
    this.set(handle, OBJECT_ADDRESS, address);
    this.set(handle, OBJECT_SIZE, size);
    this.set(handle, OBJECT_TYPE, type);
    this.give(handle, owner);
    return handle;
  }

  give(handle: number, owner: number): void {
    this.set(handle, OBJECT_TAG, handle ^ (owner << 10));
  }

  #word(handle: number, field: number): number {
    return (OBJECTS + (handle >>> 10) * OBJECT_BYTES + field) >> 2;
  }

  get(handle: number, field: number): number {
    return this.words[this.#word(handle, field)]!;
  }

  set(handle: number, field: number, value: number): void {
    this.words[this.#word(handle, field)] = value;
  }

  address(handle: number): number {
    return this.get(handle, OBJECT_ADDRESS);
  }

  set epoch(value: number) {
    this.words[CORE_EPOCH >> 2] = value;
  }

  /** Instantiates a lowered module as domain ME. `imports` are by `module.name`; dead slots fill themselves. */
  instantiate(admitted: Admitted, imports: Readonly<Record<string, Host>> = {}) {
    const memory = new WebAssembly.Memory(admitted.memory ?? { initial: 0, maximum: 0 });
    const table: Record<string, Record<string, unknown>> = {};
    for (const { module, name } of admitted.imports) {
      (table[module] ??= {})[name] = imports[`${module}.${name}`] ?? dead;
    }
    (table["env"] ??= {})["memory"] = memory;
    table["samara"] = { heap: this.heap, ledger: this.ledger };
    const instance = new WebAssembly.Instance(new WebAssembly.Module(admitted.bytes), table as WebAssembly.Imports);
    const exports = instance.exports as Record<string, unknown> & Record<string, Call>;
    exports[EXPORT_RESET]!();
    (exports[EXPORT_OWNER] as unknown as WebAssembly.Global).value = ME << 10;
    (exports[EXPORT_RECORD] as unknown as WebAssembly.Global).value = MY_RECORD;
    const caps = exports[EXPORT_CAPS] as unknown as WebAssembly.Table;
    if (caps.length !== CAP_TABLE_SIZE) throw new Error("capability table");
    caps.set(
      0,
      hostFunction(
        () => {
          this.ticks++;
          this.onTick();
        },
        "",
        "",
      ),
    );
    return { exports, memory, caps, bytes: new Uint8Array(memory.buffer), words: new Int32Array(memory.buffer) };
  }

  /** Admits and instantiates text. */
  load(text: string, options: Partial<LowerOptions> = {}, imports: Readonly<Record<string, Host>> = {}, p = policy()) {
    const admitted = admit(wat(text), p, { ...OPTIONS, ...options });
    return { admitted, ...this.instantiate(admitted, imports) };
  }
}

function dead(): never {
  throw new Error("a dead import slot was called");
}

/** A JavaScript function as a Wasm function with the given type, for tables. */
export function hostFunction(f: Host, params: string, results: string): Call {
  const name: Record<string, string> = { i: "i32", I: "i64" };
  const list = (word: string, types: string): string =>
    types === "" ? "" : `(${word} ${[...types].map((t) => name[t]).join(" ")})`;
  const type = `${list("param", params)} ${list("result", results)}`;
  const text = `(module (import "h" "f" (func ${type})) (export "f" (func 0)))`;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(wat(text)), { h: { f } });
  return instance.exports["f"] as Call;
}

/** "trap" when the call traps in Wasm; other errors pass. */
export function outcome(call: () => unknown): unknown {
  try {
    return call();
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) return "trap";
    throw error;
  }
}
