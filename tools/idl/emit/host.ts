/**
 * TypeScript for host programs: what a test or an embedding program sees of a system.
 *
 * Owns the host's types of interfaces, enums and objects. Invariant: the types say exactly what the kernel's
 * marshalling does with a value (u64 and i64 are bigint, `Str` is string, `Slice` is Uint8Array, an object is its
 * class).
 */
import {
  typeKey,
  type Enum,
  type ExchangeType,
  type Field,
  type FieldType,
  type Interface,
  type Method,
  type Model,
  type ScalarName,
  type ValueType,
} from "#kernel/interface/model.ts";
import { fieldSize } from "../layout.ts";
import { capital, exchangeClass, hostClient, moduleName } from "../names.ts";
import { doc, fileOfType, header, join, sourceFiles } from "./text.ts";

type Record = Extract<ExchangeType, { kind: "record" }>;

/** Files by path: `NAME.ts` for each interface file, `rpc.ts` (results), `interfaces.ts` (tables of everything). */
export function emitHost(model: Model): Map<string, string> {
  const files = new Map<string, string>();
  files.set("rpc.ts", RPC);
  for (const { file, module } of sourceFiles(model)) {
    const body = moduleBody(model, file);
    files.set(`${module}.ts`, `${header(file)}${imports(model, body, module)}\n${body}`);
  }
  files.set("interfaces.ts", tables(model));
  return files;
}

const RPC = `${header("all interface files")}import type { RpcFaultName } from "#kernel/interface/model.ts";

/** What every call answers: the value, a member of the method's error enum, or a fault that only the kernel makes. */
export type RpcResult<T, E extends string> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: E; readonly fault?: undefined }
  | { readonly ok: false; readonly fault: RpcFaultName; readonly error?: undefined };
`;

function moduleBody(model: Model, file: string): string {
  return join(
    [
      ...Object.values(model.enums)
        .filter((e) => e.file === file)
        .map(emitEnum),
      ...Object.values(model.types)
        .filter((t) => fileOfType(model, t.name) === file)
        .map(emitType),
      ...Object.values(model.interfaces)
        .filter((i) => i.file === file)
        .map(emitInterface),
    ],
    "\n",
  );
}

