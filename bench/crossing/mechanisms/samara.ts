/**
 * Samara's own call: AssemblyScript domains, admitted and linked as in any system, through generated proxies.
 *
 * Invariant: nothing is special here: the same loader, kernel and proxies as `npm start`; only `--ablate` leaves checks
 * out, and says so in the report. Each group of cases has a system of its own, so that a callee serves one caller.
 */
import { CALLEES } from "../../domains/crossing/domain.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem, type SystemBuild } from "#tools/build/index.ts";
import type { MeasureContext, Mechanism } from "../mechanism.ts";

/** Members of the enum `CrossingCase` of interfaces/crossing.ts. */
const CASE = {
  null: 0,
  arg1: 1,
  rref: 2,
  borrow: 3,
  deque32: 4,
  bytes64: 5,
  bytes1500: 6,
  chain: 7,
  domains: 8,
} as const;
const CHAINS = Array.from({ length: 16 }, (_, i) => i + 1);
const ONE = ["null", "arg1", "rref", "borrow", "deque32"] as const;

interface CrossingClient {
  run(
    what: number,
    argument: number,
    rounds: number,
  ): { ok: true; value: number } | { ok: false; error?: string; fault?: string };
}

/** Echoes in a ring (each knows the next), and one caller that may call all of them. */
function manifest(echoes: number) {
  const echo = (i: number): [string, object] => [
    `echo${i}`,
    { domain: "echo", uses: { next: `echo${(i + 1) % echoes}.echo` } },
  ];
  const uses = Object.fromEntries(Array.from({ length: CALLEES }, (_, i) => [`echo${i}`, `echo${i % echoes}.echo`]));
  return {
    name: `crossing-${echoes}`,
    heap: { bytes: 16 << 20, objects: 16_384 },
    domains: {
      ...Object.fromEntries(Array.from({ length: echoes }, (_, i) => echo(i))),
      crossing: { domain: "crossing", uses },
    },
  };
}

async function boot(build: SystemBuild, context: MeasureContext): Promise<System> {
  return System.boot(build.system, { images: build.images, omit: context.options.ablate });
}

function loop(system: System, what: number, argument: number): (rounds: number) => void {
  const client = system.client<CrossingClient>("crossing.crossing");
  return (rounds) => {
    const answer = client.run(what, argument, rounds);
    if (!answer.ok) throw new Error(`crossing case ${what}: ${JSON.stringify(answer)}`);
  };
}

/** First call ever between two fresh instances: linking, capability and proxies included. */
function cold(
  build: SystemBuild,
  context: MeasureContext,
  what: number,
  argument: number,
): Promise<() => () => unknown> {
  return boot(build, context).then((system) => () => {
    const run = loop(system, what, argument);
    return () => run(1);
  });
}

export const mechanism: Mechanism = {
  name: "samara",
  cases: [...ONE, "bytes64", "bytes1500", ...CHAINS.map((n) => `chain${n}`), "domains1", "domains4", "domains64"],
  order: 1,
  checks:
    "Stack head room, callee alive, owner, generation and type of every object, no object twice, " +
    "capability by table; " +
    "moves, lends and gives back; counts; contains every trap and blames it; result and caller checked again.",
  available: async () => null,
  async measure(context) {
    const build = await buildSystem(manifest(1), { roots: ["bench/domains"] });
    const add = async (name: string, what: number, argument: number, from = build): Promise<void> => {
      if (!context.wants(name)) return;
      const run = loop(await boot(from, context), what, argument);
      if (!context.options.cold) return context.loop(name, run);
      context.loop(name, run, { cold: await cold(from, context, what, argument) });
    };
    for (const name of ONE) await add(name, CASE[name], 0);
    for (const bytes of context.options.payload) {
      if (bytes <= 1500) await add(`bytes${bytes}`, bytes <= 64 ? CASE.bytes64 : CASE.bytes1500, bytes);
      else context.missing(`bytes${bytes}`, "Echo takes at most 1,500 bytes by value");
    }
    const ring = await buildSystem(manifest(16), { roots: ["bench/domains"] });
    for (const depth of CHAINS) await add(`chain${depth}`, CASE.chain, depth, ring);
    for (const callees of context.options.domains) {
      if (callees > CALLEES) {
        context.missing(`domains${callees}`, `the calling domain knows ${CALLEES} callees`);
        continue;
      }
      const many = await buildSystem(manifest(callees), { roots: ["bench/domains"] });
      await add(`domains${callees}`, CASE.domains, callees, many);
    }
  },
};
