/**
 * The order in which domains start: providers before those who use them. Shutdown is the reverse.
 *
 * Invariant: a domain comes after all that it uses, except where uses form a circle: there, and wherever nothing else
 * decides, the manifest's order holds.
 */
import type { ResolvedDomain } from "./manifest.ts";

/** The same domains, sorted. */
export function startOrder(domains: readonly ResolvedDomain[]): ResolvedDomain[] {
  const byName = new Map(domains.map((domain) => [domain.name, domain]));
  const order: ResolvedDomain[] = [];
  const seen = new Set<ResolvedDomain>();
  const visit = (domain: ResolvedDomain): void => {
    if (seen.has(domain)) return;
    seen.add(domain);
    for (const { provider } of domain.uses) {
      const used = byName.get(provider);
      if (used !== undefined) visit(used);
    }
    order.push(domain);
  };
  domains.forEach(visit);
  return order;
}
