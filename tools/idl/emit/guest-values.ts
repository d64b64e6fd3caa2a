/**
 * How each value crosses on the AssemblyScript side.
 *
 * Owns the mapping between typed values and the flat convention: Wasm parameters, result words and static storage.
 * Invariant: it agrees with `flatten`, `outBuffers` and `resultWords`, which the proxy generator uses as well.
 */
import { flatten, F32, F64, type ValueType } from "#kernel/interface/model.ts";
import { exchangeClass } from "../names.ts";

/** Name of the type as a domain's code writes it. */
export function guestType(type: ValueType): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "str":
      return "string";
    case "slice":
      return "Slice";
    case "rref":
    case "borrow":
      return exchangeClass(type.type);
    default:
      return type.name;
  }
}

/** The same for a parameter, which also says whether an object is only lent. */
export function paramType(type: ValueType): string {
  return type.kind === "borrow" ? `Borrow<${guestType(type)}>` : guestType(type);
}

export function isText(type: ValueType): type is Extract<ValueType, { kind: "str" | "slice" }> {
  return type.kind === "str" || type.kind === "slice";
}

function isWide(type: ValueType): boolean {
  return type.kind === "scalar" && (type.scalar === "u64" || type.scalar === "i64");
}

/** Flat parameters of a value as declarations `name: type`, named after `name`. */
export function flatParams(type: ValueType, name: string): { name: string; type: string }[] {
  const flat = flatten(type);
  return flat.map((wasm, i) => ({
    name: flat.length === 1 ? name : `${name}_${i}`,
    type: wasm === F32 ? "f32" : wasm === F64 ? "f64" : "i32",
  }));
}

/**
 * Expressions for the flat parameters of a value that the client passes.
 *
 * @param buffer for text: the static buffer that it was encoded into, and the variable that holds its length
 */
export function toFlat(type: ValueType, name: string, buffer: { at: string; length: string } | null): string[] {
  if (buffer !== null) return [`<i32>${buffer.at}`, buffer.length];
  if (isWide(type)) return [`<i32>${name}`, `<i32>(${name} >> 32)`];
  if (type.kind === "slice") return [`<i32>${name}.ptr`, `${name}.length`];
  if (type.kind === "enum") return [`<i32>${name}`];
  if (type.kind !== "scalar") return [`changetype<i32>(${name})`];
  return type.scalar === "f32" || type.scalar === "f64" || type.scalar === "i32" ? [name] : [`<i32>${name}`];
}

/** The typed value that a server's implementation gets, from its flat parameters. Views of bytes are made elsewhere. */
export function fromFlat(type: ValueType, names: readonly string[]): string {
  const [a, b] = names as [string, string];
  if (type.kind === "str") return `decodeText(<usize>${a}, ${b})`;
  if (type.kind === "enum") return `<${type.name}>${a}`;
  if (type.kind !== "scalar") return `changetype<${guestType(type)}>(${a})`;
  if (isWide(type)) return `<${type.scalar}>(<u64><u32>${a} | <u64><u32>${b} << 32)`;
  if (type.scalar === "bool") return `${a} != 0`;
  return type.scalar === "f32" || type.scalar === "f64" || type.scalar === "i32" ? a : `<${type.scalar}>${a}`;
}

/** Statements after a successful call: the client's own result words from `word` on become the stored value. */
export function readWords(type: ValueType, word: number, field: string, view: string): string[] {
  if (isText(type))
    return [
      `const ${view}v = changetype<Slice>(${view});`,
      `${view}v.ptr = <usize>get${word}();`,
      `${view}v.length = get${word + 1}();`,
      `${view}v.capacity = ${type.max};`,
      `${field} = ${view}v;`,
    ];
  if (type.kind === "scalar" && type.scalar === "f64") return [`${field} = getd${word}();`];
  if (type.kind === "scalar" && type.scalar === "f32") return [`${field} = getf${word}();`];
  const words = isWide(type) ? [`get${word}()`, `get${word + 1}()`] : [`get${word}()`];
  return [`${field} = ${fromFlat(type, words)};`];
}

/** Statements of a server: the stored value becomes the domain's own result words from `word` on. */
export function writeWords(type: ValueType, word: number, field: string): string[] {
  if (isText(type)) return [`set${word}(<i32>${field}.ptr);`, `set${word + 1}(${field}.length);`];
  if (type.kind === "scalar" && type.scalar === "f64") return [`setd${word}(${field});`];
  if (type.kind === "scalar" && type.scalar === "f32") return [`setf${word}(${field});`];
  return toFlat(type, field, null).map((value, i) => `set${word + i}(${value});`);
}
