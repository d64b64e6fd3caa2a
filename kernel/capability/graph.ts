/**
 * Who may call whom: every capability that is held, and every grant that was not asked for yet.
 *
 * Shows, changes nothing. Invariant: what is not listed cannot be called.
 */
import type { Domain } from "../domain/domain.ts";
import { PCI_DEVICE } from "../manifest/manifest.ts";
import { ROOT } from "./derivation.ts";
import type { Capability, Target } from "./table.ts";

export interface GraphEdge {
  readonly holder: string;
  readonly provider: string;
  readonly interface: string;
  /** Name of the provided object, or `#N` for one that was minted. */
  readonly object: string;
  /** How the holder came by it. */
  readonly by: "manifest" | "minted" | "passed" | "host";
  readonly state: "alive" | "dead" | "revoked";
  /** Calls through it so far, of all its methods. */
  readonly calls: number;
}

export interface GraphKernel {
  holders(): Iterable<Domain>;
  provider(name: string, generation?: number): Domain | null;
  instance(id: number, generation: number): Domain | null;
  readonly hostDomain: Domain;
  readonly devices: { readonly all: readonly { readonly name: string }[] };
  readonly linker: { calls(capability: Capability): number };
}

export function capabilityGraph(kernel: GraphKernel): GraphEdge[] {
  return [...kernel.holders()].flatMap((holder) => [...held(kernel, holder), ...granted(kernel, holder)]);
}

function held(kernel: GraphKernel, holder: Domain): GraphEdge[] {
  return [...(holder.capabilities?.all() ?? [])].flatMap((capability) => {
    const callee = kernel.instance(capability.domain, capability.generation);
    // A grant that no life has asked for yet is listed with the grants.
    if (callee === null || (capability.references === 0 && capability.ended === null)) return [];
    const use = useOf(kernel, holder, capability);
    const by =
      holder === kernel.hostDomain ? "host" : callee === holder ? "minted" : use !== null ? "manifest" : "passed";
    // A device of the bus: it is handed out by the program, and the kernel's.
    const device = callee === kernel.hostDomain && capability.interface === PCI_DEVICE ? capability.self : -1;
    const provided = callee.entry.provides.find(
      (p) => p.interface === capability.interface && p.self === capability.self,
    );
    return {
      holder: holder.name,
      provider: use?.provider ?? (device < 0 ? callee.name : "kernel"),
      interface: capability.interface,
      object: use?.object ?? provided?.name ?? kernel.devices.all[device]?.name ?? `#${capability.self}`,
      by: by === "manifest" && !capability.sources.has(ROOT) && capability.ended === null ? "passed" : by,
      state: capability.ended ?? (callee.alive ? "alive" : "dead"),
      calls: kernel.linker.calls(capability),
    };
  });
}

function granted(kernel: GraphKernel, holder: Domain): GraphEdge[] {
  if (!holder.alive) return [];
  return holder.entry.uses.flatMap((use) => {
    const callee = kernel.provider(use.provider, use.generation);
    if (callee === null) return [];
    const known = [...holder.capabilities!.all()].filter((c) => useOf(kernel, holder, c) === use);
    if (known.some((c) => c.references > 0)) return [];
    const { provider, interface: interface_, object } = use;
    const state = holder.revoked.has(use.name) ? "revoked" : callee.alive ? "alive" : "dead";
    const calls = known.reduce((sum, c) => sum + kernel.linker.calls(c), 0);
    return { holder: holder.name, provider, interface: interface_, object, by: "manifest" as const, state, calls };
  });
}

function useOf(kernel: GraphKernel, holder: Domain, target: Target) {
  const found = holder.entry.uses.find(
    (u) =>
      u.interface === target.interface &&
      u.self === target.self &&
      kernel.provider(u.provider, u.generation) === kernel.instance(target.domain, target.generation),
  );
  return found ?? null;
}
