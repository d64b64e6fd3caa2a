/**
 * The check of one program: everything that the compiler has accepted and that a domain's author wrote.
 *
 * Invariant: it only reads the program; what it finds depends on the sources alone, in the order of the sources.
 */
import type { Class, File, Function, Program } from "./compiler.ts";
import { CommonFlags, ElementKind } from "./compiler.ts";
import { checkDeclarations } from "./declarations.ts";
import { lowerFields, lowerFile, nameOf } from "./functions.ts";
import type { Graph, Mode } from "./graph.ts";
import { isTrusted, Kinds } from "./kinds.ts";
import { Solver, type Fact, type Finding } from "./solve.ts";
import { Summaries } from "./summaries.ts";

/** One mistake, in the file that it stands in. */
export interface Problem {
  /** As the compiler names it. */
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly message: string;
}

/** What was proved about one function. */
export interface Proof {
  readonly path: string;
  readonly name: string;
  /** Modes of the parameters. */
  readonly modes: readonly Mode[];
  readonly facts: readonly { line: number; column: number; place: string; state: Fact["state"] }[];
}

export interface Report {
  readonly problems: readonly Problem[];
  readonly proofs: readonly Proof[];
}

export function checkProgram(program: Program): Report {
  const kinds = new Kinds(program);
  if (!kinds.any) return { problems: [], proofs: [] };
  const summaries = new Summaries(kinds);
  const found: Finding[] = checkDeclarations(kinds);
  const proofs: Proof[] = [];
  const take = (path: string, name: string, modes: readonly Mode[], solver: Solver): void => {
    found.push(...solver.findings);
    if (solver.facts.length > 0) proofs.push({ path, name, modes, facts: solver.facts.map(located) });
  };
  const alone = (path: string, graph: Graph): void => take(path, graph.name, [], new Solver(graph, []));
  for (const file of program.filesByName.values()) {
    if (!isTrusted((file as File).source)) alone(file.source.normalizedPath, lowerFile(summaries, file as File));
  }
  // The list grows while it is read: what is resolved on the way is no part of the program.
  const elements = Array.from(program.instancesByName.values());
  for (const element of elements) {
    if (element.kind === ElementKind.Class) {
      const of = element as unknown as Class;
      const { source } = of.declaration.range;
      const graph = isTrusted(source) ? null : lowerFields(summaries, of);
      if (graph !== null) alone(source.normalizedPath, graph);
    }
    if (element.kind !== ElementKind.Function) continue;
    const of = element as unknown as Function;
    const { source } = of.declaration.range;
    if (isTrusted(source) || of.original !== of || of.prototype.bodyNode === null) continue;
    if (of.is(CommonFlags.Stub as never)) continue;
    const { solver, summary } = summaries.check(of);
    take(source.normalizedPath, nameOf(of), summary.modes, solver);
  }
  return { problems: sorted(found), proofs };
}

function located({ node, place, state }: Fact): Proof["facts"][number] {
  const { source, start } = node.range;
  const line = source.lineAt(start);
  return { line, column: source.columnAt(), place, state };
}

/** In the order of the sources, each once: a generic function was looked into for each of its types. */
function sorted(found: readonly Finding[]): Problem[] {
  const problems = new Map<string, Problem>();
  for (const { node, message } of found) {
    const { source, start, end } = node.range;
    const path = source.normalizedPath;
    problems.set(`${path}:${start}:${message}`, { path, start, end, message });
  }
  return [...problems.values()].toSorted((a, b) => (a.path === b.path ? a.start - b.start : a.path < b.path ? -1 : 1));
}
