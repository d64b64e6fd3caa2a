/**
 * What a type expression means: from TypeScript's syntax to the model's types.
 *
 * Owns the type grammar and its error messages. Invariant: every type that comes out of here can cross a domain
 * boundary where it stands (parameter, result or field); everything else has become an error with a way out.
 */
import type * as t from "@babel/types";
import type { ExchangeType, FieldType, ScalarName, ValueType } from "#kernel/interface/model.ts";
import type { Diagnostics } from "./diagnostics.ts";
import { MAX_ARRAY, MAX_BYTES, MAX_SLOTS, MAX_TEXT } from "./limits.ts";
import { PRELUDE_GENERICS, PRELUDE_NAMES, SCALARS } from "./names.ts";
import { spanOf, type Declaration, type ParsedFile } from "./parse.ts";

type Container = Extract<ExchangeType, { kind: "array" | "deque" }>;
/** Where a type stands. */
export type Place = "parameter" | "result" | "field";

/** What to write instead of TypeScript types that cannot cross. */
const INSTEAD: Readonly<Record<string, string>> = {
  TSStringKeyword: "`Str<256>` (UTF-8 text of at most 256 bytes) instead",
  TSNumberKeyword: "`u32`, `i32`, `u64` or `f64` instead",
  TSBooleanKeyword: "`bool` instead",
  TSBigIntKeyword: "`u64` or `i64` instead",
  TSVoidKeyword: "`RpcResult<void, …>` for a method without a value",
  TSUnionType: "an enum, or two methods, instead",
  TSIntersectionType: "one record with all fields instead",
  TSFunctionType: "a capability interface with one method instead",
  TSConstructorType: "a capability interface instead",
  TSArrayType: "`Bytes<N>` or `Array<u32, N>` in a record, `Slice<N>` in a call, instead",
  TSTupleType: "a record, or an object type in `RpcResult`, instead",
  TSTypeLiteral: "a record declared with `export type`, passed as `RRef<…>`",
  TSLiteralType: "an enum instead",
  TSImportType: "`import type { … } from …` at the top of the file",
  TSTypeOperator: "the type without `readonly`, `keyof` or `unique`",
  Promise: "the value itself: the caller always waits for the answer",
  Map: "a capability interface with `get` and `put` instead",
  Set: "a capability interface instead",
  Date: "`u64` (say in the comment which unit) instead",
  Uint8Array: "`Slice<N>` (at most N bytes, copied) or `Bytes<N>` in a record",
  ArrayBuffer: "`Slice<N>` (at most N bytes, copied) or `Bytes<N>` in a record",
  Buffer: "`Slice<N>` (at most N bytes, copied) or `Bytes<N>` in a record",
  String: "`Str<256>` (UTF-8 text of at most 256 bytes) instead",
  Number: "`u32`, `i32`, `u64` or `f64` instead",
  Boolean: "`bool` instead",
  BigInt: "`u64` or `i64` instead",
  Function: "a capability interface with one method instead",
  Error: "an enum as the second argument of `RpcResult`",
  Record: "a record declared with `export type` instead",
};

/** Resolves names and types of one file. Container instances that it meets are added to `containers`. */
export class TypeReader {
  readonly #file: ParsedFile;
  readonly #source: string;
  readonly #all: ReadonlyMap<string, Declaration>;
  readonly #containers: Map<string, Container>;
  readonly #diagnostics: Diagnostics;

  constructor(
    file: ParsedFile,
    source: string,
    all: ReadonlyMap<string, Declaration>,
    containers: Map<string, Container>,
    diagnostics: Diagnostics,
  ) {
    this.#file = file;
    this.#source = source;
    this.#all = all;
    this.#containers = containers;
    this.#diagnostics = diagnostics;
  }

  error(node: t.Node, reason: string, instead: string): null {
    this.#diagnostics.error(spanOf(this.#file.file, node), reason, instead);
    return null;
  }

  text(node: t.Node): string {
    return this.#source.slice(node.start!, node.end!).replace(/\s+/g, " ");
  }

  /** Type of a parameter or of (a field of) a result; null after an error. */
  value(node: t.TSType, place: "parameter" | "result"): ValueType | null {
    const reference = this.#reference(node, place);
    if (reference === null) return null;
    const { name, args } = reference;
    if (isScalar(name)) return { kind: "scalar", scalar: name };
    switch (name) {
      case "RRef":
        return this.#exchange(node, "rref", args[0]!);
      case "Borrow":
        if (place === "result")
          return this.error(
            node,
            "a loan ends with the call, so no result can be one",
            "`RRef<…>` to give the object away",
          );
        return this.#exchange(node, "borrow", args[0]!);
      case "Str":
      case "Slice": {
        const max = this.#size(args[0]!, `${name}<N>`, MAX_TEXT);
        return max === null ? null : { kind: name === "Str" ? "str" : "slice", max };
      }
      case "Bytes":
        return this.error(
          node,
          `\`Bytes\` is a field of a record, not a ${place}`,
          "`Slice<N>` (at most N bytes, copied) instead",
        );
      case "Deque":
      case "Array":
        return this.error(node, "a container lives in the exchange heap", `\`RRef<${this.text(node)}>\` instead`);
      case "RpcResult":
        return this.error(node, "`RpcResult` stands only around the whole result", "the value's own type");
      default:
        return this.#named(node, name, place);
    }
  }

