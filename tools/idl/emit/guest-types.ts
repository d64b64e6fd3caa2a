/**
 * AssemblyScript for enums, records and containers.
 *
 * Owns the accessor classes. Invariant: an accessor compiles to the intrinsic call alone, and neither allocates in
 * private memory nor does anything that the domain could not do by calling the intrinsics itself.
 */
import type { Enum, ExchangeType, Field, FieldType, ScalarName } from "#kernel/interface/model.ts";
import { typeKey } from "#kernel/interface/model.ts";
import { capital, exchangeClass } from "../names.ts";
import { doc } from "./text.ts";

type Record = Extract<ExchangeType, { kind: "record" }>;

const DECORATOR = "// @ts-ignore: decorator\n";

export function emitEnum(e: Enum): string {
  const members = e.members.map((m) => `${doc(m.doc, "  ")}  ${m.name},\n`).join("");
  return `${doc(e.doc)}export enum ${e.name} {\n${members}}\n`;
}

/** Import of the function that makes an object, and the class. */
export function emitType(type: ExchangeType): string {
  const name = exchangeClass(type.name);
  const external = `@external("type", ${JSON.stringify(typeKey(type))})`;
  const create = `${DECORATOR}${external} declare function _new_${name}(): u32;\n\n`;
  return create + (type.kind === "record" ? emitRecord(type) : emitContainer(type, name));
}

function emitContainer(type: Exclude<ExchangeType, Record>, name: string): string {
  const base = type.kind === "deque" ? "Deque" : "HeapArray";
  const what = type.kind === "deque" ? `A queue of at most ${type.length} objects` : `${type.length} slots for objects`;
  return (
    `/** ${what} of type ${type.element}. */\n${DECORATOR}@unmanaged @final\n` +
    `export class ${name} extends ${base}<${type.element}> {\n` +
    `  @inline static get capacity(): i32 {\n    return ${type.length};\n  }\n\n` +
    emitCreate(name) +
    "}\n"
  );
}

function emitCreate(name: string): string {
  return (
    "  protected constructor() {\n    super();\n  }\n\n" +
    `  /** A new empty object; ends the domain when a quota or the heap is exhausted. */\n` +
    `  static create(): ${name} {\n    const handle = _new_${name}();\n` +
    `    if (handle == 0) exhausted(${JSON.stringify(name)});\n    return changetype<${name}>(handle);\n  }\n\n` +
    `  /** The same, but \`isNull\` when a quota or the heap is exhausted. */\n` +
    `  @inline static tryCreate(): ${name} {\n    return changetype<${name}>(_new_${name}());\n  }\n`
  );
}

function emitRecord(type: Record): string {
  const fields = type.fields.map((field) => `\n${emitField(field)}`).join("");
  return (
    `${doc(type.doc)}${DECORATOR}@unmanaged @final\nexport class ${type.name} extends HeapObject {\n` +
    `${emitCreate(type.name)}${fields}}\n`
  );
}

/** AssemblyScript's own name of a field's scalar; enums are stored in one byte. */
function stored(type: FieldType): string {
  if (type.kind === "scalar") return type.scalar;
  if (type.kind === "array") return type.element;
  return "u8";
}

function emitField(field: Field): string {
  switch (field.type.kind) {
    case "scalar":
      return emitScalar(field, field.type.scalar);
    case "enum":
      return emitEnumField(field, field.type.name);
    case "rref":
      return emitSlot(field, exchangeClass(field.type.type));
    case "array":
      return emitArray(field, field.type.element, field.type.length);
    case "bytes":
      return emitBytes(field, field.type.length);
    default:
      throw new Error(`unknown field type ${JSON.stringify(field.type)}`);
  }
}

function emitAt(field: Field): string {
  return (
    `  /** Byte offset of \`${field.name}\`, for \`peek<${stored(field.type)}>\`. */\n` +
    `  @inline static get ${field.name}At(): u32 {\n    return ${field.at};\n  }\n`
  );
}

