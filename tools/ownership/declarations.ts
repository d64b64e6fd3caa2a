/**
 * Where a domain may not keep an object: fields, statics and collections that the check cannot follow.
 *
 * Invariant: what passes here owns its object for ever (`readonly`, `const`) or is one of the places of `heap/owned`.
 */
import type { Class, Element, Global, Program, Property, Type } from "./compiler.ts";
import { CommonFlags, ElementKind, SWALLOW } from "./compiler.ts";
import { isTrusted, type Kinds } from "./kinds.ts";
import * as say from "./messages.ts";
import type { Finding } from "./solve.ts";

export function checkDeclarations(kinds: Kinds): Finding[] {
  const found: Finding[] = [];
  for (const element of kinds.program.instancesByName.values()) {
    if (element.kind !== ElementKind.Class || isTrusted((element as unknown as Class).declaration.range.source))
      continue;
    checkFields(kinds, element as unknown as Class, found);
  }
  for (const file of kinds.program.filesByName.values()) {
    if (isTrusted(file.source)) continue;
    for (const member of file.members?.values() ?? []) checkStatics(kinds, member as Element, found);
  }
  return found;
}

function checkFields(kinds: Kinds, of: Class, found: Finding[]): void {
  for (const member of of.members?.values() ?? []) {
    if (member.kind !== ElementKind.PropertyPrototype || member.parent !== (of as unknown)) continue;
    const property = resolve(kinds.program, member as never);
    if (property === null || !property.isField) continue;
    const keeps = property.prototype.fieldDeclaration?.is(CommonFlags.Readonly as never) ?? false;
    const node = property.prototype.declaration.name;
    checkType(kinds, property.type, keeps, `this.${property.name}`, node, say.field, found);
  }
}

function resolve(program: Program, prototype: never): Property | null {
  try {
    return program.resolver.resolveProperty(prototype, SWALLOW);
  } catch {
    return null;
  }
}

function checkStatics(kinds: Kinds, element: Element, found: Finding[]): void {
  if (element.kind === ElementKind.Global) {
    const global = element as unknown as Global;
    if (isTrusted(global.declaration.range.source)) return;
    const keeps = global.is(CommonFlags.Const as never) || global.is(CommonFlags.Readonly as never);
    checkType(kinds, global.type, keeps, global.name, global.declaration.name, say.global, found);
    return;
  }
  // Statics of classes, members of namespaces.
  if (element.kind !== ElementKind.ClassPrototype && element.kind !== ElementKind.Namespace) return;
  for (const member of element.members?.values() ?? []) checkStatics(kinds, member as Element, found);
}

type Node = Finding["node"];

function checkType(
  kinds: Kinds,
  type: Type,
  keeps: boolean,
  name: string,
  node: Node,
  message: (name: string, type: string) => string,
  found: Finding[],
): void {
  const hidden = kinds.hiddenIn(type);
  if (hidden !== null) found.push({ node, message: say.hidden(name, hidden.name) });
  else if (kinds.of(type) === "object") {
    if (!keeps) found.push({ node, message: message(name, type.getClass()!.name) });
  } else if (kinds.of(type) === "result" && kinds.objectsOf(type.getClass()!).length > 0)
    found.push({ node, message: say.answerKept(name) });
}
