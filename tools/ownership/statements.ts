/**
 * Statements → blocks.
 *
 * Invariant: a jump drops the places of the scopes that it leaves, so what is lost is reported where it is lost.
 */
import type {
  BlockStatement,
  DoStatement,
  Expression,
  ExpressionStatement,
  ForStatement,
  IdentifierExpression,
  IfStatement,
  Node,
  ParenthesizedExpression,
  PropertyAccessExpression,
  ReturnStatement,
  Statement,
  SwitchStatement,
  ThrowStatement,
  Type,
  UnaryPrefixExpression,
  VariableDeclaration,
  VariableStatement,
  WhileStatement,
  BinaryExpression,
} from "./compiler.ts";
import { CommonFlags, NodeKind } from "./compiler.ts";
import { branch, compare } from "./conditions.ts";
import { assign, look, strip, visit } from "./expressions.ts";
import { ANY_OUTCOME, Block, OK, REFUSED } from "./graph.ts";
import type { Lowering } from "./lowering.ts";
import { endOf, NONE } from "./lowering.ts";
import * as say from "./messages.ts";

export function lowerStatements(c: Lowering, statements: readonly Statement[]): void {
  for (const statement of statements) lowerStatement(c, statement);
}

export function lowerStatement(c: Lowering, node: Statement): void {
  switch (node.kind) {
    case NodeKind.Block:
      c.enter();
      lowerStatements(c, (node as BlockStatement).statements);
      return c.exit(endOf(node));
    case NodeKind.Expression: {
      const { expression } = node as ExpressionStatement;
      visit(c, expression);
      return;
    }
    case NodeKind.Variable:
      return (node as VariableStatement).declarations.forEach((declaration) => lowerVariable(c, declaration));
    case NodeKind.If:
      return lowerIf(c, node as IfStatement);
    case NodeKind.While: {
      const { condition, body } = node as WhileStatement;
      return lowerLoop(c, node, null, condition, null, body);
    }
    case NodeKind.For: {
      const { initializer, condition, incrementor, body } = node as ForStatement;
      return lowerLoop(c, node, initializer, condition, incrementor, body);
    }
    case NodeKind.Do:
      return lowerDo(c, node as DoStatement);
    case NodeKind.Switch:
      return lowerSwitch(c, node as SwitchStatement);
    case NodeKind.Return:
      return lowerReturn(c, node, (node as ReturnStatement).value);
    case NodeKind.Throw:
      look(c, (node as ThrowStatement).value);
      return c.stop();
    case NodeKind.Break:
    case NodeKind.Continue:
      return lowerJump(c, node);
    default:
      return;
  }
}

// ── variables ──────────────────────────────────────────────────────────────────────────────────────────────────────

function lowerVariable(c: Lowering, node: VariableDeclaration): void {
  const name = node.name.text;
  const { initializer } = node;
  const type = node.type !== null ? c.typeNamed(node.type) : initializer === null ? null : c.typeOf(initializer);
  const hidden = c.kinds.hiddenIn(type);
  if (hidden !== null) c.refuse(node.name, say.hidden(name, hidden.name));
  const value = initializer === null ? NONE : visit(c, initializer);
  const place = placeFor(c, name, type, value, node.name);
  if (place !== NONE && initializer !== null) assign(c, place, value, initializer);
  const constant = node.is(CommonFlags.Const as never);
  const alias = constant && initializer !== null && isTest(c, initializer) ? initializer : null;
  if (type !== null) c.declare(name, type, node);
  c.bind(name, { place, constant, alias });
}

function placeFor(c: Lowering, name: string, type: Type | null, value: number, node: Node): number {
  const kind = c.kinds.of(type);
  const found = type?.getClass() ?? null;
  if (kind === "object") return c.object(name, found!.name, node, false);
  if (kind === "result") return c.outcome(name, found, node, false);
  // A bool that says whether something was taken.
  return c.isOutcome(value) && c.place(value).type === "bool" ? c.outcome(name, null, node, false) : NONE;
}

/** Whether an expression asks about constants only, so that it can be asked again later. */
function isTest(c: Lowering, wrapped: Expression): boolean {
  const node = strip(wrapped);
  if (node.kind === NodeKind.PropertyAccess) {
    const base = strip((node as PropertyAccessExpression).expression);
    if (base.kind !== NodeKind.Identifier) return c.lookup(node) !== null && !mentionsTracked(c, base);
    const binding = c.find((base as IdentifierExpression).text);
    return binding === null || (binding.constant && binding.place !== NONE);
  }
  if (node.kind === NodeKind.UnaryPrefix) return isTest(c, (node as UnaryPrefixExpression).operand);
  if (node.kind === NodeKind.Binary) {
    const { left, right } = node as BinaryExpression;
    return (
      TESTS.has(node.range.source.text.slice(left.range.end, right.range.start).trim()) &&
      isTest(c, left) &&
      isTest(c, right)
    );
  }
  if (node.kind === NodeKind.Identifier) {
    const binding = c.find((node as IdentifierExpression).text);
    return binding !== null && binding.alias !== null;
  }
  return node.kind === NodeKind.Null;
}

