/**
 * From text to declarations: one interface file, parsed as TypeScript.
 *
 * Owns which statements may stand in a file, and the scope of each file (what it declares and imports). Invariant:
 * whatever `parseFile` returns is syntactically within the subset at statement level; types are checked in `types.ts`.
 */
import { parse } from "@babel/parser";
import type * as t from "@babel/types";
import type { Diagnostics, Span } from "./diagnostics.ts";
import { PRELUDE_NAMES } from "./names.ts";

export interface Declaration {
  readonly kind: "interface" | "record" | "enum";
  readonly name: string;
  readonly doc: string;
  readonly file: string;
  readonly span: Span;
  readonly node: t.TSInterfaceDeclaration | t.TSTypeAliasDeclaration | t.TSEnumDeclaration;
}

export interface Import {
  readonly name: string;
  readonly span: Span;
  /** Path of the imported file among the sources, or null for the prelude. */
  readonly from: string | null;
}

export interface ParsedFile {
  readonly file: string;
  readonly declarations: readonly Declaration[];
  readonly imports: ReadonlyMap<string, Import>;
}

/** Where a node stands. Babel's columns count UTF-16 units from 0. */
export function spanOf(file: string, node: t.Node): Span {
  const at = node.loc!.start;
  return { file, line: at.line, column: at.column, start: node.start!, end: node.end! };
}

/** The text of the last JSDoc block before a node, without its decoration. */
export function docOf(node: t.Node): string {
  const blocks = (node.leadingComments ?? []).filter((c) => c.type === "CommentBlock" && c.value.startsWith("*"));
  const last = blocks.at(-1);
  if (last === undefined) return "";
  const lines = last.value
    .slice(1)
    .split(/\r?\n/)
    .map((line) => line.replace(/^\s*\*? ?/, "").trimEnd());
  return lines.join("\n").trim();
}

/** Parses one file; errors go to `diagnostics`. Null when the text is not TypeScript at all. */
export function parseFile(file: string, text: string, diagnostics: Diagnostics): ParsedFile | null {
  const tree = parseText(file, text, diagnostics);
  if (tree === null) return null;
  const reader = new FileReader(file, diagnostics);
  for (const directive of tree.program.directives) reader.refuse(directive);
  for (const statement of tree.program.body) reader.statement(statement);
  return { file, declarations: reader.declarations, imports: reader.imports };
}

type SyntaxProblem = { message: string; reasonCode?: string; loc?: { line: number; column: number; index: number } };

function parseText(file: string, text: string, diagnostics: Diagnostics): t.File | null {
  const report = (problem: SyntaxProblem): void => {
    const at = problem.loc ?? { line: 1, column: 0, index: 0 };
    const span = { file, line: at.line, column: at.column, start: at.index, end: at.index + 1 };
    const what = problem.message.replace(/\s*\(\d+:\d+\)\s*$/, "").replace(/\.$/, "");
    diagnostics.error(span, `syntax: ${what}`, "TypeScript that an editor accepts");
  };
  try {
    const tree = parse(text, { sourceType: "module", plugins: ["typescript"], errorRecovery: true });
    const all = (tree as unknown as { errors?: SyntaxProblem[] | null }).errors ?? [];
    // Names that are declared twice are reported later, for all files in the same words.
    const problems = all.filter((p) => p.reasonCode !== "VarRedeclaration" && p.reasonCode !== "DuplicateExport");
    problems.forEach(report);
    return problems.length === 0 ? tree : null;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    report(error as SyntaxProblem);
    return null;
  }
}

class FileReader {
  readonly declarations: Declaration[] = [];
  readonly imports = new Map<string, Import>();
  readonly #file: string;
  readonly #diagnostics: Diagnostics;

  constructor(file: string, diagnostics: Diagnostics) {
    this.#file = file;
    this.#diagnostics = diagnostics;
  }

