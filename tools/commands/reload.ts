/**
 * reload NAME: builds a domain and swaps it in for the running one.
 *
 * Its clients go on.
 *
 *   --only          that instance alone, not every one of the same domain
 *   --system NAME   which system, when several run
 *   --json          one JSON object
 *
 * NAME is an instance of the running system, or a domain's folder. Nothing is replaced when the new build needs another
 * interface, or other objects, than the system was booted with; the difference is shown. When both versions hand their
 * state over (`os/state`), the new one goes on with it; else it begins anew.
 */
import { suggestion } from "#kernel/manifest/nearest.ts";
import type { ControlClient } from "#runtime/control/client.ts";
import type { DescribeAnswer, ReplaceAnswer } from "#runtime/control/handlers.ts";
import { buildDomain, buildInterfaces, findDomains } from "../build/index.ts";
import { ALL_ROOTS } from "../build/all.ts";
import { UsageError, type Command } from "../lib/command.ts";
import { OWNERSHIP_OPTION, ownershipOf } from "../lib/ownership.ts";
import { REMOTE_OPTIONS, show, withSystem } from "../lib/remote.ts";
import { describeReload, instancesOf, reload, type ReloadTarget, type Running } from "../reload/reload.ts";

/** The domain's folder, and the instances to replace. */
function choose(running: Running, name: string, only: boolean): { domain: string; instances: string[] } {
  const instance = running.domains.find((entry) => entry.name === name);
  if (only && instance !== undefined) return { domain: instance.domain, instances: [name] };
  const domain = instance?.domain ?? name;
  const instances = only ? [] : instancesOf(running, domain);
  if (instances.length > 0) return { domain, instances };
  const names = running.domains.flatMap((entry) => (only ? [entry.name] : [entry.name, entry.domain]));
  throw new UsageError(`reload: the system has no domain "${name}"${suggestion(name, names)}`);
}

function remote(client: ControlClient, running: Running): ReloadTarget {
  return {
    running: () => running,
    replace: async (domain, { file }) =>
      (await client.request<ReplaceAnswer>("replace", { domain, file })).stateHandedOver,
  };
}

export const command: Command = {
  options: { ...REMOTE_OPTIONS, only: { type: "boolean" }, ...OWNERSHIP_OPTION },
  positionals: [1, 1],
  run: (args) =>
    withSystem(args, async (client) => {
      const running = await client.request<DescribeAnswer>("describe");
      const { domain, instances } = choose(running, args.positionals[0]!, args.options.only === true);
      const dir = findDomains(ALL_ROOTS).get(domain);
      if (dir === undefined) throw new UsageError(`reload: this tree has no folder of a domain ${domain}`);
      const model = await buildInterfaces();
      const onCompile = (): void => void process.stderr.write(`building ${dir}\n`);
      const build = await buildDomain(dir, model, onCompile, "full", ownershipOf(args).onOwnership);
      const results = await reload(remote(client, running), instances, build, model);
      show({ domain, results }, args, () => results.map(describeReload).join("\n"));
      return results.every((result) => result.ok) ? 0 : 1;
    }),
};
