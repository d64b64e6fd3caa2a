/**
 * Services of the host that domains may be granted: the kernel's `System`, and the terminal's `Console`.
 *
 * They are ordinary callees: their answers pass the same checks as a domain's. Invariant: what `System` shows is text
 * and numbers; it hands out no memory, no object and no capability.
 */
import { formatCause, formatTrace } from "./format.ts";
import { inspectDomain } from "./handlers.ts";
import { formatInspect } from "./inspect.ts";
import { ALIVE, answer, clip, refused, restart, STATES } from "../node/lifecycle.ts";
import type { Service, System } from "../node/system.ts";

/** Lines of the trace that fit on a page. */
const PAGE_TRACE = 40;

/** The kernel, as a domain with the capability `kernel.system` sees it. */
export function systemService(system: System): Service {
  const at = (position: number) => system.domains()[position];
  const find = (name: string) => system.domains().find((d) => d.name === name);
  const last = (name: string) => system.faults.findLast((f) => f.domain === name);
  // In the order of the interface's enum.
  const pages = [
    (name: string) => formatInspect(inspectDomain(system, name)),
    (name: string) => system.trace(name, PAGE_TRACE).map(formatTrace),
  ];
  let page: string[] = [];
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
        return answer(fault === undefined ? "" : clip(formatCause(fault), 512));
      },
      kill: (name: string) => {
        const domain = find(name);
        if (domain === undefined) return refused("NoSuchDomain");
        if (!ALIVE.includes(domain.state)) return refused("NotRunning");
        system.kill(name, "killed through kernel.system");
        return answer();
      },
      restart: (name: string) =>
        find(name) === undefined ? refused("NoSuchDomain") : restart(system, name, "restarted through kernel.system"),
      page: (what: number, name: string, line: number) => {
        if (find(name) === undefined) return refused("NoSuchDomain");
        if (line === 0) page = pages[what]!(name);
        return answer(clip(page[line] ?? "", 512));
      },
      statistics: () => {
        const { bytes, objects, calls } = system.statistics();
        return answer({ heapBytes: BigInt(bytes), objects, domains: system.domains().length, calls: BigInt(calls) });
      },
    },
  ];
}

/** A console that gives each line, cleaned of control codes, to `write`. */
export function consoleService(write: (line: string) => void): Service {
  // eslint-disable-next-line no-control-regex -- the control codes are the point
  return [{ write: (line: string) => (write(line.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, "·")), answer()) }];
}
