/**
 * What the check tracks, by type: objects of the exchange heap, and results of calls.
 *
 * Invariant: a type is an object's when its class extends `HeapObject` of `heap/object`, a result when it extends one
 * of the three bases of `os/rpc`; names of other classes mean nothing.
 */
import type { Class, ClassPrototype, Element, Function, Program, Source, Type } from "./compiler.ts";
import { CommonFlags, ElementKind, SWALLOW } from "./compiler.ts";

export type Kind = "object" | "result" | "none";

/** Library code, and code that the interface compiler made: it keeps the rules by itself, and is not looked into. */
export const isTrusted = (source: Source): boolean => source.isLibrary;

export class Kinds {
  readonly program: Program;
  readonly #object: ClassPrototype | null;
  readonly #results: ClassPrototype[];
  readonly #capability: ClassPrototype | null;
  readonly #cells: ClassPrototype[];
  readonly #fields = new Map<Class, readonly string[]>();

  constructor(program: Program) {
    this.program = program;
    const find = (file: string, name: string): ClassPrototype | null => {
      const element = program.filesByName.get(file)?.getMember(name) ?? null;
      return element?.kind === ElementKind.ClassPrototype ? (element as unknown as ClassPrototype) : null;
    };
    const all = (file: string, ...names: string[]): ClassPrototype[] =>
      names.map((name) => find(file, name)).filter((found) => found !== null);
    this.#object = find("~lib/heap/object", "HeapObject");
    this.#results = all("~lib/os/rpc", "Status", "Direct", "Stored");
    this.#capability = find("~lib/os/capability", "Capability");
    this.#cells = all("~lib/heap/owned", "Owned", "OwnedArray");
  }

  /** Whether there is anything to check: the program knows objects at all. */
  get any(): boolean {
    return this.#object !== null;
  }

  of(type: Type | null): Kind {
    const found = type?.getClass() ?? null;
    if (found === null) return "none";
    return this.isObjectClass(found) ? "object" : this.#isResult(found) ? "result" : "none";
  }

  isObjectClass(found: Class): boolean {
    return this.#object !== null && found.extendsPrototype(this.#object);
  }

  #isResult(found: Class): boolean {
    return this.#results.some((base) => found.extendsPrototype(base));
  }

  isCell(found: Class): boolean {
    return this.#cells.includes(found.prototype);
  }

  /** Whether a function is a call of an interface: a method of a client class. */
  isInterfaceCall(callee: Function): boolean {
    const owner = ownerOf(callee);
    return this.#capability !== null && owner !== null && owner.extendsPrototype(this.#capability);
  }

  /** Names of the getters through which a result gives an object: `value`, or those of its values. */
  objectsOf(result: Class): readonly string[] {
    let names = this.#fields.get(result);
    if (names === undefined) {
      const members = [...(result.prototype.instanceMembers?.values() ?? [])];
      names = members.filter((m) => this.#isObjectGetter(result, m)).map((m) => m.name);
      this.#fields.set(result, names);
    }
    return names;
  }

  #isObjectGetter(result: Class, member: Element): boolean {
    if (member.kind !== ElementKind.PropertyPrototype || member.name.startsWith("_")) return false;
    const property = result.getMember(member.name);
    if (property === null || property.kind !== ElementKind.PropertyPrototype) return false;
    const resolved = this.program.resolver.resolveProperty(property as never, SWALLOW);
    return this.of(resolved?.getterInstance?.signature.returnType ?? null) === "object";
  }

  /** Whether a method that answers this can answer an error of its own. */
  hasErrors(result: Class): boolean {
    return result.prototype.instanceMembers?.has("error") ?? false;
  }

  /**
   * The object that a collection of the standard library hides: an array of handles, a map to results. A domain's own
   * generic classes are looked into for each of their types.
   */
  hiddenIn(type: Type | null): Class | null {
    const found = type?.getClass() ?? null;
    if (found === null || this.isObjectClass(found) || this.isCell(found)) return null;
    for (let c: Class | null = found; c !== null; c = c.base) {
      if (!isTrusted(c.declaration.range.source)) continue;
      for (const argument of c.typeArguments ?? []) {
        const inner = argument.getClass();
        if (inner === null) continue;
        if (this.isObjectClass(inner) || (this.#isResult(inner) && this.objectsOf(inner).length > 0)) return inner;
        const deeper = this.hiddenIn(argument);
        if (deeper !== null) return deeper;
      }
    }
    return null;
  }
}

/** The class that a method belongs to; null for a plain function. */
export function ownerOf(callee: Function): Class | null {
  const { parent } = callee;
  if (parent.kind === ElementKind.Class) return parent as unknown as Class;
  // Statics belong to the prototype.
  if (parent.kind === ElementKind.ClassPrototype) {
    const instances = (parent as unknown as ClassPrototype).instances;
    return instances === null ? null : ([...instances.values()][0] ?? null);
  }
  return null;
}

export const isInstanceMethod = (callee: Function): boolean => callee.is(CommonFlags.Instance as never);
