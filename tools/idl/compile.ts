/**
 * The IDL compiler: from interface files to the model.
 *
 * Owns the rules for declarations (interfaces, records, enums) and for names across files. Invariant: a model that is
 * returned is complete and consistent, every name in it is unique, and all errors of the sources were reported.
 */
import type * as t from "@babel/types";
import type {
  Enum,
  ExchangeType,
  Field,
  Interface,
  Method,
  Model,
  Param,
  Result,
  ValueType,
} from "#kernel/interface/model.ts";
import { returnWords } from "#kernel/interface/model.ts";
import { resultWords } from "#kernel/proxy/generate.ts";
import { Diagnostics } from "./diagnostics.ts";
import { fingerprint } from "./fingerprint.ts";
import { layOut } from "./layout.ts";
import { MAX_ENUM_MEMBERS, MAX_FIELDS, MAX_METHODS, MAX_PARAMS, MAX_RESULT_WORDS } from "./limits.ts";
import {
  capital,
  generatedNames,
  INTERFACE_MEMBERS,
  memberNameProblem,
  moduleName,
  RECORD_MEMBERS,
  RESULT_MEMBERS,
  TYPE_NAME,
  typeNameProblem,
} from "./names.ts";
import { docOf, isPrelude, parseFile, type Declaration, type ParsedFile } from "./parse.ts";
import { TypeReader, referenceName } from "./types.ts";

type Container = Extract<ExchangeType, { kind: "array" | "deque" }>;
type Bare<T extends { fingerprint: string }> = Omit<T, "fingerprint">;

/**
 * Compiles interface files.
 *
 * @param sources text by path, as in `interfaces/block-device.ts`; a `prelude.ts` among them is ignored
 * @returns the model, with names in the order of files and declarations
 * @throws IdlErrors with every error of all files
 */
export function compileInterfaces(sources: ReadonlyMap<string, string>): Model {
  return new Compiler(sources).compile();
}

class Compiler {
  readonly #sources: ReadonlyMap<string, string>;
  readonly #diagnostics: Diagnostics;
  readonly #declarations = new Map<string, Declaration>();
  readonly #containers = new Map<string, Container>();
  readonly #interfaces: Record<string, Bare<Interface>> = {};
  readonly #types: Record<string, ExchangeType> = {};
  readonly #enums: Record<string, Enum> = {};

  constructor(sources: ReadonlyMap<string, string>) {
    this.#sources = new Map([...sources].filter(([file]) => !isPrelude(file)).sort(([a], [b]) => (a < b ? -1 : 1)));
    this.#diagnostics = new Diagnostics(sources);
  }

