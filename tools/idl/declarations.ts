/**
 * Enums, records and interfaces: from their syntax to the model's entries.
 *
 * Owns the rules for members of enums and fields of records. Invariant: an entry that reaches the sink has unique
 * member names, and its generated accessors are unique too.
 */
import type * as t from "@babel/types";
import type { Enum, ExchangeType, Field, Interface } from "#kernel/interface/model.ts";
import { layOut } from "./layout.ts";
import { MAX_ENUM_MEMBERS, MAX_FIELDS } from "./limits.ts";
import { MethodReader, property } from "./methods.ts";
import { capital, RECORD_MEMBERS, TYPE_NAME } from "./names.ts";
import { docOf, type Declaration } from "./parse.ts";
import type { TypeReader } from "./types.ts";

/** Where a finished declaration goes; fingerprints come when all are known. */
export interface Sink {
  addInterface(i: Omit<Interface, "fingerprint">): void;
  addType(type: ExchangeType): void;
  addEnum(e: Enum): void;
}

/** Reads the declarations of one file. */
export class DeclarationReader {
  readonly #types: TypeReader;

  constructor(types: TypeReader) {
    this.#types = types;
  }

  read(declaration: Declaration, sink: Sink): void {
    const { name, doc, file, node } = declaration;
    if (node.type === "TSEnumDeclaration") sink.addEnum({ name, doc, file, members: this.#members(declaration, node) });
    else if (node.type === "TSInterfaceDeclaration")
      sink.addInterface({ name, doc, file, methods: new MethodReader(this.#types).methods(declaration.name, node) });
    else {
      const { fields, slots, size } = layOut(this.#fields(declaration, node));
      sink.addType({ kind: "record", name, doc, file, fields, slots, size, fingerprint: "" });
    }
  }

  #error(node: t.Node, reason: string, instead: string): void {
    this.#types.error(node, reason, instead);
  }

  // ── enums ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #members(declaration: Declaration, node: t.TSEnumDeclaration): Enum["members"] {
    const members = new Map<string, string>();
    for (const member of node.body.members) {
      if (member.id.type !== "Identifier") {
        this.#error(member, "an enum member is a plain name", "a name such as `OutOfRange`");
        continue;
      }
      const { name } = member.id;
      if (member.initializer != null)
        this.#error(member.initializer, "the value of a member is its position", `\`${name}\` without a value`);
      if (!TYPE_NAME.test(name))
        this.#error(
          member.id,
          `\`${name}\` is not a member name: letters and digits, first a capital`,
          `\`${capital(name)}\` instead`,
        );
      if (members.has(name)) this.#error(member.id, `\`${name}\` is a member already`, "each member once");
      members.set(name, docOf(member));
    }
    if (members.size === 0) this.#error(node.id, `the enum \`${declaration.name}\` is empty`, "at least one member");
    if (members.size > MAX_ENUM_MEMBERS)
      this.#error(
        node.id,
        `the enum \`${declaration.name}\` has ${members.size} members`,
        `at most ${MAX_ENUM_MEMBERS}: it travels in one byte`,
      );
    return [...members].map(([name, doc]) => ({ name, doc }));
  }

  // ── records ──────────────────────────────────────────────────────────────────────────────────────────────────────

  #fields(declaration: Declaration, node: t.TSTypeAliasDeclaration): Omit<Field, "at">[] {
    const { name } = declaration;
    if (node.typeParameters != null)
      this.#error(
        node.typeParameters,
        `\`${name}\` cannot be generic: its layout is fixed`,
        "one record for each element type",
      );
    if (node.typeAnnotation.type !== "TSTypeLiteral") {
      this.#error(
        node.typeAnnotation,
        `\`${name}\` is an alias, not a record`,
        "the type itself where it is used, or a record `{ … }`",
      );
      return [];
    }
    const fields: Omit<Field, "at">[] = [];
    for (const member of node.typeAnnotation.members) {
      const read = property(this.#types, member, "field", RECORD_MEMBERS);
      if (read === null) continue;
      const type = this.#types.field(read.type, name);
      if (type !== null) fields.push({ name: read.name, doc: docOf(member), type });
    }
    if (node.typeAnnotation.members.length === 0)
      this.#error(node.id, `the record \`${name}\` is empty`, "at least one field");
    if (fields.length > MAX_FIELDS)
      this.#error(node.id, `the record \`${name}\` has ${fields.length} fields`, `at most ${MAX_FIELDS}`);
    this.#uniqueAccessors(node, fields);
    return fields;
  }

  /** Field names that differ can still give accessors of the same name (`next: RRef` makes `takeNext`). */
  #uniqueAccessors(node: t.TSTypeAliasDeclaration, fields: readonly Omit<Field, "at">[]): void {
    const owners = new Map<string, string>();
    for (const field of fields)
      for (const accessor of accessors(field)) {
        const other = owners.get(accessor);
        if (other !== undefined)
          this.#error(
            node.id,
            `fields \`${other}\` and \`${field.name}\` of \`${node.id.name}\` both make the member \`${accessor}\``,
            "another field name",
          );
        owners.set(accessor, field.name);
      }
  }
}

/** Members that a field makes in the generated classes. */
export function accessors(field: Pick<Field, "name" | "type">): string[] {
  const name = field.name;
  const big = capital(name);
  switch (field.type.kind) {
    case "scalar":
    case "enum":
      return [name, `${name}At`];
    case "rref":
      return [`take${big}`, `put${big}`, `has${big}`];
    case "array":
      return [`${name}Get`, `${name}Set`, `${name}At`, `${name}Length`];
    case "bytes":
      return [
        `${name}Get`,
        `${name}Set`,
        `${name}Load`,
        `${name}Store`,
        `${name}CopyIn`,
        `${name}CopyOut`,
        `${name}Fill`,
        `${name}At`,
        `${name}Length`,
        `get${big}`,
        `set${big}`,
      ];
    default:
      throw new Error(`unknown field type ${JSON.stringify(field.type)}`);
  }
}
