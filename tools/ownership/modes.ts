/**
 * What a signature says about each object parameter: lent, moved, or moved unless the call is refused.
 *
 * The words are the aliases of `heap/modes`. A parameter without one is moved to a function of a library or of an
 * interface; what a domain's own function does with it, its body tells. Invariant: an override keeps the promise of
 * what it overrides, because its callers may know only that.
 */
import type { Class, Function, FunctionPrototype, NamedTypeNode, Program, TypeNode } from "./compiler.ts";
import { CommonFlags, ElementKind, NodeKind, SWALLOW } from "./compiler.ts";
import type { Mode } from "./graph.ts";
import { isTrusted, ownerOf, type Kinds } from "./kinds.ts";

/** Whether a function is written as a value: it has no name. */
const isExpression = (of: Function): boolean => of.prototype.declaration.name.text === "";

function aliasOf(node: TypeNode | undefined): Mode | null {
  if (node === undefined || node.kind !== NodeKind.NamedType) return null;
  const name = (node as NamedTypeNode).name.identifier.text;
  return name === "Borrow" ? "borrow" : name === "Offer" ? "give" : null;
}

/** Whether a function's value is declared as a loan. */
export const lends = (of: FunctionPrototype): boolean => aliasOf(of.functionTypeNode.returnType) === "borrow";

/** The method of a base class that a method overrides; null when there is none. */
export function overridden(program: Program, of: Function): Function | null {
  const owner = ownerOf(of);
  if (owner === null || !of.is(CommonFlags.Instance as never) || of.is(CommonFlags.Constructor as never)) return null;
  const bases: Class[] = [...(owner.interfaces ?? [])];
  for (let base: Class | null = owner.base; base !== null; base = base.base)
    bases.push(base, ...(base.interfaces ?? []));
  for (const base of bases) {
    const member = base.getMember(of.prototype.name);
    if (member?.kind !== ElementKind.FunctionPrototype) continue;
    return program.resolver.resolveFunction(member as unknown as FunctionPrototype, null, new Map(), SWALLOW);
  }
  return null;
}

/**
 * Modes that are declared, by parameter; null where nothing is said.
 * @param plain what an object's plain type means: null for a domain's own function
 */
function declared(kinds: Kinds, of: Function, plain: Mode | null): (Mode | null)[] {
  const nodes = of.prototype.functionTypeNode.parameters;
  return of.signature.parameterTypes.map((type, i) => {
    if (kinds.of(type) !== "object") return "none";
    return aliasOf(nodes[i]?.type) ?? plain;
  });
}

/** Modes of a library's function, or of an interface's method. */
export function trustedModes(kinds: Kinds, of: Function): Mode[] {
  return declared(kinds, of, kinds.isInterfaceCall(of) ? "give" : "move") as Mode[];
}

/** Modes that a domain's own function must have, where something is said about them. */
export function promisedModes(
  kinds: Kinds,
  of: Function,
  baseModes: (base: Function) => readonly Mode[],
): (Mode | null)[] {
  const own = declared(kinds, of, null);
  const base = overridden(kinds.program, of);
  if (base !== null) {
    const promised = baseModes(base);
    return own.map((mode, i) => (mode === "none" ? mode : (promised[i] ?? mode)));
  }
  // Without a body there is nothing to find out from; of a function value callers know the type alone.
  const isKnown = of.prototype.bodyNode !== null && !isExpression(of);
  return isKnown ? own : own.map((mode) => mode ?? "move");
}

export const isTrustedPrototype = (of: Function): boolean => isTrusted(of.declaration.range.source);
