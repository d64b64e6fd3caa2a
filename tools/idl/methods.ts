/**
 * Methods of interfaces: parameters, results and errors.
 *
 * Owns the rules for what a method may look like. Invariant: a method that comes out of here has unique parameter
 * names, returns `RpcResult`, and its result fits the result words.
 */
import type * as t from "@babel/types";
import { resultWords, returnWords, type Method, type Param, type Result } from "#kernel/interface/model.ts";
import { MAX_METHODS, MAX_PARAMS, MAX_RESULT_WORDS } from "./limits.ts";
import { INTERFACE_MEMBERS, memberNameProblem, RESULT_MEMBERS } from "./names.ts";
import { docOf } from "./parse.ts";
import { referenceName, type TypeReader } from "./types.ts";

/** One `name: Type` of a record or of an object result. */
export function property(
  types: TypeReader,
  member: t.TSTypeElement,
  what: "field" | "result field",
  taken: ReadonlySet<string>,
): { name: string; type: t.TSType } | null {
  if (member.type !== "TSPropertySignature" || member.computed === true || member.key.type !== "Identifier") {
    types.error(member, `this is no ${what}`, "fields `name: Type` only");
    return null;
  }
  const { name } = member.key;
  if (member.optional === true)
    types.error(member, `a ${what} is always there`, `\`${name}: …\`, and a flag or an enum if it can be unset`);
  if (member.readonly === true)
    types.error(member, `\`readonly\` has no meaning: who owns the object may write it`, `\`${name}: …\` instead`);
  const problem = memberNameProblem(name, what, taken);
  if (problem !== null) types.error(member.key, problem.reason, problem.instead);
  if (member.typeAnnotation == null) {
    types.error(member, `the ${what} \`${name}\` has no type`, `\`${name}: u32\`, for example`);
    return null;
  }
  return { name, type: member.typeAnnotation.typeAnnotation };
}

/** Reads the methods of interfaces of one file. */
export class MethodReader {
  readonly #types: TypeReader;

  constructor(types: TypeReader) {
    this.#types = types;
  }

  #error(node: t.Node, reason: string, instead: string): void {
    this.#types.error(node, reason, instead);
  }

  /** All methods of one interface. */
  methods(name: string, node: t.TSInterfaceDeclaration): Method[] {
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
    if (outcome?.async === true) this.#refuseBorrows(member, name);
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

  /** A loan ends with the call, and nobody may wait for the end of an async one while his object is away. */
  #refuseBorrows(member: t.TSMethodSignature, name: string): void {
    for (const param of member.params) {
      const type =
        param.type === "Identifier" && param.typeAnnotation?.type === "TSTypeAnnotation" ? param.typeAnnotation : null;
      if (type?.typeAnnotation.type === "TSTypeReference" && referenceName(type.typeAnnotation) === "Borrow")
        this.#error(param, `\`${name}\` is async, so it cannot borrow`, "`RRef<…>`, moved there and back");
    }
  }

  /** Result and error enum from `RpcResult<T, E>`, or from `Promise<RpcResult<T, E>>` for a method that may suspend. */
  #outcome(member: t.TSMethodSignature, name: string): Pick<Method, "result" | "error" | "async"> | null {
    const declared = member.returnType?.typeAnnotation;
    const promised = declared?.type === "TSTypeReference" && referenceName(declared) === "Promise" ? declared : null;
    const inner = promised?.typeArguments?.params ?? [];
    const type = promised !== null && inner.length === 1 ? inner[0] : declared;
    const outcome = this.#plainOutcome(member, name, type);
    return outcome === null || promised === null ? outcome : { ...outcome, async: true };
  }

  #plainOutcome(
    member: t.TSMethodSignature,
    name: string,
    type: t.TSType | undefined,
  ): { result: Result; error: string | null } | null {
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
      const read = property(this.#types, member, "result field", RESULT_MEMBERS);
      if (read === null) continue;
      if (fields.some((f) => f.name === read.name))
        this.#error(member, `\`${read.name}\` is a result field already`, "another name");
      const type = this.#types.value(read.type, "result");
      if (type !== null) fields.push({ name: read.name, type });
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