const TESTS: ReadonlySet<string> = new Set(["==", "!=", "===", "!==", "&&", "||"]);

function mentionsTracked(c: Lowering, node: Expression): boolean {
  if (node.kind === NodeKind.Parenthesized) return mentionsTracked(c, (node as ParenthesizedExpression).expression);
  return node.kind !== NodeKind.Identifier || c.find((node as IdentifierExpression).text) !== null;
}

// ── branches and loops ─────────────────────────────────────────────────────────────────────────────────────────────

function lowerIf(c: Lowering, node: IfStatement): void {
  const yes = new Block();
  const no = new Block();
  const after = new Block();
  branch(c, node.condition, yes, no);
  c.current = yes;
  lowerScoped(c, node.ifTrue);
  c.goto(after);
  c.current = no;
  if (node.ifFalse !== null) lowerScoped(c, node.ifFalse);
  c.goto(after);
  c.current = after;
}

/** A statement alone has a scope too: what it makes without a name ends there. */
function lowerScoped(c: Lowering, node: Statement): void {
  if (node.kind === NodeKind.Block) return lowerStatement(c, node);
  c.enter();
  lowerStatement(c, node);
  c.exit(endOf(node));
}

function lowerLoop(
  c: Lowering,
  node: Node,
  initializer: Statement | null,
  condition: Expression | null,
  incrementor: Expression | null,
  body: Statement,
): void {
  const head = new Block();
  const inside = new Block();
  const next = new Block();
  const after = new Block();
  c.enter();
  if (initializer !== null) lowerStatement(c, initializer);
  c.goto(head);
  c.current = head;
  if (condition === null) c.goto(inside);
  else branch(c, condition, inside, after);
  c.loops.push({ onBreak: after, onContinue: next, depth: c.depth });
  c.current = inside;
  lowerScoped(c, body);
  c.goto(next);
  c.loops.pop();
  c.current = next;
  if (incrementor !== null) visit(c, incrementor);
  c.goto(head);
  c.current = after;
  c.exit(endOf(node));
}

function lowerDo(c: Lowering, node: DoStatement): void {
  const inside = new Block();
  const next = new Block();
  const after = new Block();
  c.enter();
  c.goto(inside);
  c.loops.push({ onBreak: after, onContinue: next, depth: c.depth });
  c.current = inside;
  lowerScoped(c, node.body);
  c.goto(next);
  c.loops.pop();
  c.current = next;
  branch(c, node.condition, inside, after);
  c.current = after;
  c.exit(endOf(node));
}

function lowerJump(c: Lowering, node: Statement): void {
  const breaks = node.kind === NodeKind.Break;
  const loop = c.loops.findLast(({ onContinue }) => breaks || onContinue !== null);
  if (loop === undefined) return;
  c.drop(loop.depth, node);
  c.goto(breaks ? loop.onBreak : loop.onContinue!);
}

function lowerSwitch(c: Lowering, node: SwitchStatement): void {
  const after = new Block();
  const bodies = node.cases.map(() => new Block());
  c.enter();
  look(c, node.condition);
  node.cases.forEach(({ label }, i) => {
    if (label === null) return;
    const other = new Block();
    compare(c, node.condition, label, bodies[i]!, other);
    c.current = other;
  });
  const otherwise = node.cases.findIndex(({ label }) => label === null);
  c.goto(otherwise < 0 ? after : bodies[otherwise]!);
  c.loops.push({ onBreak: after, onContinue: null, depth: c.depth });
  node.cases.forEach(({ statements }, i) => {
    c.current = bodies[i]!;
    c.enter();
    lowerStatements(c, statements);
    c.exit(endOf(node));
    c.goto(bodies[i + 1] ?? after);
  });
  c.loops.pop();
  c.current = after;
  c.exit(endOf(node));
}

// ── return ─────────────────────────────────────────────────────────────────────────────────────────────────────────

export function lowerReturn(c: Lowering, node: Node, value: Expression | null): void {
  if (value === null) return leave(c, node, NONE, OK);
  if (c.returns === "bool") {
    const yes = new Block();
    const no = new Block();
    branch(c, value, yes, no);
    c.current = yes;
    leave(c, node, NONE, OK);
    c.current = no;
    return leave(c, node, NONE, REFUSED);
  }
  const place = visit(c, value);
  if (c.returns === "object") c.move(place, value, { kind: "returned" });
  else c.use(place, value, "handle");
  const result = c.returns === "result" && c.isOutcome(place);
  leave(c, node, result ? place : NONE, c.returns === "result" ? ANY_OUTCOME : OK);
}

export function leave(c: Lowering, node: Node, result: number, outcomes: number, last = false): void {
  c.current.end = { end: "return", node, result, outcomes, last };
  c.current = new Block();
}