  /** Type of a record's field; null after an error. */
  field(node: t.TSType, record: string): FieldType | null {
    const reference = this.#reference(node, "field");
    if (reference === null) return null;
    const { name, args } = reference;
    if (isScalar(name)) return { kind: "scalar", scalar: name };
    switch (name) {
      case "RRef":
        return this.#exchange(node, "rref", args[0]!);
      case "Borrow":
        return this.error(node, "a loan ends with the call, so no record can keep one", "`RRef<…>` to keep it");
      case "Bytes": {
        const length = this.#size(args[0]!, "Bytes<N>", MAX_BYTES);
        return length === null ? null : { kind: "bytes", length };
      }
      case "Array":
        return this.#fixedArray(node, args);
      case "Str":
      case "Slice":
        return this.error(
          node,
          `\`${name}\` is copied in calls; a record has a fixed layout`,
          "`Bytes<N>` and a `u32` for the length",
        );
      case "Deque":
        return this.error(node, "a container is an object of its own", `\`RRef<${this.text(node)}>\` instead`);
      case "RpcResult":
        return this.error(node, "`RpcResult` stands only around the whole result", "the value's own type");
      default: {
        const declaration = this.declared(node, name);
        if (declaration === null) return null;
        if (declaration.kind === "enum") return { kind: "enum", name };
        if (declaration.kind === "interface")
          return this.error(
            node,
            `a capability cannot lie in a record: \`${name}\` is an interface`,
            "it as a parameter of a method",
          );
        const why =
          name === record ? `\`${name}\` contains itself by value` : `the record \`${name}\` is nested by value`;
        return this.error(node, why, `\`RRef<${name}>\` (a slot) instead`);
      }
    }
  }

  /** The enum of `RpcResult<T, E>`: its name, null for `never`, undefined after an error. */
  errorEnum(node: t.TSType): string | null | undefined {
    if (node.type === "TSNeverKeyword") return null;
    const wrong = (): undefined => {
      this.error(
        node,
        `\`${this.text(node)}\` is not an error enum`,
        "an enum, or `never` when the method cannot fail",
      );
      return undefined;
    };
    const name = referenceName(node);
    if (name === null || PRELUDE_NAMES.has(name)) return wrong();
    const declaration = this.declared(node, name);
    if (declaration === null) return undefined;
    return declaration.kind === "enum" ? name : wrong();
  }

  /** The declaration that a name means in this file; null after an error. */
  declared(node: t.Node, name: string): Declaration | null {
    const declaration = this.#all.get(name);
    const imported = this.#file.imports.get(name);
    if (declaration !== undefined && (declaration.file === this.#file.file || imported?.from === declaration.file))
      return declaration;
    if (declaration !== undefined && imported === undefined)
      return this.error(
        node,
        `\`${name}\` is declared in ${declaration.file}, and not imported here`,
        `\`import type { ${name} } from "${relative(this.#file.file, declaration.file)}"\` at the top`,
      );
    // A wrong import was reported where it stands.
    if (imported !== undefined) return null;
    const instead = INSTEAD[name];
    if (instead !== undefined) return this.error(node, `\`${name}\` cannot cross a domain boundary`, instead);
    return this.error(node, `there is no type \`${name}\``, "the name of a record, an enum or an interface");
  }

  #named(node: t.TSType, name: string, place: Place): ValueType | null {
    const declaration = this.declared(node, name);
    if (declaration === null) return null;
    if (declaration.kind === "record")
      return this.error(
        node,
        `\`${name}\` is a record: it lives in the exchange heap`,
        `\`RRef<${name}>\` to move it${place === "parameter" ? `, \`Borrow<${name}>\` to lend it` : ""}`,
      );
    return { kind: declaration.kind, name };
  }

  /** Name and arguments of a reference with the right number of arguments; anything else is an error. */
  #reference(node: t.TSType, place: Place): { name: string; args: readonly t.TSType[] } | null {
    if (node.type !== "TSTypeReference") {
      const instead = INSTEAD[node.type] ?? "a scalar, an enum, `RRef<…>`, `Str<N>` or `Slice<N>`";
      return this.error(node, `\`${this.text(node)}\` cannot cross a domain boundary as a ${place}`, instead);
    }
    const name = referenceName(node);
    if (name === null)
      return this.error(node, `\`${this.text(node)}\` is a qualified name`, "a name imported by `import type`");
    const args = node.typeArguments?.params ?? [];
    const known = PRELUDE_NAMES.has(name);
    if (known && this.#file.imports.get(name)?.from !== null)
      return this.error(
        node,
        `\`${name}\` is not imported`,
        `\`import type { ${name} } from "./prelude.ts"\` at the top`,
      );
    const wanted = known ? (PRELUDE_GENERICS[name] ?? 0) : 0;
    if (args.length !== wanted && (known || INSTEAD[name] === undefined))
      return this.error(
        node,
        `\`${name}\` takes ${counted(wanted)}, not ${args.length}`,
        `\`${example(name, wanted)}\` instead`,
      );
    return { name, args };
  }

