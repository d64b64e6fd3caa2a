/**
 * The IDL compiler: from interface files to the model.
 *
 * Owns the rules for declarations (interfaces, records, enums) and for names across files. Invariant: a model that is
 * returned is complete and consistent, every name in it is unique, and all errors of the sources were reported.
 */
import type { Enum, ExchangeType, Interface, Model } from "#kernel/interface/model.ts";
import { DeclarationReader, type Sink } from "./declarations.ts";
import { Diagnostics } from "./diagnostics.ts";
import { fingerprint } from "./fingerprint.ts";
import { generatedNames, moduleName, typeNameProblem } from "./names.ts";
import { isPrelude, parseFile, type Declaration, type ParsedFile } from "./parse.ts";
import { TypeReader } from "./types.ts";

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

class Compiler implements Sink {
  readonly #sources: ReadonlyMap<string, string>;
  readonly #diagnostics: Diagnostics;
  readonly #declarations = new Map<string, Declaration>();
  readonly #containers = new Map<string, Container>();
  readonly #interfaces: Record<string, Bare<Interface>> = {};
  readonly #types: Record<string, ExchangeType> = {};
  readonly #enums: Record<string, Enum> = {};

  constructor(sources: ReadonlyMap<string, string>) {
    this.#sources = new Map([...sources].filter(([file]) => !isPrelude(file)).toSorted(([a], [b]) => (a < b ? -1 : 1)));
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
