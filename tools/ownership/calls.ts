/**
 * Calls → operations: what happens to each argument, and what the answer brings.
 *
 * Invariant: all arguments are evaluated before the first of them is moved, as at run time.
 */
import type {
  CallExpression,
  Expression,
  Function,
  FunctionPrototype,
  NewExpression,
  PropertyAccessExpression,
} from "./compiler.ts";
import { ElementKind, NodeKind, SWALLOW } from "./compiler.ts";
import { branch } from "./conditions.ts";
import { fresh, look, strip, visit } from "./expressions.ts";
import { BORROWED, Block, NULL, OK, OWNED, REFUSED, type How, type Mode } from "./graph.ts";
import type { Lowering } from "./lowering.ts";
import { isTrustedFunction, NONE, textOf } from "./lowering.ts";
import { ownerOf } from "./kinds.ts";
import * as say from "./messages.ts";
import type { Summary } from "./summaries.ts";

/** An argument: where its value is, and the expression that gave it. */
export interface Gift {
  readonly place: number;
  readonly node: Expression;
}

export function visitCall(c: Lowering, node: CallExpression): number {
  const callee = strip(node.expression);
  const name = textOf(callee);
  const builtin = callee.kind === NodeKind.Identifier ? visitBuiltin(c, node, name) : null;
  if (builtin !== null) return builtin;
  let receiver = NONE;
  let base: Expression | null = null;
  if (callee.kind === NodeKind.PropertyAccess) {
    base = (callee as PropertyAccessExpression).expression;
    // `x.handle.toString()` is for messages.
    const allowed = c.allowNumber;
    c.allowNumber ||= (callee as PropertyAccessExpression).property.text === "toString";
    receiver = visit(c, base);
    c.allowNumber = allowed;
  } else if (callee.kind !== NodeKind.Identifier && callee.kind !== NodeKind.Super) look(c, callee);
  const args = node.args.map((argument) => ({ place: visit(c, argument), node: argument }));
  const target = targetOf(c, node, callee);
  if (target !== null) return callFunction(c, node, target, receiver, args, name, base ?? node);
  c.use(receiver, base ?? node);
  // A function value: its signature alone says that objects are moved to it.
  for (const { place, node: argument } of args) c.move(place, argument, { kind: "moved", to: name });
  return answer(c, node, null, name);
}

/** What the compiler itself knows. @returns null for another function */
function visitBuiltin(c: Lowering, node: CallExpression, name: string): number | null {
  switch (name) {
    case "unchecked":
      return node.args.length === 1 ? visit(c, node.args[0]!) : null;
    case "abort":
    case "unreachable":
      node.args.forEach((argument) => look(c, argument));
      c.stop();
      return NONE;
    case "assert": {
      if (node.args.length === 0) return null;
      const holds = new Block();
      const fails = new Block();
      branch(c, node.args[0]!, holds, fails);
      c.current = holds;
      return NONE;
    }
    default:
      return null;
  }
}

function targetOf(c: Lowering, node: CallExpression, callee: Expression): Function | null {
  if (callee.kind === NodeKind.Super) {
    const owner = ownerOf(c.within);
    return owner?.base?.constructorInstance ?? null;
  }
  const element = c.lookup(callee);
  if (element === null) return null;
  if (element.kind === ElementKind.Function) return element as unknown as Function;
  if (element.kind !== ElementKind.FunctionPrototype) return null;
  try {
    return c.services.program.resolver.maybeInferCall(node, element as unknown as FunctionPrototype, c.flow, SWALLOW);
  } catch {
    return null;
  }
}

export function construct(c: Lowering, node: NewExpression): number {
  const args = node.args.map((argument) => ({ place: visit(c, argument), node: argument }));
  const made = c.typeOf(node)?.getClass() ?? null;
  const constructor = made?.constructorInstance ?? null;
  const name = `new ${node.typeName.identifier.text}`;
  if (constructor !== null) callFunction(c, node, constructor, NONE, args, name, node, true);
  else for (const { place, node: argument } of args) c.use(place, argument);
  return NONE;
}

/**
 * A call whose target is known.
 * @param receiver place of `this`, when it is an object's
 * @param name as the source calls the function
 * @param silent its value is not tracked: a constructor's
 */