  /** `RRef<T>` or `Borrow<T>` of a record or a container. */
  #exchange<K extends "rref" | "borrow">(node: t.TSType, kind: K, inner: t.TSType): { kind: K; type: string } | null {
    const name = referenceName(inner);
    const wrapper = kind === "rref" ? "RRef" : "Borrow";
    if (name === "Deque" || name === "Array") {
      const key = this.#container(inner, name);
      return key === null ? null : { kind, type: key };
    }
    if (name === null || PRELUDE_NAMES.has(name))
      return this.error(
        inner,
        `\`${wrapper}\` holds a record or a container, not \`${this.text(inner)}\``,
        `\`${wrapper}<…>\` around a record declared with \`export type\``,
      );
    const reference = this.#reference(inner, "field");
    if (reference === null) return null;
    const declaration = this.declared(inner, name);
    if (declaration === null) return null;
    if (declaration.kind === "interface")
      return this.error(node, `\`${name}\` is an interface: a capability is passed as it is`, `\`${name}\` instead`);
    if (declaration.kind === "enum")
      return this.error(node, `\`${name}\` is an enum: it is passed by value`, `\`${name}\` instead`);
    return { kind, type: name };
  }

  #container(node: t.TSType, name: "Deque" | "Array"): string | null {
    const reference = this.#reference(node, "field");
    if (reference === null) return null;
    const element = reference.args[0]!;
    const elementName = referenceName(element);
    const fixed = `\`${name}<Packet, 32>\` of a record declared with \`export type\``;
    if (elementName === null || PRELUDE_NAMES.has(elementName))
      return this.error(element, `a container holds records, not \`${this.text(element)}\``, fixed);
    const declaration = this.declared(element, elementName);
    if (declaration === null) return null;
    if (declaration.kind !== "record")
      return this.error(element, `a container holds records, not the ${declaration.kind} \`${elementName}\``, fixed);
    const length = this.#size(reference.args[1]!, `${name}<T, N>`, MAX_SLOTS);
    if (length === null) return null;
    const key = `${name}<${elementName},${length}>`;
    const kind = name === "Deque" ? "deque" : "array";
    this.#containers.set(key, { kind, name: key, element: elementName, length, size: 0, fingerprint: "" });
    return key;
  }

  #fixedArray(node: t.TSType, args: readonly t.TSType[]): FieldType | null {
    const element = referenceName(args[0]!);
    if (element === null || !isScalar(element))
      return this.error(
        node,
        `an array in a record holds scalars, not \`${this.text(args[0]!)}\``,
        "`Array<u32, 8>`, or `RRef<Array<…>>` for slots that hold records",
      );
    if (this.#reference(args[0]!, "field") === null) return null;
    const length = this.#size(args[1]!, "Array<T, N>", MAX_ARRAY);
    return length === null ? null : { kind: "array", element, length };
  }

  #size(node: t.TSType, what: string, max: number): number | null {
    const literal = node.type === "TSLiteralType" && node.literal.type === "NumericLiteral" ? node.literal : null;
    const plain = literal !== null && /^[0-9]+$/.test(this.text(node));
    if (literal === null || !plain)
      return this.error(node, `N of \`${what}\` must be a number, not \`${this.text(node)}\``, "a decimal number");
    if (literal.value < 1 || literal.value > max)
      return this.error(node, `N of \`${what}\` must be from 1 to ${max}`, "a number in that range");
    return literal.value;
  }
}

/** Name of a plain (unqualified) type reference. */
export function referenceName(node: t.TSType): string | null {
  return node.type === "TSTypeReference" && node.typeName.type === "Identifier" ? node.typeName.name : null;
}

function isScalar(name: string): name is ScalarName {
  return (SCALARS as readonly string[]).includes(name);
}

function counted(wanted: number): string {
  if (wanted === 0) return "no arguments";
  return wanted === 1 ? "1 argument" : `${wanted} arguments`;
}

function example(name: string, wanted: number): string {
  if (wanted === 0) return name;
  if (name === "RpcResult") return "RpcResult<void, never>";
  if (wanted === 2) return `${name}<Packet, 32>`;
  return name === "RRef" || name === "Borrow" ? `${name}<Packet>` : `${name}<256>`;
}

function relative(from: string, to: string): string {
  const a = from.split("/").slice(0, -1);
  const b = to.split("/");
  while (a.length > 0 && b.length > 1 && a[0] === b[0]) {
    a.shift();
    b.shift();
  }
  return a.length === 0 ? `./${b.join("/")}` : `${"../".repeat(a.length)}${b.join("/")}`;
}
