/**
 * What differs between two versions of an interface, as its author wrote them.
 *
 * Owns the comparison of declarations by name: methods, fields of objects, members of enums, of everything that the
 * interface reaches. Invariant: two versions with different fingerprints never show an empty difference.
 */
import { reach } from "#kernel/domain/imports.ts";
import type { ExchangeType, Model } from "#kernel/interface/model.ts";
import { valueTypes } from "../idl/fingerprint.ts";
import { showField, showMethod } from "../idl/emit/reference.ts";

/** Name of each declaration that an interface reaches, such as `KeyValue.get` → its text, in order. */
export type Declarations = ReadonlyMap<string, string>;

function enumsOf(model: Model, interfaces: Iterable<string>, types: Iterable<string>): Set<string> {
  const found = new Set<string>();
  for (const name of interfaces)
    for (const method of model.interfaces[name]!.methods) {
      for (const type of valueTypes(method)) if (type.kind === "enum") found.add(type.name);
      if (method.error !== null) found.add(method.error);
    }
  for (const key of types) {
    const type = model.types[key]!;
    if (type.kind === "record") for (const f of type.fields) if (f.type.kind === "enum") found.add(f.type.name);
  }
  return found;
}

function addType(lines: Map<string, string>, type: ExchangeType): void {
  if (type.kind !== "record") return;
  for (const field of type.fields) {
    const at = field.type.kind === "rref" ? `slot ${field.at}` : `at byte ${field.at}`;
    lines.set(`${type.name}.${field.name}`, `${field.name}: ${showField(field.type)} (${at})`);
  }
}

/** Everything that the fingerprint of an interface stands for. */
export function declarations(model: Model, name: string): Declarations {
  const lines = new Map<string, string>();
  const reached = reach(model, [name]);
  for (const each of reached.interfaces)
    for (const method of model.interfaces[each]!.methods) lines.set(`${each}.${method.name}`, showMethod(method));
  for (const key of reached.types) addType(lines, model.types[key]!);
  for (const each of enumsOf(model, reached.interfaces, reached.types))
    model.enums[each]!.members.forEach((m, value) => lines.set(`${each}.${m.name}`, `${m.name} = ${value}`));
  return lines;
}

/**
 * The difference between two versions of one interface: for each declaration that changed its name, then the old text
 * after `-` and the new one after `+`.
 */
export function difference(running: Model, built: Model, name: string): string[] {
  const before = declarations(running, name);
  const after = declarations(built, name);
  const lines: string[] = [];
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const [old, now] = [before.get(key), after.get(key)];
    if (old === now) continue;
    lines.push(`  ${key}`);
    if (old !== undefined) lines.push(`  - ${old}`);
    if (now !== undefined) lines.push(`  + ${now}`);
  }
  if (lines.length > 0) return lines;
  const order = (model: Model): string => [...declarations(model, name).keys()].join(", ");
  return order(running) === order(built)
    ? ["  the encoding of calls or objects"]
    : ["  the order of its declarations", `  - ${order(running)}`, `  + ${order(built)}`];
}
