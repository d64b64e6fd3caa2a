/**
 * Functions, field initialisers and a file's top level → graphs.
 *
 * Invariant: each is lowered once; what runs in it is in its graph and in no other.
 */
import type {
  Class,
  ExpressionStatement,
  FieldDeclaration,
  File,
  Function,
  ParameterNode,
  Statement,
} from "./compiler.ts";
import { CommonFlags, NodeKind } from "./compiler.ts";
import type { NamespaceDeclaration, Node, VariableStatement } from "./compiler.ts";
import { visit } from "./expressions.ts";
import { OK, type Graph } from "./graph.ts";
import { endOf, Lowering, NONE, type Services } from "./lowering.ts";
import { lends } from "./modes.ts";
import { leave, lowerReturn, lowerStatement, lowerStatements } from "./statements.ts";
import type { BlockStatement } from "./compiler.ts";

/** A function as its author calls it: `Disk.read`. */
export function nameOf(of: Function): string {
  const { parent, name } = of;
  return parent.kind === of.file.kind ? name : `${parent.name.replace(/<.*/, "")}.${name}`;
}

export function lowerFunction(services: Services, of: Function): Graph {
  const c = new Lowering(services, of);
  const declared = of.prototype.functionTypeNode.parameters as ParameterNode[];
  const parameters = of.signature.parameterTypes.map((type, i) => {
    const node = declared[i];
    if (node === undefined) return NONE;
    const kind = c.kinds.of(type);
    const found = type.getClass();
    const place = kind === "object" ? c.object(node.name.text, found!.name, node.name, false, i) : NONE;
    c.bind(node.name.text, { place, constant: false, alias: null });
    return place;
  });
  parameters.forEach((place, i) => {
    // A parameter property: the object's new owner keeps it.
    const field = declared[i]?.implicitFieldDeclaration ?? null;
    if (field !== null) c.move(place, declared[i]!.name, { kind: "kept", in: `this.${declared[i]!.name.text}` });
  });
  c.returns = returnsOf(c, of);
  const body = of.prototype.bodyNode!;
  if (body.kind === NodeKind.Expression) lowerReturn(c, body, (body as ExpressionStatement).expression);
  else if (body.kind === NodeKind.Block) lowerStatements(c, (body as BlockStatement).statements);
  else lowerStatement(c, body);
  leave(c, endOf(body), NONE, OK, true);
  return c.graph(nameOf(of), parameters);
}

function returnsOf(c: Lowering, of: Function): Lowering["returns"] {
  const type = of.signature.returnType;
  const kind = c.kinds.of(type);
  if (kind === "object") return lends(of.prototype) ? "loan" : "object";
  if (kind === "result") return "result";
  const takesObjects = of.signature.parameterTypes.some((t) => c.kinds.of(t) === "object");
  return takesObjects && type.toString() === "bool" ? "bool" : "other";
}

/** The initialisers of a class's own fields, which its constructor runs; null when none has any. */
export function lowerFields(services: Services, of: Class): Graph | null {
  const members = (of.prototype.declaration as unknown as { members: Node[] }).members;
  const fields = members.filter((m): m is FieldDeclaration => m.kind === NodeKind.FieldDeclaration);
  const initialised = fields.filter((f) => f.initializer !== null && !f.is(CommonFlags.Static as never));
  const within = of.constructorInstance;
  if (initialised.length === 0 || within === null) return null;
  const c = new Lowering(services, within);
  for (const { name, initializer } of initialised) {
    const value = visit(c, initializer!);
    c.move(value, name, { kind: "kept", in: `this.${name.text}` });
  }
  leave(c, endOf(of.prototype.declaration), NONE, OK, true);
  return c.graph(of.name, []);
}

const RUNS: ReadonlySet<number> = new Set([
  NodeKind.Block,
  NodeKind.Do,
  NodeKind.Expression,
  NodeKind.For,
  NodeKind.If,
  NodeKind.Switch,
  NodeKind.While,
]);

/** What a file does when the domain starts. */
export function lowerFile(services: Services, file: File): Graph {
  const c = new Lowering(services, file.startFunction);
  lowerTopLevel(c, file.source.statements);
  leave(c, endOf(file.source), NONE, OK, true);
  return c.graph("top level", []);
}

function lowerTopLevel(c: Lowering, statements: readonly Statement[]): void {
  for (const statement of statements) {
    if (statement.kind === NodeKind.NamespaceDeclaration) lowerTopLevel(c, (statement as NamespaceDeclaration).members);
    else if (statement.kind === NodeKind.Variable) lowerGlobals(c, statement as VariableStatement);
    else if (RUNS.has(statement.kind)) lowerStatement(c, statement);
  }
}

function lowerGlobals(c: Lowering, { declarations }: VariableStatement): void {
  for (const { name, initializer } of declarations) {
    if (initializer === null) continue;
    const value = visit(c, initializer);
    c.move(value, name, { kind: "kept", in: name.text });
  }
}
