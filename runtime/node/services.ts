/**
 * Services of the host that domains may be granted: the kernel's `System`, and the terminal's `Console`.
 *
 * They are ordinary callees: their answers pass the same checks as a domain's. Invariant: what `System` shows is text
 * and numbers; it hands out no memory, no object and no capability.
 */
import { KernelError } from "../../kernel/errors.ts";
import { formatFault } from "./format.ts";
import type { Service, System } from "./system.ts";

const STATES = ["loaded", "running", "dying", "dead"] as const;
const ALIVE: readonly string[] = ["loaded", "running"];
const refused = (error: string) => ({ ok: false, error });
const answer = (value?: unknown) => ({ ok: true, value });

/** Cuts text to what fits into `Str<max>`, at a character's border. */
export function clip(text: string, max: number): string {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length <= max) return text;
  let end = max - 3;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${new TextDecoder().decode(bytes.subarray(0, end))}…`;
}

/** The kernel, as a domain with the capability `kernel.system` sees it. */
export function systemService(system: System): Service {
  const at = (position: number) => system.domains()[position];
  const last = (name: string) => system.faults.findLast((f) => f.domain === name);
  return [
    {
      count: () => answer(system.domains().length),
      name: (position: number) => {
        const domain = at(position);
        return domain === undefined ? refused("NoSuchDomain") : answer(clip(domain.name, 64));
      },
      domain: (position: number) => {
        const d = at(position);
        if (d === undefined) return refused("NoSuchDomain");
        const { incarnation, faults, objects } = d;
        return answer({
          state: STATES.indexOf(d.state),
          generation: incarnation,
          faults,
          bytes: BigInt(d.bytes),
          objects,
        });
      },
      lastFault: (position: number) => {
        const domain = at(position);
        if (domain === undefined) return refused("NoSuchDomain");
        const fault = last(domain.name);
        return answer(fault === undefined ? "" : clip(formatFault(fault), 512));
      },
      kill: (name: string) => {
        const domain = system.domains().find((d) => d.name === name);
        if (domain === undefined) return refused("NoSuchDomain");
        if (!ALIVE.includes(domain.state)) return refused("NotRunning");
        system.kill(name, "killed through kernel.system");
        return answer();
      },
      statistics: () => {
        const { objects, bytes } = system.kernel.heap.statistics();
        const calls = system.kernel.linker.edges().reduce((sum, e) => sum + e.calls, 0);
        return answer({ heapBytes: BigInt(bytes), objects, domains: system.domains().length, calls: BigInt(calls) });
      },
    },
  ];
}

/** The domains of a system as `supervisor.NAME`: one object each, in the order of `names`. */
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

/** A console that gives each line, cleaned of control codes, to `write`. */
export function consoleService(write: (line: string) => void): Service {
  // eslint-disable-next-line no-control-regex -- the control codes are the point
  return [{ write: (line: string) => (write(line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "·")), answer()) }];
}
