/**
 * The domains of a system as `supervisor.NAME`: the right to watch, restart and end exactly one domain.
 *
 * Invariant: object i of the service acts on the i-th domain of the manifest and on no other.
 */
import { KernelError } from "../../kernel/errors.ts";
import type { Service, System } from "./system.ts";

/** In the order of the interface's enum. */
export const STATES = ["loaded", "running", "dying", "dead"] as const;
export const ALIVE: readonly string[] = ["loaded", "running"];
export const refused = (error: string) => ({ ok: false, error });
export const answer = (value?: unknown) => ({ ok: true, value });

/** What is the domain's own, or the moment's; everything else is a mistake of this program. */
const RESTART_ERRORS: Readonly<Record<string, string>> = { start: "Died", limit: "NoRoom" };

/** Restarts a domain, and answers as the interfaces `Lifecycle` and `System` say. */
export function restart(system: System, name: string, why: string) {
  try {
    if (!system.restart(name, why)) return refused("Busy");
    return answer(system.domains().find((d) => d.name === name)!.incarnation);
  } catch (error) {
    const known = error instanceof KernelError ? RESTART_ERRORS[error.code] : undefined;
    if (known === undefined) throw error;
    return refused(known);
  }
}

/** Cuts text to what fits into `Str<max>`, at a character's border. */
export function clip(text: string, max: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= max) return text;
  let end = max - 3;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`;
}

/** One object for each of `names`, in their order. */
export function lifecycleService(system: System, names: readonly string[]): Service {
  const find = (name: string) => system.domains().find((d) => d.name === name)!;
  return names.map((name) => ({
    state: () => {
      const { state, incarnation, faults } = find(name);
      return answer({ state: STATES.indexOf(state), generation: incarnation, faults });
    },
    restart: () => restart(system, name, "restarted by its supervisor"),
    kill: () => {
      if (!ALIVE.includes(find(name).state)) return refused("NotRunning");
      system.kill(name, "killed by its supervisor");
      return answer();
    },
  }));
}
