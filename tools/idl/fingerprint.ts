/**
 * Fingerprints: two sides that agree on one agree on the wire.
 *
 * Owns what goes into a fingerprint: names, order, types and layouts of everything that a declaration reaches, and
 * never comments, files or the order of declarations. Invariant: any change that alters what crosses alters the
 * fingerprint.
 */
import { createHash } from "node:crypto";
import type { ExchangeType, Interface, Method, Model, ValueType } from "#kernel/interface/model.ts";

/** Raised when the encoding of calls or objects changes while the declarations stay the same. */
const WIRE_VERSION = 1;

type Parts = Omit<Model, "interfaces" | "types"> & {
  readonly interfaces: Readonly<Record<string, Omit<Interface, "fingerprint">>>;
  readonly types: Readonly<Record<string, ExchangeType>>;
};

/** @returns 16 hex digits for the interface or exchangeable type of this name. */
export function fingerprint(parts: Parts, kind: "interface" | "type", name: string): string {
  const reached = new Map<string, unknown>();
  visit(parts, kind, name, reached);
  const definitions = [...reached.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const text = JSON.stringify([WIRE_VERSION, kind, name, definitions]);
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function visit(parts: Parts, kind: "interface" | "type" | "enum", name: string, reached: Map<string, unknown>): void {
  const key = `${kind} ${name}`;
  if (reached.has(key)) return;
  if (kind === "enum") {
    reached.set(
      key,
      parts.enums[name]!.members.map((m) => m.name),
    );
    return;
  }
  // Marked before its parts are visited: records may reach themselves through RRef.
  reached.set(key, null);
  reached.set(key, kind === "interface" ? describeInterface(parts, name, reached) : describeType(parts, name, reached));
}

function describeInterface(parts: Parts, name: string, reached: Map<string, unknown>): unknown {
  return parts.interfaces[name]!.methods.map((m) => {
    for (const type of valueTypes(m)) visitValue(parts, type, reached);
    if (m.error !== null) visit(parts, "enum", m.error, reached);
    const result = m.result.kind === "fields" ? { kind: "fields", fields: m.result.fields } : m.result;
    const described = [m.name, m.params.map((p) => [p.name, p.type]), result, m.error];
    return m.async === true ? [...described, "async"] : described;
  });
}

function describeType(parts: Parts, name: string, reached: Map<string, unknown>): unknown {
  const type = parts.types[name]!;
  if (type.kind !== "record") {
    visit(parts, "type", type.element, reached);
    return [type.kind, type.element, type.length];
  }
  for (const field of type.fields) {
    if (field.type.kind === "rref") visit(parts, "type", field.type.type, reached);
    if (field.type.kind === "enum") visit(parts, "enum", field.type.name, reached);
  }
  return [type.kind, type.fields.map((f) => [f.name, f.type, f.at]), type.slots, type.size];
}

function visitValue(parts: Parts, type: ValueType, reached: Map<string, unknown>): void {
  if (type.kind === "enum") visit(parts, "enum", type.name, reached);
  if (type.kind === "interface") visit(parts, "interface", type.name, reached);
  if (type.kind === "rref" || type.kind === "borrow") visit(parts, "type", type.type, reached);
}

/** All values of a method: parameters, then results. */
export function valueTypes(method: Method): ValueType[] {
  const { result } = method;
  const results =
    result.kind === "void" ? [] : result.kind === "value" ? [result.type] : result.fields.map((f) => f.type);
  return [...method.params.map((p) => p.type), ...results];
}
