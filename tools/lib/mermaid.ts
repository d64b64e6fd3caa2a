/**
 * The graph of capabilities as Mermaid text, which many viewers draw.
 *
 * Invariant: names come out as text, whatever characters they hold: they never become syntax.
 */
import type { GraphEdge } from "#kernel/capability/graph.ts";

const ARROWS: Readonly<Record<GraphEdge["state"], string>> = { alive: "-->", dead: "-.->", revoked: "--x" };

/** Text between quotes, with Mermaid's own escapes. */
function quoted(text: string): string {
  return `"${text.replace(/[^\w .,:;/()×–-]/g, (c) => `#${c.codePointAt(0)};`)}"`;
}

function label(edge: GraphEdge): string {
  const calls = edge.calls === 0 ? "" : `, ${edge.calls}×`;
  const note = edge.by === "manifest" ? "" : ` (${edge.by})`;
  return quoted(`${edge.object}: ${edge.interface}${note}${calls}`);
}

/** A `graph LR`: a node for each domain, an arrow for each capability; dead ones are dashed, revoked ones crossed. */
export function renderMermaid(edges: readonly GraphEdge[]): string {
  const names = [...new Set(edges.flatMap(({ holder, provider }) => [holder, provider]))];
  const id = new Map(names.map((name, i) => [name, `d${i}`]));
  return [
    "graph LR",
    ...names.map((name) => `  ${id.get(name)}[${quoted(name)}]`),
    ...edges.map((e) => `  ${id.get(e.holder)} ${ARROWS[e.state]}|${label(e)}| ${id.get(e.provider)}`),
    "",
  ].join("\n");
}
