/**
 * Expressions → operations: which place a value is in, and what is done to it.
 *
 * Invariant: what is evaluated is visited once, in the order in which it runs.
 */
import type {
  ArrayLiteralExpression,
  AssertionExpression,
  BinaryExpression,
  CallExpression,
  CommaExpression,
  ElementAccessExpression,
  Expression,
  FunctionPrototype,
  Global,
  IdentifierExpression,
  InstanceOfExpression,
  LiteralExpression,
  NewExpression,
  Node,
  ParenthesizedExpression,
  Property,
  PropertyAccessExpression,
  TemplateLiteralExpression,
  TernaryExpression,
  Type,
  UnaryPrefixExpression,
} from "./compiler.ts";
import { ElementKind, LiteralKind, NodeKind, Token } from "./compiler.ts";
import { callFunction, construct, visitCall } from "./calls.ts";
import { branch } from "./conditions.ts";
import { ANY_OUTCOME, BORROWED, Block, ERROR, NULL, type How } from "./graph.ts";
import type { Lowering } from "./lowering.ts";
import { isTrustedFunction, NONE, textOf } from "./lowering.ts";
import * as say from "./messages.ts";

/** Without the parentheses and assertions around it that change nothing here. */
export function strip(node: Expression): Expression {
  if (node.kind === NodeKind.Parenthesized) return strip((node as ParenthesizedExpression).expression);
  return node;
}

const COMPARISONS: ReadonlySet<number> = new Set([
  Token.Equals_Equals,
  Token.Exclamation_Equals,
  Token.Equals_Equals_Equals,
  Token.Exclamation_Equals_Equals,
]);
export const isComparison = (operator: number): boolean => COMPARISONS.has(operator);

/** @returns the place that the value is in, or NONE. */
export function visit(c: Lowering, wrapped: Expression): number {
  const node = strip(wrapped);
  switch (node.kind) {
    case NodeKind.Identifier:
      return visitName(c, node as IdentifierExpression);
    case NodeKind.Null:
      return fresh(c, node, "null", "", NULL);
    case NodeKind.Assertion:
      return visit(c, (node as AssertionExpression).expression);
    case NodeKind.Binary:
      return visitBinary(c, node as BinaryExpression);
    case NodeKind.Call:
      return visitCall(c, node as CallExpression);
    case NodeKind.New:
      return construct(c, node as NewExpression);
    case NodeKind.PropertyAccess: {
      const access = node as PropertyAccessExpression;
      return visitProperty(c, access, visit(c, access.expression));
    }
    case NodeKind.ElementAccess:
      return visitElement(c, node as ElementAccessExpression);
    case NodeKind.Ternary:
      return visitTernary(c, node as TernaryExpression);
    case NodeKind.Comma:
      return (node as CommaExpression).expressions.reduce((_, part) => visit(c, part), NONE);
    case NodeKind.UnaryPrefix:
    case NodeKind.UnaryPostfix: {
      const { operand } = node as UnaryPrefixExpression;
      look(c, operand);
      return NONE;
    }
    case NodeKind.InstanceOf:
      look(c, (node as InstanceOfExpression).expression);
      return NONE;
    case NodeKind.Literal:
      visitLiteral(c, node as LiteralExpression);
      return NONE;
    default:
      return NONE;
  }
}

/** Evaluates for what it does; an object in it is only looked at. */
export function look(c: Lowering, node: Expression): void {
  c.use(visit(c, node), node, "handle");
}

/** A new place without a name. */
export function fresh(c: Lowering, node: Node, name: string, type: string, bits: number): number {
  const place = c.object(name, type, node, true);
  c.emit({ op: "define", place, bits, node, from: type });
  return place;
}

/** A loan of what lies in a field, a static or an element. */
function loan(c: Lowering, node: Expression, type: Type | null): number {
  if (c.kinds.of(type) !== "object") return NONE;
  const place = fresh(c, node, textOf(node), type!.getClass()!.name, BORROWED);
  (c.places[place] as { temporary: boolean }).temporary = false;
  return place;
}

function visitName(c: Lowering, node: IdentifierExpression): number {
  const binding = c.find(node.text);
  if (binding !== null) return binding.place;
  const element = c.lookup(node);
  if (element?.kind === ElementKind.FunctionPrototype) valueOf(c, node, element as unknown as FunctionPrototype);
  return element?.kind === ElementKind.Global ? loan(c, node, (element as unknown as Global).type) : NONE;
}

/** A function as a value: its type says that it takes the objects which are passed to it. */
function valueOf(c: Lowering, node: Expression, prototype: FunctionPrototype): void {
  const of = c.functionOf(prototype);
  if (of === null || isTrustedFunction(of)) return;
  c.services.summaryOf(of).modes.forEach((mode, i) => {
    if (mode === "borrow" || mode === "give") c.refuse(node, say.functionValue(textOf(node), of.getParameterName(i)));
  });
}

/** `base.name`, where the base was visited. */
export function visitProperty(c: Lowering, node: PropertyAccessExpression, base: number): number {
  const name = node.property.text;
  if (c.isObject(base)) {
    if (name === "handle") {
      if (!c.allowNumber) c.refuse(node, say.asNumber(textOf(node.expression)));
      c.use(base, node, "handle");
    } else c.use(base, node, name === "isNull" ? "handle" : "object");
    return NONE;
  }
  if (c.isOutcome(base)) return visitOutcome(c, node, base, name);
  const element = c.lookup(node);
  if (element === null) return NONE;
  if (element.kind === ElementKind.Property) {
    const property = element as unknown as Property;
    if (property.isField) return loan(c, node, property.type);
    const getter = property.getterInstance;
    return getter === null ? NONE : callFunction(c, node, getter, NONE, [], textOf(node), node);
  }
  return element.kind === ElementKind.Global ? loan(c, node, (element as unknown as Global).type) : NONE;
}

