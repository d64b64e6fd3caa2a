/**
 * Conditions → branches: what is known about an object or an answer on either side.
 *
 * Knows the questions that `heap/object` and `os/rpc` offer (`isNull`, `ok`, `isError`, `refused`, `fault == Fault.X`),
 * comparisons with null, and variables that hold one of these. Invariant: a condition that says nothing leads to both
 * sides with what was known before.
 */
import type {
  BinaryExpression,
  CallExpression,
  Element,
  Expression,
  IdentifierExpression,
  PropertyAccessExpression,
  UnaryPrefixExpression,
} from "./compiler.ts";
import { ElementKind, NodeKind, Token } from "./compiler.ts";
import { isComparison, look, strip, visit, visitProperty } from "./expressions.ts";
import { ANY_OUTCOME, Block, CRASHED, ERROR, OK, REFUSED, type Test } from "./graph.ts";
import type { Lowering } from "./lowering.ts";

/** Ends the current block: `yes` where the condition holds. */
export function branch(c: Lowering, wrapped: Expression, yes: Block, no: Block): void {
  const node = strip(wrapped);
  switch (node.kind) {
    case NodeKind.True:
      return c.goto(yes);
    case NodeKind.False:
      return c.goto(no);
    case NodeKind.UnaryPrefix: {
      const { operator, operand } = node as UnaryPrefixExpression;
      if ((operator as unknown as number) === Token.Exclamation) return branch(c, operand, no, yes);
      break;
    }
    case NodeKind.Binary:
      return branchBinary(c, node as BinaryExpression, yes, no);
    case NodeKind.Identifier: {
      const alias = c.find((node as IdentifierExpression).text)?.alias ?? null;
      if (alias !== null) return branchAlias(c, alias, yes, no);
      break;
    }
    case NodeKind.PropertyAccess:
      return branchProperty(c, node as PropertyAccessExpression, yes, no);
    case NodeKind.Call: {
      const call = node as CallExpression;
      const recovered = recovers(c, call);
      const value = visit(c, call);
      if (recovered >= 0) return end(c, outcome(recovered, CRASHED | REFUSED, ANY_OUTCOME), yes, no);
      return branchValue(c, call, value, yes, no);
    }
    default:
      break;
  }
  branchValue(c, node, visit(c, node), yes, no);
}

function end(c: Lowering, test: Test, yes: Block, no: Block): void {
  c.current.end = { end: "branch", test, yes, no };
  c.current = new Block();
}

const outcome = (place: number, yes: number, no: number): Test => ({ test: "outcome", place, yes, no });
const exactly = (place: number, yes: number): Test => outcome(place, yes, ANY_OUTCOME & ~yes);

/** Whether a value is true: an object that is not null, or an answer that something was taken. */
function branchValue(c: Lowering, node: Expression, value: number, yes: Block, no: Block): void {
  if (c.isObject(value)) {
    c.use(value, node, "handle");
    return end(c, { test: "null", place: value }, no, yes);
  }
  if (c.isOutcome(value) && c.place(value).type === "bool") return end(c, exactly(value, OK), yes, no);
  end(c, { test: "unknown" }, yes, no);
}

function branchAlias(c: Lowering, alias: Expression, yes: Block, no: Block): void {
  const before = c.quiet;
  c.quiet = true;
  branch(c, alias, yes, no);
  c.quiet = before;
}

const QUESTIONS: Readonly<Record<string, number>> = { ok: OK, isError: ERROR, refused: REFUSED };

function branchProperty(c: Lowering, node: PropertyAccessExpression, yes: Block, no: Block): void {
  const base = visit(c, node.expression);
  const name = node.property.text;
  if (c.isObject(base) && name === "isNull") {
    c.use(base, node, "handle");
    return end(c, { test: "null", place: base }, yes, no);
  }
  if (c.isOutcome(base) && QUESTIONS[name] !== undefined) return end(c, exactly(base, QUESTIONS[name]), yes, no);
  branchValue(c, node, visitProperty(c, node, base), yes, no);
}

