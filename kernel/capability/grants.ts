/**
 * Grants: what a manifest, or a creator, gave to a domain under a name, taken back.
 *
 * Invariant: once this returns, neither the domain nor anybody who has it from the domain can call through the grant,
 * in any life.
 */
import type { Domain } from "../domain/domain.ts";
import { targetOf } from "../domain/imports.ts";
import { KernelError } from "../errors.ts";
import { DOMAINS, type ResolvedUse } from "../manifest/manifest.ts";
import type { EdgeLinker } from "../proxy/link.ts";

export interface GrantKernel {
  readonly linker: EdgeLinker;
  provider(name: string, generation?: number): Domain | null;
}

/**
 * Takes a grant back from a domain under all its names, from everybody whom it was passed on to, and from children.
 * @throws KernelError (unknown-capability) when the domain was granted nothing of this name
 */
export function revokeUse(kernel: GrantKernel, domain: Domain, name: string): void {
  const use = domain.entry.uses.find((u) => u.name === name);
  if (use === undefined) {
    const names = domain.entry.uses.map((u) => u.name).join(", ") || "nothing";
    throw new KernelError("unknown-capability", `${domain.name} uses ${names}, and no ${name}`);
  }
  for (const other of domain.entry.uses) if (same(use, other)) domain.revoked.add(other.name);
  const provider = kernel.provider(use.provider, use.generation);
  const held = provider === null ? null : domain.capabilities?.find(targetOf(provider, use.interface, use.self));
  if (held != null) kernel.linker.revokeGrant(held);
  for (const child of domain.children) {
    const theirs = child.entry.uses.find((u) => same(use, u));
    if (theirs !== undefined) revokeUse(kernel, child, theirs.name);
  }
}

/** Whether they lead to the same object, or are both a right to create domains, of which each has one of its own. */
function same(a: ResolvedUse, b: ResolvedUse): boolean {
  const own = a.interface === DOMAINS && a.provider === "kernel";
  return a.provider === b.provider && a.interface === b.interface && (own || a.self === b.self);
}