  compile(): Model {
    const files: ParsedFile[] = [];
    for (const [file, text] of this.#sources) {
      const parsed = parseFile(file, text, this.#diagnostics);
      if (parsed !== null) files.push(parsed);
    }
    // Names of a file that does not parse are unknown: errors about them would only distract.
    this.#diagnostics.finish();
    for (const file of files) this.#collect(file);
    for (const file of files) this.#checkImports(file);
    for (const file of files) {
      const types = new TypeReader(
        file,
        this.#sources.get(file.file)!,
        this.#declarations,
        this.#containers,
        this.#diagnostics,
      );
      for (const declaration of file.declarations)
        if (this.#declarations.get(declaration.name) === declaration)
          new DeclarationReader(types).read(declaration, this);
    }
    for (const [key, container] of this.#containers) this.#types[key] = container;
    this.#diagnostics.finish();
    const model = this.#fingerprinted();
    this.#checkGeneratedNames(model);
    this.#diagnostics.finish();
    return model;
  }

  addInterface(i: Bare<Interface>): void {
    this.#interfaces[i.name] = i;
  }

  addType(type: ExchangeType): void {
    this.#types[type.name] = type;
  }

  addEnum(e: Enum): void {
    this.#enums[e.name] = e;
  }

  #collect(file: ParsedFile): void {
    for (const declaration of file.declarations) {
      const { name, span } = declaration;
      const problem = typeNameProblem(name);
      if (problem !== null) this.#diagnostics.error(span, problem.reason, problem.instead);
      const other = this.#declarations.get(name);
      if (other === undefined) this.#declarations.set(name, declaration);
      else
        this.#diagnostics.error(
          span,
          `\`${name}\` is declared twice: first at ${other.file}:${other.span.line}`,
          "a name that no interface file has yet",
        );
    }
    const module = moduleName(file.file);
    const twin = [...this.#sources.keys()].find((f) => f !== file.file && moduleName(f) === module);
    const first = file.declarations[0];
    if (twin !== undefined && twin < file.file && first !== undefined)
      this.#diagnostics.error(
        first.span,
        `${file.file} and ${twin} have the same file name`,
        "the file under another name",
      );
  }

  #checkImports(file: ParsedFile): void {
    for (const imported of file.imports.values()) {
      if (imported.from === null) continue;
      const declaration = this.#declarations.get(imported.name);
      if (!this.#sources.has(imported.from))
        this.#diagnostics.error(
          imported.span,
          `there is no interface file ${imported.from}`,
          "the path of an interface file",
        );
      else if (declaration?.file !== imported.from)
        this.#diagnostics.error(
          imported.span,
          `${imported.from} declares no \`${imported.name}\``,
          declaration === undefined ? "a name that it declares" : `the file that declares it, ${declaration.file}`,
        );
    }
  }

  #fingerprinted(): Model {
    const parts = { interfaces: this.#interfaces, types: this.#types, enums: this.#enums };
    const interfaces: Record<string, Interface> = {};
    const types: Record<string, ExchangeType> = {};
    for (const [name, i] of Object.entries(this.#interfaces))
      interfaces[name] = { ...i, fingerprint: fingerprint(parts, "interface", name) };
    for (const [name, type] of Object.entries(this.#types))
      types[name] = { ...type, fingerprint: fingerprint(parts, "type", name) };
    return { interfaces, types, enums: this.#enums };
  }

  #checkGeneratedNames(model: Model): void {
    for (const [name, what] of generatedNames(model)) {
      const declaration = this.#declarations.get(name);
      if (declaration !== undefined)
        this.#diagnostics.error(declaration.span, `\`${name}\` is also the generated name of ${what}`, "another name");
    }
  }
}

/** Where a finished declaration goes. */
type Sink = Pick<Compiler, "addInterface" | "addType" | "addEnum">;

/** Reads the declarations of one file. */
class DeclarationReader {
  readonly #types: TypeReader;

  constructor(types: TypeReader) {
    this.#types = types;
  }

  read(declaration: Declaration, sink: Sink): void {
    const { name, doc, file, node } = declaration;
    if (node.type === "TSEnumDeclaration") sink.addEnum({ name, doc, file, members: this.#members(declaration, node) });
    else if (node.type === "TSInterfaceDeclaration")
      sink.addInterface({ name, doc, file, methods: this.#methods(declaration, node) });
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
      const property = this.#property(member, "field", RECORD_MEMBERS);
      if (property === null) continue;
      const type = this.#types.field(property.type, name);
      if (type !== null) fields.push({ name: property.name, doc: docOf(member), type });
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

  /** One `name: Type` of a record or of an object result. */
  #property(
    member: t.TSTypeElement,
    what: "field" | "result field",
    taken: ReadonlySet<string>,
  ): { name: string; type: t.TSType } | null {
    if (member.type !== "TSPropertySignature" || member.computed === true || member.key.type !== "Identifier") {
      this.#error(member, `this is no ${what}`, "fields `name: Type` only");
      return null;
    }
    const { name } = member.key;
    if (member.optional === true)
      this.#error(member, `a ${what} is always there`, `\`${name}: …\`, and a flag or an enum if it can be unset`);
    if (member.readonly === true)
      this.#error(member, `\`readonly\` has no meaning: who owns the object may write it`, `\`${name}: …\` instead`);
    const problem = memberNameProblem(name, what, taken);
    if (problem !== null) this.#error(member.key, problem.reason, problem.instead);
    if (member.typeAnnotation == null) {
      this.#error(member, `the ${what} \`${name}\` has no type`, `\`${name}: u32\`, for example`);
      return null;
    }
    return { name, type: member.typeAnnotation.typeAnnotation };
  }

  // ── interfaces ───────────────────────────────────────────────────────────────────────────────────────────────────

  #methods(declaration: Declaration, node: t.TSInterfaceDeclaration): Method[] {
    const { name } = declaration;
    if (node.typeParameters != null)
      this.#error(node.typeParameters, `\`${name}\` cannot be generic`, "one interface for each type");
    for (const base of node.extends ?? [])
      this.#error(
        base,
        `\`${name}\` cannot extend another interface`,
        "all methods here, or a method that returns the other capability",
      );
    const methods: Method[] = [];
    for (const member of node.body.body) {
      const method = this.#method(member, methods);
      if (method !== null) methods.push(method);
    }
    if (node.body.body.length === 0) this.#error(node.id, `the interface \`${name}\` is empty`, "at least one method");
    if (methods.length > MAX_METHODS)
      this.#error(node.id, `the interface \`${name}\` has ${methods.length} methods`, `at most ${MAX_METHODS}`);
    return methods;
  }

  #method(member: t.TSTypeElement, earlier: readonly Method[]): Method | null {
    if (member.type !== "TSMethodSignature" || member.kind !== "method") {
      const call = "`name(argument: u32): RpcResult<u32, never>`";
      this.#error(member, "an interface holds methods only", call);
      return null;
    }
    if (member.computed === true || member.key.type !== "Identifier") {
      this.#error(member.key, "a method has a plain name", "a name such as `read`");
      return null;
    }
    const { name } = member.key;
    if (member.optional === true) this.#error(member, `\`${name}\` cannot be optional`, `\`${name}(…)\` instead`);
    if (member.typeParameters != null)
      this.#error(member.typeParameters, `\`${name}\` cannot be generic`, "one method for each type");
    const problem = memberNameProblem(name, "method", INTERFACE_MEMBERS);
    if (problem !== null) this.#error(member.key, problem.reason, problem.instead);
    if (earlier.some((m) => m.name === name))
      this.#error(
        member.key,
        `\`${name}\` is a method already: there is no overloading`,
        "a name of its own for each method",
      );
    const params = this.#params(member);
    const outcome = this.#outcome(member, name);
    return outcome === null ? null : { name, doc: docOf(member), params, ...outcome };
  }

  #params(member: t.TSMethodSignature): Param[] {
    const params: Param[] = [];
    for (const param of member.params) {
      if (param.type !== "Identifier" || param.name === "this") {
        this.#error(param, "a parameter is a plain `name: Type`", "each value as a parameter of its own");
        continue;
      }
      const { name } = param;
      const problem = memberNameProblem(name, "parameter");
      if (param.optional === true)
        this.#error(
          param,
          `the parameter \`${name}\` cannot be optional`,
          `\`${name}: …\`, and a second method without it`,
        );
      if (param.typeAnnotation?.type !== "TSTypeAnnotation") {
        this.#error(
          param,
          `the parameter \`${name}\` has no type`,
          problem === null ? `\`${name}: u32\`, for example` : `a name before the type, \`value: ${name}\``,
        );
        continue;
      }
      if (problem !== null) this.#error(param, problem.reason, problem.instead);
      if (params.some((p) => p.name === name)) this.#error(param, `\`${name}\` is a parameter already`, "another name");
      const type = this.#types.value(param.typeAnnotation.typeAnnotation, "parameter");
      if (type !== null) params.push({ name, type });
    }
    if (member.params.length > MAX_PARAMS)
      this.#error(member.key, `${member.params.length} parameters`, `at most ${MAX_PARAMS}, or a record`);
    return params;
  }

  /** Result and error enum from `RpcResult<T, E>`. */
  #outcome(member: t.TSMethodSignature, name: string): { result: Result; error: string | null } | null {
    const type = member.returnType?.typeAnnotation;
    if (type === undefined) {
      this.#error(member, `\`${name}\` has no result type`, `\`${name}(…): RpcResult<void, never>\``);
      return null;
    }
    if (type.type !== "TSTypeReference" || referenceName(type) !== "RpcResult") {
      const inner = type.type === "TSVoidKeyword" ? "void" : this.#types.text(type);
      this.#error(
        type,
        `\`${name}\` must return \`RpcResult\`: any call can meet a dead domain`,
        `\`RpcResult<${inner}, never>\`, or with an error enum`,
      );
      return null;
    }
    const args = type.typeArguments?.params ?? [];
    if (args.length !== 2) {
      this.#error(
        type,
        `\`RpcResult\` takes 2 arguments, not ${args.length}`,
        "`RpcResult<T, E>`, with `never` for a method that cannot fail",
      );
      return null;
    }
    const error = this.#types.errorEnum(args[1]!);
    const result = this.#result(args[0]!, name);
    return error === undefined || result === null ? null : { result, error };
  }

  #result(node: t.TSType, name: string): Result | null {
    if (node.type === "TSVoidKeyword") return { kind: "void" };
    if (node.type !== "TSTypeLiteral") {
      const type = this.#types.value(node, "result");
      return type === null ? null : { kind: "value", type };
    }
    const fields: Param[] = [];
    for (const member of node.members) {
      const property = this.#property(member, "result field", RESULT_MEMBERS);
      if (property === null) continue;
      if (fields.some((f) => f.name === property.name))
        this.#error(member, `\`${property.name}\` is a result field already`, "another name");
      const type = this.#types.value(property.type, "result");
      if (type !== null) fields.push({ name: property.name, type });
    }
    if (node.members.length === 0) {
      this.#error(node, `the result of \`${name}\` is empty`, "`RpcResult<void, …>` instead");
      return null;
    }
    this.#checkResult(node, fields);
    return { kind: "fields", fields };
  }

  #checkResult(node: t.TSType, fields: readonly Param[]): void {
    const types = fields.map((f) => f.type);
    const words = resultWords(types).reduce((end, at, i) => Math.max(end, at + returnWords(types[i]!)), 0);
    if (words > MAX_RESULT_WORDS)
      this.#error(
        node,
        `the result takes ${words} words, and ${MAX_RESULT_WORDS} is the most (32 bits each; u64, f64 and text two)`,
        "fewer fields, or an `RRef` to a record",
      );
    for (const field of fields)
      if (field.type.kind === "str" && fields.some((f) => f.name === `${field.name}Bytes`))
        this.#error(node, `\`${field.name}\` and \`${field.name}Bytes\` make the same member`, "another name");
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

/** Bytes of the argument region that one call of a method takes: each text is rounded up to 8 bytes. */
export function argumentBytes(method: Method): number {
  const size = (type: ValueType): number => (type.kind === "str" || type.kind === "slice" ? (type.max + 7) & ~7 : 0);
  return method.params.reduce((sum, p) => sum + size(p.type), 0);
}
