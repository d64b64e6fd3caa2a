/**
 * Where capabilities come from, so that they can be taken back.
 *
 * A capability has sources: a root (a manifest grant, the minting of an object, the host), and those of other holders
 * that it was passed from. Invariant: one that works can be traced to a root. Revoking cuts the ways that lead through
 * the revoked one; what has another way stays, and a circle that hangs together without a root does not.
 */
import type { Capability } from "./table.ts";

/** The source of what nobody passed on. */
export const ROOT = "root";

/** Notes that `child` was passed from `parent`. */
export function derive(parent: Capability, child: Capability): void {
  if (parent === child) return;
  parent.derived.add(child);
  child.sources.add(parent);
}

/**
 * A holder gave its capability up: what it had passed on stays, and hangs on what this one came from. So a death, or a
 * restart, takes nothing from those who were served by the dead, and whoever is above can still take it back.
 */
export function giveUp(capability: Capability): void {
  for (const child of capability.derived) {
    child.sources.delete(capability);
    for (const source of capability.sources) {
      if (source === ROOT) child.sources.add(ROOT);
      else derive(source, child);
    }
  }
  cutSources(capability);
  capability.derived.clear();
}

/** Only the manifest's grant is left of what the capability came from. */
export function keepRoot(capability: Capability): void {
  cutSources(capability);
  capability.sources.add(ROOT);
}

/** Takes the grant itself away. @returns the capabilities that no longer work: it and what was derived from it */
export function revokeGrant(capability: Capability): Capability[] {
  capability.sources.delete(ROOT);
  return unrooted([capability]);
}

/** Takes back what was derived from a capability, not itself. @returns the capabilities that no longer work */
export function revokeDerived(capability: Capability): Capability[] {
  const children = [...capability.derived];
  capability.derived.clear();
  for (const child of children) child.sources.delete(capability);
  return unrooted(children);
}

/** Takes it out of every chain: nothing comes from it, nothing leads to it. */
export function isolate(capability: Capability): void {
  for (const child of capability.derived) child.sources.delete(capability);
  capability.derived.clear();
  cutSources(capability);
}

function cutSources(capability: Capability): void {
  for (const source of capability.sources) if (source !== ROOT) source.derived.delete(capability);
  capability.sources.clear();
}

/** Of these and all that was derived from them: those that cannot be traced to a root any more. */
function unrooted(from: readonly Capability[]): Capability[] {
  const affected = new Set<Capability>(from);
  for (const capability of affected) for (const child of capability.derived) affected.add(child);
  // What is not affected has a root of its own.
  const rooted = [...affected].filter((c) => [...c.sources].some((s) => s === ROOT || !affected.has(s)));
  for (let capability = rooted.pop(); capability !== undefined; capability = rooted.pop()) {
    if (!affected.delete(capability)) continue;
    rooted.push(...capability.derived);
  }
  return [...affected];
}
