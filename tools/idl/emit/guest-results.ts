/**
 * AssemblyScript for the results of methods.
 *
 * Owns the result classes, which clients read and servers make. Invariant: no result is allocated: it is the status
 * itself (void), the status or the handle (one object or capability), or lies in static storage (one for each method).
 */
import { isDirect, type Interface, type Method, type Param } from "#kernel/interface/model.ts";
import { resultClass } from "../names.ts";
import { guestType, isText } from "./guest-values.ts";

const DECORATOR = "// @ts-ignore: decorator\n";

/** Values of a stored result: the one value is called `value`. */
export function resultFields(method: Method): readonly Param[] {
  const { result } = method;
  if (result.kind === "void") return [];
  return result.kind === "value" ? [{ name: "value", type: result.type }] : result.fields;
}

export function isStored(method: Method): boolean {
  return method.result.kind !== "void" && !isDirect(method.result);
}

/** Names of a method's static storage: all are compile-time addresses, so that no start-up code is needed. */
export function storage(
  i: Interface,
  m: Method,
): {
  result: string;
  view(field: string): string;
  buffer(field: string): string;
} {
  const prefix = `_${i.name}_${m.name}`;
  return {
    result: `${prefix}_result`,
    view: (field) => `${prefix}_${field}_view`,
    buffer: (field) => `${prefix}_${field}_bytes`,
  };
}

export function staticBytes(name: string, bytes: number): string {
  return `${DECORATOR}@lazy const ${name}: usize = memory.data(${bytes}, 16);\n`;
}

export function emitResult(i: Interface, m: Method): string {
  const name = resultClass(i, m);
  const comment = `/** Result of \`${i.name}.${m.name}\`. */\n${DECORATOR}@unmanaged @final\n`;
  const error =
    m.error === null
      ? ""
      : `\n  /** The method's error; ends the domain when there is none. */\n` +
        `  get error(): ${m.error} {\n    if (!this.isError) noError();\n` +
        `    return <${m.error}>(this.status - 1);\n  }\n`;
  const constructor = "  protected constructor() {\n    super();\n  }\n\n";
  if (isStored(m)) return storedResult(i, m, comment, constructor, error);
  const base = m.result.kind === "void" ? "Status" : "Direct";
  const err =
    m.error === null
      ? ""
      : `\n  @inline static err(error: ${m.error}): ${name} {\n    return changetype<${name}>(<i32>error + 1);\n  }\n`;
  const value = m.result.kind === "value" ? guestType(m.result.type) : "";
  const ok =
    value === ""
      ? `  @inline static ok(): ${name} {\n    return changetype<${name}>(0);\n  }\n`
      : `  @inline static ok(value: ${value}): ${name} {\n` +
        `    return changetype<${name}>(changetype<u32>(value));\n  }\n`;
  // Without a check: a status is no handle, so whoever takes it for one ends at its first use.
  const get =
    value === ""
      ? ""
      : `\n  @inline get value(): ${value} {\n    return changetype<${value}>(changetype<u32>(this));\n  }\n`;
  return `${comment}export class ${name} extends ${base} {\n${constructor}${ok}${err}${get}${error}}\n`;
}

function storedResult(i: Interface, m: Method, comment: string, constructor: string, error: string): string {
  const name = resultClass(i, m);
  const names = storage(i, m);
  const fields = resultFields(m);
  const statics = [
    // Status, then every value at its natural alignment: 8 bytes each is always enough.
    staticBytes(names.result, 8 + fields.length * 8),
    ...fields.filter((f) => isText(f.type)).map((f) => staticBytes(names.view(f.name), 12)),
    ...fields.flatMap((f) => (isText(f.type) ? [staticBytes(names.buffer(f.name), f.type.max)] : [])),
  ].join("");
  const members = fields.map((f) => `  _${f.name}: ${isText(f.type) ? "Slice" : guestType(f.type)};\n`).join("");
  const params = fields.map((f) => `${f.name}: ${guestType(f.type)}`).join(", ");
  const own = `changetype<${name}>(${names.result})`;
  const ok =
    `  static ok(${params}): ${name} {\n    const _result = ${own};\n    _result.status = 0;\n` +
    `${fields.map((f) => setField(i, m, f)).join("")}    return _result;\n  }\n`;
  const err =
    m.error === null
      ? ""
      : `\n  static err(error: ${m.error}): ${name} {\n    const _result = ${own};\n` +
        `    _result.status = <i32>error + 1;\n    return _result;\n  }\n`;
  const getters = fields.map((f) => `\n${getField(f)}`).join("");
  const body = `${members}\n${constructor}${ok}${err}${getters}${error}`;
  return `${statics}\n${comment}export class ${name} extends Stored {\n${body}}\n`;
}

/** Statements of `ok` that store one value. Text is encoded; bytes stay where the implementation has them. */
function setField(i: Interface, m: Method, field: Param): string {
  const { name, type } = field;
  const names = storage(i, m);
  if (type.kind === "slice")
    return `    if (<u32>${name}.length > ${type.max}) tooLong();\n    _result._${name} = ${name};\n`;
  if (type.kind !== "str") return `    _result._${name} = ${name};\n`;
  const view = `_${name}View`;
  return (
    `    const ${view} = changetype<Slice>(${names.view(name)});\n    ${view}.ptr = ${names.buffer(name)};\n` +
    `    ${view}.capacity = ${type.max};\n` +
    `    ${view}.length = encodeText(${name}, ${names.buffer(name)}, ${type.max});\n` +
    `    if (${view}.length > ${type.max}) tooLong();\n    _result._${name} = ${view};\n`
  );
}

function getField(field: Param): string {
  const { name, type } = field;
  const check = "    if (this.status != 0) noValue(this.status);\n";
  const get = (member: string, returns: string, value: string): string =>
    `  get ${member}(): ${returns} {\n${check}    return ${value};\n  }\n`;
  if (type.kind !== "str") return get(name, guestType(type), `this._${name}`);
  const bytes = `  /** The bytes of \`${name}\`, without making a string of them. */\n`;
  return `${get(name, "string", `this._${name}.toText()`)}\n${bytes}${get(`${name}Bytes`, "Slice", `this._${name}`)}`;
}