  /** Says that only three kinds of declaration may stand here, at the first line of the node. */
  refuse(node: t.Node): void {
    this.#error(
      node,
      "an interface file holds only imports of types and exported declarations",
      "`export interface` (methods), `export type` (a record) or `export declare enum`",
    );
  }

  statement(node: t.Statement): void {
    switch (node.type) {
      case "ImportDeclaration":
        return this.#import(node);
      case "ExportNamedDeclaration":
        if (node.declaration != null) return this.#declaration(node.declaration, node);
        return this.#error(node, "re-exports have no meaning here", "the declaration itself with `export` before it");
      case "ExportDefaultDeclaration":
        return this.#error(
          node,
          "default exports have no name",
          "`export interface`, `export type` or `export declare enum`",
        );
      case "ExportAllDeclaration":
        return this.#error(node, "re-exports have no meaning here", "an `import type` where the names are used");
      case "TSInterfaceDeclaration":
      case "TSTypeAliasDeclaration":
      case "TSEnumDeclaration":
        return this.#error(node.id, `\`${node.id.name}\` is not exported`, "`export` before the declaration");
      default:
        return this.refuse(node);
    }
  }

  #error(node: t.Node, reason: string, instead: string): void {
    this.#diagnostics.error(spanOf(this.#file, node), reason, instead);
  }

  #import(node: t.ImportDeclaration): void {
    if (node.importKind !== "type")
      return this.#error(node, "interface files import types only", "`import type { … } from …`");
    const from = this.#resolve(node.source);
    if (from === undefined) return;
    for (const specifier of node.specifiers) {
      if (specifier.type !== "ImportSpecifier") {
        this.#error(specifier, "names are imported one by one", "`import type { A, B } from …`");
        continue;
      }
      const name = specifier.imported.type === "Identifier" ? specifier.imported.name : specifier.imported.value;
      const span = spanOf(this.#file, specifier);
      if (specifier.local.name !== name)
        this.#error(specifier, "an imported name keeps its name: it is the same everywhere", `\`${name}\` instead`);
      else if (this.imports.has(name)) this.#error(specifier, `\`${name}\` is imported twice`, "it once");
      else if (from === null && !PRELUDE_NAMES.has(name))
        this.#error(specifier, `the prelude has no \`${name}\``, `one of ${[...PRELUDE_NAMES].join(", ")}`);
      else this.imports.set(name, { name, span, from });
    }
  }

  /** Path of an import among the sources; null for the prelude, undefined after an error. */
  #resolve(source: t.StringLiteral): string | null | undefined {
    const path = source.value;
    if (!/^\.\.?\//.test(path) || !path.endsWith(".ts")) {
      this.#error(source, "interface files import each other by relative path", '`"./other.ts"` instead');
      return undefined;
    }
    const parts = this.#file.split("/").slice(0, -1);
    for (const part of path.split("/")) {
      if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
      else if (part !== ".") parts.push(part);
    }
    return isPrelude(path) ? null : parts.join("/");
  }

  #declaration(node: t.Declaration, outer: t.ExportNamedDeclaration): void {
    if (node.type === "TSInterfaceDeclaration") return this.#add("interface", node, outer);
    if (node.type === "TSTypeAliasDeclaration") return this.#add("record", node, outer);
    if (node.type === "TSEnumDeclaration") return this.#add("enum", node, outer);
    this.refuse(outer);
  }

  #add(kind: Declaration["kind"], node: Declaration["node"], outer: t.Node): void {
    const declared = "declare" in node && node.declare === true;
    if (kind === "enum" && "const" in node && node.const === true)
      this.#error(node, "`const enum` has no names at run time", "`export declare enum` instead");
    else if (kind === "enum" && !declared)
      this.#error(node, "an enum without `declare` is code", "`export declare enum` instead");
    else if (kind !== "enum" && declared)
      this.#error(
        node,
        "`declare` has no meaning here",
        `\`export ${kind === "record" ? "type" : "interface"}\` instead`,
      );
    const span = spanOf(this.#file, node.id);
    this.declarations.push({ kind, name: node.id.name, doc: docOf(outer), file: this.#file, span, node });
  }
}

/** Whether an import path names `interfaces/prelude.ts`. */
export function isPrelude(path: string): boolean {
  return path === "prelude.ts" || path.endsWith("/prelude.ts");
}
