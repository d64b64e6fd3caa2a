/**
 * graph: who may call whom, as a Mermaid flowchart.
 *
 *   --system NAME   which system, when several run
 *   --json          one JSON object: each right with its holder, what it is for, how it was obtained and its calls
 *
 *   npm run samara -- graph > graph.mmd
 */
import type { GraphEdge } from "#runtime/node/system.ts";
import type { Command } from "../lib/command.ts";
import { renderMermaid } from "../lib/mermaid.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";

export const command: Command = {
  options: REMOTE_OPTIONS,
  positionals: [0, 0],
  run: (args) =>
    withSystem(args, async (client) => {
      const answer = await client.request<{ edges: GraphEdge[] }>("graph");
      show(answer, args, () => renderMermaid(answer.edges).trimEnd());
      return 0;
    }),
};