export function callFunction(
  c: Lowering,
  node: Expression,
  target: Function,
  receiver: number,
  args: readonly Gift[],
  name: string,
  receiverNode: Expression,
  silent = false,
): number {
  const summary = c.services.summaryOf(target);
  const gives: Gift[] = [];
  takeReceiver(c, node, target, receiver, receiverNode);
  args.forEach(({ place, node: argument }, i) => {
    if (c.isOutcome(place)) passAnswer(c, place, argument);
    if (!c.isObject(place)) return;
    const mode: Mode = summary.modes[i] ?? "none";
    if (mode === "give") gives.push({ place, node: argument });
    else if (mode === "move") c.move(place, argument, howMoved(c, target, name));
    else c.use(place, argument, mode === "borrow" ? "object" : "handle");
  });
  refuseLentAndMoved(c, args, summary, name);
  const value = silent ? NONE : answer(c, node, target, name, gives, summary);
  if (silent) for (const { place, node: argument } of gives) c.move(place, argument, { kind: "moved", to: name });
  for (const type of summary.ends) {
    c.emit({ op: "end", type, node, by: name });
    c.ends.add(type);
  }
  if (!summary.returns) c.stop();
  return value;
}

/** A call cannot have the same object lent and moved to it. */
function refuseLentAndMoved(c: Lowering, args: readonly Gift[], { modes }: Summary, name: string): void {
  args.forEach(({ place, node }, i) => {
    if (!c.isObject(place) || (modes[i] !== "move" && modes[i] !== "give")) return;
    if (args.some((other, k) => other.place === place && modes[k] === "borrow"))
      c.refuse(node, say.lentAndMoved(c.place(place), name));
  });
}

/** An answer is looked at where it came; whoever gets it could not be told to free the object. */
function passAnswer(c: Lowering, place: number, node: Expression): void {
  const { objects, name } = c.place(place);
  if (objects.length === 0) return;
  c.refuse(node, say.answerPassed(name));
  c.emit({ op: "forget", places: objects });
}

function takeReceiver(c: Lowering, node: Expression, target: Function, receiver: number, at: Expression): void {
  if (!c.isObject(receiver)) return;
  const frees = isTrustedFunction(target) && target.name === "free";
  if (frees) c.move(receiver, node, { kind: "freed" });
  else c.use(receiver, at);
}

function howMoved(c: Lowering, target: Function, name: string): How {
  if (!isTrustedFunction(target) || c.kinds.isInterfaceCall(target)) return { kind: "moved", to: name };
  const result = c.kinds.of(target.signature.returnType) === "result";
  return result ? { kind: "moved", to: name } : { kind: "stored", by: name };
}

/** The value of a call: an object, a result, or whether what was offered was taken. */
function answer(
  c: Lowering,
  node: Expression,
  target: Function | null,
  name: string,
  gives: readonly Gift[] = [],
  summary: Summary | null = null,
): number {
  const type = target === null ? c.typeOf(node) : target.signature.returnType;
  const kind = c.kinds.of(type);
  const called = type?.getClass() ?? null;
  if (kind === "object") {
    give(c, node, name, gives, NONE, OK);
    if (summary?.lends === true) return fresh(c, node, `what \`${name}\` lends`, called!.name, BORROWED | NULL);
    const bits = makes(target) ? OWNED : OWNED | NULL;
    return fresh(c, node, `the object that \`${name}\` answers`, called!.name, bits);
  }
  if (kind === "result") {
    const place = c.outcome(name, called, node, true);
    give(c, node, name, gives, place, summary?.outcomes ?? OK);
    return place;
  }
  if (gives.length === 0) return NONE;
  const place = c.outcome(name, null, node, true);
  give(c, node, name, gives, place, OK | REFUSED);
  return place;
}

function give(
  c: Lowering,
  node: Expression,
  name: string,
  gives: readonly Gift[],
  result: number,
  outcomes: number,
): void {
  if (result < 0 && gives.length === 0) return;
  c.emit({ op: "call", result, outcomes, gives, node, name });
}

/** `create` of a class of objects never answers null. */
function makes(target: Function | null): boolean {
  return target !== null && isTrustedFunction(target) && target.name === "create";
}
