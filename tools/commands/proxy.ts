/**
 * proxy CALLER CALLEE [METHOD]: the code between two domains.
 *
 * The kernel generates it for the calls from one to the other; this prints it.
 *
 *   --system NAME   the system to look at (default: default)
 *
 * CALLER and CALLEE are names from the manifest. Ids and generations are those of a first boot; the index of the
 * counter word depends on the order in which a running system links its edges.
 *
 *   npm run samara -- proxy client kv
 */
import { suggestion } from "#kernel/manifest/nearest.ts";
import type { ResolvedDomain, ResolvedSystem } from "#kernel/manifest/manifest.ts";
import { generateProxy } from "#kernel/proxy/generate.ts";
import { FIRST_DOMAIN, OWNER_HOST } from "#shared-heap/layout.ts";
import { buildSystem, loadSystem } from "../build/index.ts";
import { UsageError } from "../lib/command.ts";
import type { Command } from "../lib/command.ts";

function find(system: ResolvedSystem, name: string): ResolvedDomain {
  const found = system.domains.find((d) => d.name === name);
  if (found !== undefined) return found;
  const names = system.domains.map((d) => d.name);
  throw new UsageError(`proxy: ${system.name} has no domain "${name}"${suggestion(name, names)}`);
}

/** Identity of a domain at a first boot: the host comes first, then the domains in the manifest's order. */
function identity(system: ResolvedSystem, name: string): { name: string; id: number; generation: number } {
  const index = system.domains.findIndex((d) => d.name === name);
  if (index < 0) return { name: "host", id: OWNER_HOST, generation: 1 };
  return { name, id: FIRST_DOMAIN + index, generation: index + 2 };
}

export const command: Command = {
  options: { system: { type: "string" } },
  positionals: [2, 3],
  async run({ positionals: [caller, callee, wanted], options }) {
    const { system, model } = await buildSystem(await loadSystem(String(options.system ?? "default")));
    const uses = find(system, caller!).uses.filter((use) => use.provider === callee);
    if (uses.length === 0) {
      const providers = [...new Set(find(system, caller!).uses.map((use) => use.provider))];
      throw new UsageError(`proxy: ${caller} uses nothing of ${callee}; it uses ${providers.join(", ") || "nothing"}`);
    }
    const typeIds = new Map(Object.keys(model.types).map((key, i) => [key, i + 1]));
    let counter = 0;
    for (const use of uses) {
      const target = model.interfaces[use.interface]!;
      const names = target.methods.map((m) => m.name);
      if (wanted !== undefined && !names.includes(wanted)) {
        throw new UsageError(`proxy: ${use.interface} has no method "${wanted}"${suggestion(wanted, names)}`);
      }
      for (const method of target.methods) {
        counter++;
        if (wanted !== undefined && method.name !== wanted) continue;
        const ends = { caller: identity(system, caller!), callee: identity(system, callee!) };
        const source = generateProxy({ model, interface: target, method, ...ends, self: use.self, counter, typeIds });
        process.stdout.write(`${source}\n\n`);
      }
    }
    return 0;
  },
};
