/**
 * Reference pages in Markdown, one for each interface.
 *
 * Owns what a reader sees of an interface: methods, types, errors, layouts and wire names. Invariant: the page comes
 * from the model alone, so it cannot disagree with the generated code.
 */
import {
  clientSignature,
  exportName,
  F32,
  F64,
  I64,
  interfaceKey,
  typeKey,
  type ExchangeType,
  type FieldType,
  type Interface,
  type Method,
  type Model,
  type Result,
  type ValueType,
} from "#kernel/interface/model.ts";
import { fieldSize } from "../layout.ts";
import { valueTypes } from "../fingerprint.ts";

/** Pages by path: `Interface.md`, and `README.md` with the list of all. */
export function emitReference(model: Model): Map<string, string> {
  const pages = new Map<string, string>();
  for (const i of Object.values(model.interfaces)) pages.set(`${i.name}.md`, page(model, i));
  pages.set("README.md", contents(model));
  return pages;
}

function contents(model: Model): string {
  const rows = Object.values(model.interfaces).map(
    (i) => `| [${i.name}](${i.name}.md) | ${firstLine(i.doc)} | \`${i.file}\` | \`${i.fingerprint}\` |\n`,
  );
  return `# Interfaces\n\n| interface | what | declared in | fingerprint |\n|---|---|---|---|\n${rows.join("")}`;
}

function page(model: Model, i: Interface): string {
  const reached = reachedTypes(model, i);
  const parts = [
    `# ${i.name}\n`,
    i.doc === "" ? "" : `${i.doc}\n`,
    `Declared in \`${i.file}\`; import module \`${interfaceKey(i)}\`.\n`,
    "## Methods\n",
    ...i.methods.map((m) => method(i, m)),
    ...(reached.enums.length === 0 ? [] : ["## Enums\n", ...reached.enums.map((name) => enumSection(model, name))]),
    ...(reached.types.length === 0
      ? []
      : ["## Objects\n", ...reached.types.map((name) => typeSection(model.types[name]!))]),
  ];
  return `${parts.filter((part) => part !== "").join("\n")}`;
}

function method(i: Interface, m: Method): string {
  const wasm = clientSignature(m).params.map((t) =>
    t === F32 ? "f32" : t === F64 ? "f64" : t === I64 ? "i64" : "i32",
  );
  return (
    `### ${m.name}\n\n\`\`\`ts\n${showMethod(m)}\n\`\`\`\n\n${m.doc === "" ? "" : `${m.doc}\n\n`}` +
    `Client import: \`(${wasm.join(", ")}) → i32\`. Server export: \`${exportName(i, m)}\`.\n`
  );
}

function enumSection(model: Model, name: string): string {
  const e = model.enums[name]!;
  const rows = e.members.map((m, value) => `| ${value} | \`${m.name}\` | ${cell(m.doc)} |\n`).join("");
  return `### ${name}\n\n${e.doc === "" ? "" : `${e.doc}\n\n`}| value | member | meaning |\n|---|---|---|\n${rows}`;
}

function typeSection(type: ExchangeType): string {
  if (type.kind !== "record") {
    const what = type.kind === "deque" ? `A queue of at most ${type.length}` : `${type.length} slots for`;
    const made = `made by import \`type\` \`${typeKey(type)}\``;
    return `### ${type.name}\n\n${what} objects of type \`${type.element}\`; ${made}.\n`;
  }
  const rows = type.fields.map((f) => {
    const at = f.type.kind === "rref" ? `slot ${f.at}` : `${f.at}`;
    const size = f.type.kind === "rref" ? "" : `${fieldSize(f.type).size}`;
    return `| ${at} | ${size} | \`${f.name}\` | \`${showField(f.type)}\` | ${cell(f.doc)} |\n`;
  });
  return (
    `### ${type.name}\n\n${type.doc === "" ? "" : `${type.doc}\n\n`}${type.size} bytes, ${type.slots.length} slots; ` +
    `made by import \`type\` \`${typeKey(type)}\`.\n\n` +
    `| at | bytes | field | type | meaning |\n|---|---|---|---|---|\n${rows.join("")}`
  );
}

/** A method as the interface file has it. */
export function showMethod(m: Method): string {
  const params = m.params.map((p) => `${p.name}: ${show(p.type)}`).join(", ");
  const result = `RpcResult<${showResult(m.result)}, ${m.error ?? "never"}>`;
  return `${m.name}(${params}): ${m.async === true ? `Promise<${result}>` : result}`;
}

/** The type as the interface file has it. */
export function show(type: ValueType): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "rref":
      return `RRef<${showKey(type.type)}>`;
    case "borrow":
      return `Borrow<${showKey(type.type)}>`;
    case "str":
      return `Str<${type.max}>`;
    case "slice":
      return `Slice<${type.max}>`;
    default:
      return type.name;
  }
}

function showKey(key: string): string {
  return key.replace(",", ", ");
}

/** A field's type as the interface file has it. */
export function showField(type: FieldType): string {
  switch (type.kind) {
    case "scalar":
      return type.scalar;
    case "enum":
      return type.name;
    case "bytes":
      return `Bytes<${type.length}>`;
    case "array":
      return `Array<${type.element}, ${type.length}>`;
    default:
      return `RRef<${showKey(type.type)}>`;
  }
}

function showResult(result: Result): string {
  if (result.kind === "void") return "void";
  if (result.kind === "value") return show(result.type);
  return `{ ${result.fields.map((f) => `${f.name}: ${show(f.type)}`).join("; ")} }`;
}

/** Enums and exchangeable types that calls of the interface can meet, in order of first use. */
function reachedTypes(model: Model, i: Interface): { enums: string[]; types: string[] } {
  const enums = new Set<string>();
  const types = new Set<string>();
  const visit = (key: string): void => {
    if (types.has(key)) return;
    types.add(key);
    const type = model.types[key]!;
    if (type.kind !== "record") return visit(type.element);
    for (const field of type.fields) {
      if (field.type.kind === "rref") visit(field.type.type);
      if (field.type.kind === "enum") enums.add(field.type.name);
    }
  };
  for (const m of i.methods) {
    for (const type of valueTypes(m)) {
      if (type.kind === "enum") enums.add(type.name);
      if (type.kind === "rref" || type.kind === "borrow") visit(type.type);
    }
    if (m.error !== null) enums.add(m.error);
  }
  return { enums: [...enums], types: [...types] };
}

function firstLine(text: string): string {
  return cell(text.split("\n")[0]!);
}

function cell(text: string): string {
  return text.replaceAll("\n", " ").replaceAll("|", "\\|");
}