function emitScalar(field: Field, scalar: ScalarName): string {
  return (
    `${doc(field.doc, "  ")}  @inline get ${field.name}(): ${scalar} {\n` +
    `    return loadField<${scalar}>(changetype<u32>(this), ${field.at});\n  }\n\n` +
    `  @inline set ${field.name}(value: ${scalar}) {\n` +
    `    storeField<${scalar}>(value, changetype<u32>(this), ${field.at});\n  }\n\n${emitAt(field)}`
  );
}

function emitEnumField(field: Field, name: string): string {
  return (
    `${doc(field.doc, "  ")}  @inline get ${field.name}(): ${name} {\n` +
    `    return <${name}>loadField<u8>(changetype<u32>(this), ${field.at});\n  }\n\n` +
    `  @inline set ${field.name}(value: ${name}) {\n` +
    `    storeField<u8>(<u8>value, changetype<u32>(this), ${field.at});\n  }\n\n${emitAt(field)}`
  );
}

function emitSlot(field: Field, name: string): string {
  const big = capital(field.name);
  return (
    `${doc(field.doc, "  ")}  @inline take${big}(): ${name} {\n` +
    `    return changetype<${name}>(take(changetype<u32>(this), ${field.at}));\n  }\n\n` +
    `  /** Moves an object into the slot, which must be empty. */\n` +
    `  @inline put${big}(object: ${name}): void {\n` +
    `    put(changetype<u32>(object), changetype<u32>(this), ${field.at});\n  }\n\n` +
    `  @inline get has${big}(): bool {\n    return has(changetype<u32>(this), ${field.at}) != 0;\n  }\n`
  );
}

function emitLength(field: Field, length: number): string {
  return `  @inline static get ${field.name}Length(): u32 {\n    return ${length};\n  }\n\n${emitAt(field)}`;
}

function emitArray(field: Field, element: ScalarName, length: number): string {
  const at = `${field.at} + i * sizeof<${element}>()`;
  return (
    `${doc(field.doc, "  ")}  @inline ${field.name}Get(i: u32): ${element} {\n    checkRange(i, 1, ${length});\n` +
    `    return loadField<${element}>(changetype<u32>(this), ${at});\n  }\n\n` +
    `  @inline ${field.name}Set(i: u32, value: ${element}): void {\n    checkRange(i, 1, ${length});\n` +
    `    storeField<${element}>(value, changetype<u32>(this), ${at});\n  }\n\n${emitLength(field, length)}`
  );
}

function emitBytes(field: Field, length: number): string {
  const name = field.name;
  const method = (comment: string, signature: string, body: string, guard: string): string =>
    `${comment === "" ? "" : `  /** ${comment} */\n`}  @inline ${name}${signature} {\n${guard}    ${body}\n  }\n\n`;
  const byte = `    checkRange(i, 1, ${length});\n`;
  const range = `    checkRange(at, length, ${length});\n`;
  const self = "changetype<u32>(this)";
  return (
    doc(field.doc, "  ") +
    method("", "Get(i: u32): u8", `return loadField<u8>(${self}, ${field.at} + i);`, byte) +
    method("", "Set(i: u32, byte: u8): void", `storeField<u8>(byte, ${self}, ${field.at} + i);`, byte) +
    method(
      "A scalar at a byte offset of the field; checked against the object's end only.",
      "Load<T>(at: u32): T",
      `return loadField<T>(${self}, ${field.at} + at);`,
      "",
    ) +
    method("", "Store<T>(at: u32, value: T): void", `storeField<T>(value, ${self}, ${field.at} + at);`, "") +
    method(
      "Copies `length` bytes of private memory into the field.",
      "CopyIn(pointer: usize, length: u32, at: u32 = 0): void",
      `copy_in(pointer, length, ${self}, ${field.at} + at);`,
      range,
    ) +
    method(
      "Copies `length` bytes of the field into private memory.",
      "CopyOut(pointer: usize, length: u32, at: u32 = 0): void",
      `copy_out(pointer, length, ${self}, ${field.at} + at);`,
      range,
    ) +
    method(
      "",
      "Fill(byte: u8, length: u32, at: u32 = 0): void",
      `fill(byte, length, ${self}, ${field.at} + at);`,
      range,
    ) +
    emitLength(field, length)
  );
}
