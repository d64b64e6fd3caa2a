/**
 * Samara's own call: AssemblyScript domains, admitted and linked as in any system, through generated proxies.
 *
 * Invariant: nothing is special here: the same loader, kernel and proxies as `npm start`; only `--ablate` leaves checks
 * out, and says so in the report. All cases run in one system, each with a caller of its own.
 */
import { CALLEES } from "../../domains/crossing/domain.ts";
import { exportName } from "#kernel/interface/model.ts";
import { bridge, makeBridge } from "#kernel/proxy/modules.ts";
import { EXPORT_CAPS } from "#kernel/wasm/intrinsics.ts";
import { FIRST_HANDLE } from "#shared-heap/layout.ts";
import { System } from "#runtime/node/system.ts";
import { buildSystem } from "#tools/build/index.ts";
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
const TRAMPOLINE = "trampoline";
const ONE = ["null", "arg1", "rref", "borrow", "deque32"] as const;
/** Name → the same call without a shadow. */
const SHADOWS = { shadow: "null", "shadow-rref": "rref" } as const;

interface CrossingClient {
  run(
    what: number,
    argument: number,
    rounds: number,
  ): { ok: true; value: number } | { ok: false; error?: string; fault?: string };
}

/** One case: a caller of its own, so that its proxies serve nobody else. */
interface Row {
  readonly name: string;
  readonly what: number;
  readonly argument: number;
  /** Whether a shadow stands between caller and callee. */
  readonly shadow?: true;
}

function rows(context: MeasureContext): Row[] {
  const { payload, domains } = context.options;
  const one = ONE.map((name) => ({ name, what: CASE[name], argument: 0 }));
  const shadows = Object.entries(SHADOWS).map(([name, call]) => {
    return { name, what: CASE[call], argument: 0, shadow: true as const };
  });
  const bytes = payload.map((n) => ({ name: `bytes${n}`, what: n <= 64 ? CASE.bytes64 : CASE.bytes1500, argument: n }));
  const chains = CHAINS.map((n) => ({ name: `chain${n}`, what: CASE.chain, argument: n }));
  const many = domains.map((n) => ({ name: `domains${n}`, what: CASE.domains, argument: n }));
  return [...one, ...shadows, ...bytes, ...chains, ...many].filter((row) => context.wants(row.name));
}

/** Why a row cannot be measured, or null. */
function beyond(row: Row): string | null {
  if (row.what === CASE.bytes1500 && row.argument > 1500) return "Echo takes at most 1,500 bytes by value";
  return row.what === CASE.domains && row.argument > CALLEES ? `the calling domain knows ${CALLEES} callees` : null;
}

/**
 * One system for all: echoes in a ring (each knows the next), and a caller for each row that may call all of them; the
 * first one of a caller in `shadowed` through a shadow of its own.
 * Several systems would each have a watchdog thread, and those would be measured too.
 */
function manifest(names: readonly string[], shadowed: readonly string[] = []) {
  const echo = (i: number): string => `echo${i % CALLEES}.echo`;
  const echoes = Array.from({ length: CALLEES }, (_, i) => [
    `echo${i}`,
    { domain: "echo", uses: { next: echo(i + 1) } },
  ]);
  const uses = (from: number) =>
    Object.fromEntries(Array.from({ length: CALLEES }, (_, i) => [`echo${i}`, echo(from + i)]));
  const shadows = shadowed.map((name) => {
    const behind = names.indexOf(name) % CALLEES;
    const grants = { echo: `echo${behind}.echo`, life: `supervisor.echo${behind}` };
    return [`before-${name}`, { domain: "echo-shadow", uses: grants }];
  });
  const callers = names.map((name, i) => {
    const first = shadowed.includes(name) ? { echo0: `before-${name}.echo` } : {};
    return [name, { domain: "crossing", uses: { ...uses(i), ...first } }];
  });
  const heap = { bytes: 16 << 20, objects: 16_384 };
  return { name: "crossing", heap, domains: Object.fromEntries([...echoes, ...shadows, ...callers]) };
}

function loop(system: System, { name, what, argument }: Row): (rounds: number) => void {
  const client = system.client<CrossingClient>(`${name}.crossing`);
  return (rounds) => {
    const answer = client.run(what, argument, rounds);
    if (!answer.ok) throw new Error(`${name}: ${JSON.stringify(answer)}`);
  };
}

/**
 * Puts a JavaScript function that only calls on in the place of the proxy of `ping`: the baseline, with the same caller
 * and callee, in the same system, as `null`.
 */
function trampoline(system: System): (rounds: number) => void {
  const row = { name: TRAMPOLINE, what: CASE.null, argument: 0 };
  const run = loop(system, row);
  // The caller asks for its callee while it starts, so the capability is there.
  const caller = system.kernel.domain(TRAMPOLINE);
  const [capability] = caller.capabilities!.all();
  const echo = system.kernel.model.interfaces.Echo!;
  const callee = system.kernel.instance(capability!.domain, capability!.generation)!;
  const index = echo.methods.findIndex((m) => m.name === "ping");
  const target = system.kernel.implementation(callee, exportName(echo, echo.methods[index]!));
  const entry = [{ signature: { params: [], results: [0x7f] } }];
  const bare = new Function("callee", "return (function trampoline() { return callee(0) | 0; })")(target) as Function;
  const table = caller.exports![EXPORT_CAPS] as WebAssembly.Table;
  table.set(capability!.number - FIRST_HANDLE + 1 + index, bridge(makeBridge(entry), [bare])[0]);
  return run;
}

/** First call ever of a fresh caller: linking, capability and proxies included. A system serves as many as it has. */
async function coldCallers(row: Row, context: MeasureContext): Promise<() => () => unknown> {
  const names = Array.from({ length: context.options.rounds }, (_, i) => `cold${i}`);
  const build = await buildSystem(manifest(names, row.shadow ? names : []), { roots: ["bench/domains"] });
  const system = await System.boot(build.system, { images: build.images, omit: context.options.ablate });
  let next = 0;
  return () => {
    const run = loop(system, { ...row, name: names[next++ % names.length] });
    return () => run(1);
  };
}

export const mechanism: Mechanism = {
  name: "samara",
  cases: [
    TRAMPOLINE,
    ...ONE,
    ...Object.keys(SHADOWS),
    "bytes64",
    "bytes1500",
    ...CHAINS.map((n) => `chain${n}`),
    "domains1",
    "domains4",
    "domains64",
  ],
  order: 1,
  checks:
    "Stack head room, callee alive, owner, generation and type of every object, no object twice, " +
    "capability by table; " +
    "moves, lends and gives back; counts; contains every trap and blames it; result and caller checked again.",
  available: async () => null,
  async measure(context) {
    const wanted = rows(context);
    const shadowed = wanted.filter((row) => row.shadow).map((row) => row.name);
    const callers = [...wanted.map((row) => row.name), TRAMPOLINE];
    const build = await buildSystem(manifest(callers, shadowed), { roots: ["bench/domains"] });
    const system = await System.boot(build.system, { images: build.images, omit: context.options.ablate });
    const note = "`() => callee(0) | 0` in the place of the proxy of `null`";
    const checks =
      "Separate memories, by Wasm. Not checked: everything else. A trap in the callee goes through the caller.";
    if (!context.options.cold) context.loop(TRAMPOLINE, trampoline(system), { note, checks });
    for (const row of wanted) {
      const why = beyond(row);
      if (why !== null) context.missing(row.name, why);
      else if (!context.options.cold) context.loop(row.name, loop(system, row));
      else context.loop(row.name, () => {}, { cold: await coldCallers(row, context) });
    }
  },
};