function branchBinary(c: Lowering, node: BinaryExpression, yes: Block, no: Block): void {
  const operator = node.operator as unknown as number;
  if (operator === Token.Ampersand_Ampersand || operator === Token.Bar_Bar) {
    const middle = new Block();
    const isAnd = operator === Token.Ampersand_Ampersand;
    branch(c, node.left, isAnd ? middle : yes, isAnd ? no : middle);
    c.current = middle;
    return branch(c, node.right, yes, no);
  }
  if (!isComparison(operator)) return branchValue(c, node, visit(c, node), yes, no);
  const equal = operator === Token.Equals_Equals || operator === Token.Equals_Equals_Equals;
  compare(c, node.left, node.right, equal ? yes : no, equal ? no : yes);
}

/** Ends the current block: `equal` where both sides are. */
export function compare(c: Lowering, left: Expression, right: Expression, equal: Block, other: Block): void {
  const [a, b] = [strip(left), strip(right)];
  if (a.kind === NodeKind.Null) return compare(c, b, a, equal, other);
  if (b.kind === NodeKind.Null) {
    const value = visit(c, a);
    c.use(value, a, "handle");
    return end(c, c.isObject(value) ? { test: "null", place: value } : { test: "unknown" }, equal, other);
  }
  const test = faultTest(c, a, b) ?? faultTest(c, b, a);
  if (test !== null) return end(c, test, equal, other);
  const allowed = c.allowNumber;
  c.allowNumber = true;
  look(c, a);
  look(c, b);
  c.allowNumber = allowed;
  end(c, { test: "unknown" }, equal, other);
}

/** `answer.fault` against a member of `Fault`. */
function faultTest(c: Lowering, fault: Expression, member: Expression): Test | null {
  const result = faultOf(c, fault);
  const name = result < 0 ? null : faultNamed(c, member);
  if (name === null) return null;
  if (name === "None") return exactly(result, OK | ERROR);
  if (name === "Crashed") return exactly(result, CRASHED);
  if (LOST.has(name)) return outcome(result, CRASHED, ANY_OUTCOME);
  return outcome(result, REFUSED, ANY_OUTCOME);
}

/** Faults of a call that had begun: what was moved is gone, as after a crash. */
const LOST: ReadonlySet<string> = new Set(["TimedOut", "Cancelled", "Deadlock"]);

/** The place of the answer whose `fault` an expression is; -1 when it is none. */
function faultOf(c: Lowering, wrapped: Expression): number {
  const node = strip(wrapped);
  if (node.kind === NodeKind.Identifier) {
    const alias = c.find((node as IdentifierExpression).text)?.alias ?? null;
    return alias === null ? -1 : faultOf(c, alias);
  }
  if (node.kind !== NodeKind.PropertyAccess) return -1;
  const { expression, property } = node as PropertyAccessExpression;
  const base = strip(expression);
  if (property.text !== "fault") return -1;
  if (base.kind === NodeKind.Identifier) {
    const place = c.find((base as IdentifierExpression).text)?.place ?? -1;
    return c.isOutcome(place) ? place : -1;
  }
  if (base.kind !== NodeKind.Call) return -1;
  const place = visit(c, base);
  return c.isOutcome(place) ? place : -1;
}

function faultNamed(c: Lowering, node: Expression): string | null {
  const element: Element | null = c.lookup(strip(node));
  if (element?.kind !== ElementKind.EnumValue) return null;
  return element.parent.name === "Fault" ? element.name : null;
}

/** The answer that `recover(answer.fault)` of `os/shadow` restarts the callee for; -1 for another call. */
function recovers(c: Lowering, node: CallExpression): number {
  const callee = strip(node.expression);
  if (callee.kind !== NodeKind.PropertyAccess) return -1;
  if ((callee as PropertyAccessExpression).property.text !== "recover" || node.args.length !== 1) return -1;
  const target = c.lookup(callee);
  if (target === null || !target.internalName.startsWith("~lib/os/shadow/Backing")) return -1;
  const argument = strip(node.args[0]!);
  return argument.kind === NodeKind.Call ? -1 : faultOf(c, argument);
}