function visitOutcome(c: Lowering, node: PropertyAccessExpression, base: number, name: string): number {
  const result = c.place(base);
  const object = result.objects.find((p) => c.place(p).of!.field === name);
  if (object !== undefined) {
    c.emit({ op: "open", place: object, node });
    return object;
  }
  // Who asks for the error of a result that has none has ended.
  if (name === "error") c.emit({ op: "assume", place: base, outcomes: ERROR });
  return NONE;
}

function visitElement(c: Lowering, node: ElementAccessExpression): number {
  c.use(visit(c, node.expression), node.expression);
  c.use(visit(c, node.elementExpression), node.elementExpression);
  return loan(c, node, c.typeOf(node));
}

function visitLiteral(c: Lowering, node: LiteralExpression): void {
  const kind = node.literalKind as unknown as number;
  if (kind === LiteralKind.Template) {
    const allowed = c.allowNumber;
    c.allowNumber = true;
    for (const part of (node as TemplateLiteralExpression).expressions) c.use(visit(c, part), part);
    c.allowNumber = allowed;
  }
  if (kind !== LiteralKind.Array) return;
  for (const element of (node as ArrayLiteralExpression).elementExpressions) {
    const value = visit(c, element);
    if (!c.isObject(value)) continue;
    c.refuse(element, say.hidden("[…]", c.place(value).type || "T"));
    c.move(value, element, { kind: "stored", by: "[…]" });
  }
}

function visitTernary(c: Lowering, node: TernaryExpression): number {
  const yes = new Block();
  const no = new Block();
  const after = new Block();
  branch(c, node.condition, yes, no);
  let place = NONE;
  for (const [block, value] of [
    [yes, node.ifThen],
    [no, node.ifElse],
  ] as const) {
    c.current = block;
    const v = visit(c, value);
    if (v >= 0 && place === NONE) place = like(c, v, node);
    if (v >= 0) transfer(c, v, place, value, { kind: "chosen" });
    c.goto(after);
  }
  c.current = after;
  return place;
}

/** A place without a name for what another one holds. */
function like(c: Lowering, p: number, node: Expression): number {
  const { kind, type } = c.place(p);
  if (kind === "object") return c.object(`what \`${textOf(node)}\` chooses`, type, node, true);
  const found = c.typeOf(node)?.getClass() ?? null;
  return c.outcome(textOf(node), type === "bool" ? null : found, node, true);
}

/** Whatever a place holds goes to another one of its kind. */
export function transfer(c: Lowering, from: number, to: number, node: Expression, how: How): void {
  if (from === to) return;
  if (c.isObject(from) && c.isObject(to)) c.emit({ op: "assign", from, to, node, how });
  else if (c.isOutcome(from) && c.isOutcome(to)) c.emit({ op: "rename", from, to, node });
}

// ── assignments and comparisons ────────────────────────────────────────────────────────────────────────────────────

function visitBinary(c: Lowering, node: BinaryExpression): number {
  const operator = node.operator as unknown as number;
  if (operator === Token.Equals) return visitAssignment(c, node);
  if (operator === Token.Ampersand_Ampersand || operator === Token.Bar_Bar) {
    const after = new Block();
    branch(c, node, after, after);
    c.current = after;
    return NONE;
  }
  const allowed = c.allowNumber;
  c.allowNumber = isComparison(operator);
  look(c, node.left);
  look(c, node.right);
  c.allowNumber = allowed;
  return NONE;
}

function visitAssignment(c: Lowering, node: BinaryExpression): number {
  const left = strip(node.left);
  if (left.kind === NodeKind.Identifier) {
    const binding = c.find((left as IdentifierExpression).text);
    if (binding !== null) return assign(c, binding.place, visit(c, node.right), node);
    return keep(c, left, visit(c, node.right), node);
  }
  if (left.kind === NodeKind.PropertyAccess) {
    const { expression } = left as PropertyAccessExpression;
    c.use(visit(c, expression), expression);
  }
  if (left.kind === NodeKind.ElementAccess) {
    const { expression, elementExpression } = left as ElementAccessExpression;
    c.use(visit(c, expression), expression);
    look(c, elementExpression);
  }
  return keep(c, left, visit(c, node.right), node);
}

/** A local's place gets a value. */
export function assign(c: Lowering, to: number, from: number, node: Expression): number {
  if (to === NONE) {
    c.use(from, node, "handle");
    return NONE;
  }
  const place = c.place(to);
  if (from !== NONE) transfer(c, from, to, node, { kind: "assigned", to: place.name });
  else if (place.kind === "object") c.emit({ op: "define", place: to, bits: BORROWED | NULL, node, from: "" });
  else c.emit({ op: "call", result: to, outcomes: ANY_OUTCOME, gives: [], node, name: place.name });
  return to;
}

/** A field, a static or an element gets a value. */
function keep(c: Lowering, left: Expression, value: number, node: Expression): number {
  if (!c.isObject(value)) return value;
  const element = c.lookup(left);
  const property = element?.kind === ElementKind.Property ? (element as unknown as Property) : null;
  const setter = property !== null && !property.isField ? property.setterInstance : null;
  if (setter !== null) return callFunction(c, node, setter, NONE, [{ place: value, node }], textOf(left), node);
  c.move(value, node, { kind: "kept", in: textOf(left) });
  return NONE;
}