function imports(model: Model, body: string, own: string): string {
  const used = new Set(body.replace(/\/\*\*[\s\S]*?\*\//g, "").match(/[A-Za-z_][A-Za-z0-9_]*/g) ?? []);
  const lines: string[] = [];
  if (used.has("HostObject")) lines.push('import { HostObject, type HostHeap } from "#kernel/host/object.ts";\n');
  if (used.has("RpcResult")) lines.push('import type { RpcResult } from "./rpc.ts";\n');
  const others = new Map<string, string[]>();
  const add = (name: string, file: string, isType: boolean): void => {
    const module = moduleName(file);
    if (module === own || !used.has(name)) return;
    others.set(module, [...(others.get(module) ?? []), isType ? `type ${name}` : name]);
  };
  for (const e of Object.values(model.enums)) add(e.name, e.file, false);
  for (const t of Object.values(model.types)) add(exchangeClass(t.name), fileOfType(model, t.name), false);
  for (const i of Object.values(model.interfaces)) add(hostClient(i.name), i.file, true);
  for (const [module, names] of others) lines.push(`import { ${names.join(", ")} } from "./${module}.ts";\n`);
  return lines.join("");
}

/** An enum: its members by name with their wire values, and the type of those values. Errors come as names. */
function emitEnum(e: Enum): string {
  const members = e.members.map((m, value) => `${doc(m.doc, "  ")}  ${m.name}: ${value},\n`).join("");
  return (
    `${doc(e.doc)}export const ${e.name} = {\n${members}} as const;\n` +
    `export type ${e.name} = (typeof ${e.name})[keyof typeof ${e.name}];\n`
  );
}

function emitInterface(i: Interface): string {
  const methods = i.methods.map((m) => `${doc(m.doc, "  ")}  ${signature(m)};\n`).join("");
  return `${doc(i.doc)}export interface ${hostClient(i.name)} {\n${methods}}\n`;
}

function signature(m: Method): string {
  const params = m.params.map((p) => `${p.name}: ${hostType(p.type)}`).join(", ");
  const { result } = m;
  const value =
    result.kind === "void"
      ? "void"
      : result.kind === "value"
        ? hostType(result.type)
        : `{ ${result.fields.map((f) => `${f.name}: ${hostType(f.type)}`).join("; ")} }`;
  const answer = `RpcResult<${value}, ${m.error === null ? "never" : `keyof typeof ${m.error}`}>`;
  return `${m.name}(${params}): ${m.async === true ? `Promise<${answer}>` : answer}`;
}

function hostScalar(scalar: ScalarName): string {
  if (scalar === "bool") return "boolean";
  return scalar === "u64" || scalar === "i64" ? "bigint" : "number";
}

function hostType(type: ValueType): string {
  switch (type.kind) {
    case "scalar":
      return hostScalar(type.scalar);
    case "str":
      return "string";
    case "slice":
      return "Uint8Array";
    case "rref":
    case "borrow":
      return exchangeClass(type.type);
    case "interface":
      return hostClient(type.name);
    default:
      return type.name;
  }
}

// ── objects ────────────────────────────────────────────────────────────────────────────────────────────────────────

function emitType(type: ExchangeType): string {
  const name = exchangeClass(type.name);
  const comment = type.kind === "record" ? doc(type.doc) : `/** \`${type.name}\` in the exchange heap. */\n`;
  const create =
    `  static readonly typeKey = ${JSON.stringify(typeKey(type))};\n\n` +
    `  /** A new object that the host owns; throws when the heap is exhausted. */\n` +
    `  static create(heap: HostHeap): ${name} {\n    return new ${name}(heap, heap.create(${name}.typeKey));\n  }\n`;
  const members =
    type.kind === "record" ? type.fields.map((f) => `\n${emitField(f)}`).join("") : `\n${container(type)}`;
  return `${comment}export class ${name} extends HostObject {\n${create}${members}}\n`;
}

function container(type: Exclude<ExchangeType, Record>): string {
  const element = exchangeClass(type.element);
  const wrap = (handle: string): string =>
    `    const handle = ${handle};\n    return handle === 0 ? null : new ${element}(this.heap, handle);\n`;
  if (type.kind === "array")
    return (
      `  /** Moves an object into an empty slot. */\n  put(object: ${element}, slot: number): void {\n` +
      `    this.heap.put(object.handle, this.handle, slot);\n    object.handle = 0;\n  }\n\n` +
      `  /** Takes the object out of a slot; null when it is empty. */\n  take(slot: number): ${element} | null {\n` +
      `${wrap("this.heap.take(this.handle, slot)")}  }\n`
    );
  return (
    `  get length(): number {\n    return this.heap.length(this.handle);\n  }\n\n` +
    `  /** Moves an object to the back; false when there is no room. */\n  push(object: ${element}): boolean {\n` +
    `    const moved = this.heap.push(object.handle, this.handle);\n` +
    `    if (moved) object.handle = 0;\n    return moved;\n  }\n\n` +
    `  /** Takes the object at the front; null when there is none. */\n  pop(): ${element} | null {\n` +
    `${wrap("this.heap.pop(this.handle)")}  }\n`
  );
}

const ACCESS: Readonly<{ [K in ScalarName]: string }> = {
  bool: "U8",
  u8: "U8",
  i8: "I8",
  u16: "U16",
  i16: "I16",
  u32: "U32",
  i32: "I32",
  u64: "U64",
  i64: "I64",
  f32: "F32",
  f64: "F64",
};

function load(scalar: ScalarName, at: string): string {
  const value = `this.heap.load${ACCESS[scalar]}(this.handle, ${at})`;
  return scalar === "bool" ? `${value} !== 0` : value;
}

function store(scalar: ScalarName, at: string): string {
  return `this.heap.store${ACCESS[scalar]}(this.handle, ${at}, ${scalar === "bool" ? "value ? 1 : 0" : "value"})`;
}

function emitField(field: Field): string {
  const { name, at } = field;
  const type: FieldType = field.type;
  const comment = doc(field.doc, "  ");
  const property = (host: string, get: string, set: string): string =>
    `${comment}  get ${name}(): ${host} {\n    ${get}\n  }\n\n  set ${name}(value: ${host}) {\n    ${set}\n  }\n`;
  switch (type.kind) {
    case "scalar":
      return property(
        hostScalar(type.scalar),
        `return ${load(type.scalar, `${at}`)};`,
        `${store(type.scalar, `${at}`)};`,
      );
    case "enum":
      return property(
        type.name,
        `return this.heap.loadU8(this.handle, ${at}) as ${type.name};`,
        `this.heap.storeU8(this.handle, ${at}, value);`,
      );
    case "rref":
      return slot(field, exchangeClass(type.type), comment);
    case "array":
      return array(field, type.element, type.length, comment);
    default:
      return bytes(field, fieldSize(type).size, comment);
  }
}

function slot(field: Field, name: string, comment: string): string {
  const big = capital(field.name);
  return (
    `${comment}  take${big}(): ${name} | null {\n    const handle = this.heap.take(this.handle, ${field.at});\n` +
    `    return handle === 0 ? null : new ${name}(this.heap, handle);\n  }\n\n` +
    `  /** Moves an object into the slot, which must be empty. */\n  put${big}(object: ${name}): void {\n` +
    `    this.heap.put(object.handle, this.handle, ${field.at});\n    object.handle = 0;\n  }\n`
  );
}

function array(field: Field, element: ScalarName, length: number, comment: string): string {
  const at = `${field.at} + i * ${fieldSize({ kind: "scalar", scalar: element }).size}`;
  const check = `    if (!(i >= 0 && i < ${length})) throw new RangeError(\`${field.name}[\${i}] of ${length}\`);\n`;
  const host = hostScalar(element);
  return (
    `${comment}  ${field.name}Get(i: number): ${host} {\n${check}    return ${load(element, at)};\n  }\n\n` +
    `  ${field.name}Set(i: number, value: ${host}): void {\n${check}    ${store(element, at)};\n  }\n`
  );
}

function bytes(field: Field, length: number, comment: string): string {
  const big = capital(field.name);
  return (
    `${comment}  get${big}(at = 0, length = ${length} - at): Uint8Array {\n` +
    `    return this.heap.bytes(this.handle, ${field.at} + at, length);\n  }\n\n` +
    `  /** Overwrites part of the field with a copy of \`bytes\`. */\n` +
    `  set${big}(bytes: Uint8Array, at = 0): void {\n` +
    `    if (!(at >= 0 && at + bytes.length <= ${length}))\n` +
    `      throw new RangeError("${field.name} has ${length} bytes");\n` +
    `    this.heap.setBytes(this.handle, ${field.at} + at, bytes);\n  }\n`
  );
}

// ── tables ─────────────────────────────────────────────────────────────────────────────────────────────────────────

function tables(model: Model): string {
  const types = Object.values(model.types);
  const lines = sourceFiles(model).flatMap(({ file, module }) => {
    const names = [
      ...Object.values(model.interfaces)
        .filter((i) => i.file === file)
        .map((i) => `type ${hostClient(i.name)}`),
      ...types.filter((t) => fileOfType(model, t.name) === file).map((t) => exchangeClass(t.name)),
    ];
    return names.length === 0 ? [] : [`import { ${names.join(", ")} } from "./${module}.ts";\n`];
  });
  const clients = Object.values(model.interfaces)
    .map((i) => `  ${i.name}: ${hostClient(i.name)};\n`)
    .join("");
  const records = types.map((t) => `  ${JSON.stringify(t.name)}: ${exchangeClass(t.name)},\n`).join("");
  return (
    `${header("all interface files")}${lines.join("")}export type { RpcResult } from "./rpc.ts";\n\n` +
    `/** Type of the client of each interface, by the interface's name. */\n` +
    `export interface Clients {\n${clients}}\n\n` +
    `/** Class of each exchangeable type, by its name in the interface model. */\n` +
    `export const records = {\n${records}} as const;\n`
  );
}
