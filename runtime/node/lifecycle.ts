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

/** One object for each of `names`, in their order. */
export function lifecycleService(system: System, names: readonly string[]): Service {
  const ERRORS: Readonly<Record<string, string>> = { start: "Died", limit: "NoRoom" };
  const find = (name: string) => system.domains().find((d) => d.name === name)!;
  const restart = (name: string) => {
    try {
      return system.restart(name, "restarted by its supervisor") ? answer(find(name).incarnation) : refused("Busy");
    } catch (error) {
      const known = error instanceof KernelError ? ERRORS[error.code] : undefined;
      if (known === undefined) throw error;
      return refused(known);
    }
  };
  return names.map((name) => ({
    state: () => {
      const { state, incarnation, faults } = find(name);
      return answer({ state: STATES.indexOf(state), generation: incarnation, faults });
    },
    restart: () => restart(name),
    kill: () => {
      if (!ALIVE.includes(find(name).state)) return refused("NotRunning");
      system.kill(name, "killed by its supervisor");
      return answer();
    },
  }));
}
