/**
 * The state of turning one function's syntax into a graph: blocks, places, names in scope, types of expressions.
 *
 * Invariant: `current` is the block that code would be appended to; after a jump it is one that nothing leads to.
 */
import type {
  Class,
  Element,
  Expression,
  Flow,
  Function,
  FunctionPrototype,
  Node,
  Program,
  Statement,
  Type,
  TypeNode,
} from "./compiler.ts";
import { AUTO, createFlow, SWALLOW, VOID } from "./compiler.ts";
import { Block, type Graph, type How, type Op, type Place } from "./graph.ts";
import { isTrusted, type Kinds } from "./kinds.ts";
import type { Summary } from "./summaries.ts";

/** No place: a value that is not tracked. */
export const NONE = -1;

export interface Binding {
  /** NONE when it is not tracked. */
  readonly place: number;
  readonly constant: boolean;
  /** What a constant was made from, when that can be looked at in its stead. */
  readonly alias: Expression | null;
}

interface Scope {
  readonly names: Map<string, Binding>;
  readonly places: number[];
  readonly flow: Flow;
}

export interface Loop {
  readonly onBreak: Block;
  /** null for a switch. */
  readonly onContinue: Block | null;
  readonly depth: number;
}

export interface Services {
  readonly kinds: Kinds;
  readonly program: Program;
  summaryOf(callee: Function): Summary;
}

const MAX_NAME = 48;

/** The source text of an expression, shortened. */
export function textOf(node: Node): string {
  const { source, start, end } = node.range;
  const text = source.text.slice(start, end).replaceAll(/\s+/g, " ");
  return text.length <= MAX_NAME ? text : `${text.slice(0, MAX_NAME - 1)}…`;
}

/** A node for the last character of another one: its closing brace. */
export function endOf(node: Node): Node {
  const { source, end } = node.range;
  return { range: { source, start: Math.max(node.range.start, end - 1), end } } as unknown as Node;
}

export class Lowering {
  readonly services: Services;
  readonly kinds: Kinds;
  readonly within: Function;
  readonly places: Place[] = [];
  readonly entry = new Block();
  readonly loops: Loop[] = [];
  readonly ends = new Set<string>();
  current = this.entry;
  /** How what is returned is treated. */
  returns: "object" | "loan" | "result" | "bool" | "other" = "other";
  /** A handle's number may be looked at here: in a message, or a comparison. */
  allowNumber = false;
  /** An alias is looked at: what it was made from was used where that stands. */
  quiet = false;
  #scopes: Scope[];

  constructor(services: Services, within: Function) {
    this.services = services;
    this.kinds = services.kinds;
    this.within = within;
    this.#scopes = [{ names: new Map(), places: [], flow: createFlow(within) }];
  }

  graph(name: string, parameters: readonly number[]): Graph {
    return { name, places: this.places, entry: this.entry, parameters, ends: this.ends };
  }

  // ── blocks ───────────────────────────────────────────────────────────────────────────────────────────────────────

  emit(op: Op): void {
    if (!this.quiet) this.current.ops.push(op);
  }

  goto(to: Block): void {
    this.current.end = { end: "goto", to };
    this.current = new Block();
  }

  stop(): void {
    this.current.end = { end: "stop" };
    this.current = new Block();
  }

  // ── names ────────────────────────────────────────────────────────────────────────────────────────────────────────

  get #scope(): Scope {
    return this.#scopes.at(-1)!;
  }

  get flow(): Flow {
    return this.#scope.flow;
  }

  get depth(): number {
    return this.#scopes.length;
  }

  enter(): void {
    this.#scopes.push({ names: new Map(), places: [], flow: this.flow.fork() });
  }

  /** Ends the innermost scope. @param node where the loss of what it held is reported */
  exit(node: Node): void {
    this.drop(this.depth - 1, node);
    this.#scopes.pop();
  }

  /** Drops what the scopes from `depth` on hold, as a jump out of them does. */
  drop(depth: number, node: Node): void {
    const places = this.#scopes.slice(depth).flatMap((scope) => scope.places);
    if (places.length > 0) this.emit({ op: "drop", places, node });
  }

  find(name: string): Binding | null {
    for (let i = this.#scopes.length - 1; i >= 0; i--) {
      const found = this.#scopes[i]!.names.get(name);
      if (found !== undefined) return found;
    }
    return null;
  }

  bind(name: string, binding: Binding): void {
    this.#scope.names.set(name, binding);
  }

  /** Tells the compiler's resolver of a local. */
  declare(name: string, type: Type, node: Node): void {
    const { flow } = this;
    if (flow.getScopedLocal(name) === null) flow.addScopedDummyLocal(name, type, node);
  }

  // ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────

  #add(place: Place): number {
    this.#scope.places.push(this.places.length);
    return this.places.push(place) - 1;
  }

  object(name: string, type: string, node: Node, temporary: boolean, parameter = -1): number {
    return this.#add({ kind: "object", name, node, parameter, temporary, of: null, objects: [], type });
  }

  /** @param result its class; null for a bool that says whether something was taken */
  outcome(name: string, result: Class | null, node: Node, temporary: boolean): number {
    const objects: number[] = [];
    const fields = result === null ? [] : this.kinds.objectsOf(result);
    const type = result === null ? "bool" : result.name;
    const place = this.#add({ kind: "outcome", name, node, parameter: -1, temporary, of: null, objects, type });
    for (const field of fields) {
      const of = { result: place, field };
      const of_ = { kind: "object", name: `${name}.${field}`, node, parameter: -1, temporary: false } as const;
      objects.push(this.#add({ ...of_, of, objects: [], type: "" }));
    }
    return place;
  }

  place(p: number): Place {
    return this.places[p]!;
  }

  isObject(p: number): boolean {
    return p >= 0 && this.places[p]!.kind === "object";
  }

  isOutcome(p: number): boolean {
    return p >= 0 && this.places[p]!.kind === "outcome";
  }

  use(p: number, node: Node, needs: "object" | "handle" = "object"): void {
    if (this.isObject(p)) this.emit({ op: "use", place: p, node, needs });
  }

  move(p: number, node: Node, how: How): void {
    if (this.isObject(p)) this.emit({ op: "move", place: p, node, how });
  }

  refuse(node: Node, message: string): void {
    this.emit({ op: "refuse", node, message });
  }

  // ── types ────────────────────────────────────────────────────────────────────────────────────────────────────────

  typeOf(node: Expression): Type | null {
    return this.#ask(() => this.services.program.resolver.resolveExpression(node, this.flow, AUTO, SWALLOW));
  }

  /** The element that an expression names: a function, a property, a global. */
  lookup(node: Expression): Element | null {
    return this.#ask(() => this.services.program.resolver.lookupExpression(node, this.flow, VOID, SWALLOW));
  }

  /** The one function of a prototype that is not generic. */
  functionOf(prototype: FunctionPrototype): Function | null {
    return this.#ask(() => this.services.program.resolver.resolveFunction(prototype, null, new Map(), SWALLOW));
  }

  typeNamed(node: TypeNode): Type | null {
    const { within, services } = this;
    return this.#ask(() =>
      services.program.resolver.resolveType(node, this.flow, within, within.contextualTypeArguments, SWALLOW),
    );
  }

  /** The resolver has assertions of its own: what it cannot name is of no interest here. */
  #ask<T>(question: () => T | null): T | null {
    try {
      return question();
    } catch {
      return null;
    }
  }
}

export const isTrustedFunction = (f: Function): boolean => isTrusted(f.declaration.range.source);
export type { Expression, Node, Statement };
