/**
 * The floor: two lowered domains with nothing between them (`direct`).
 *
 * Invariant: caller and callee are lowered with ticks, as everywhere.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clientSignature, type Method } from "#kernel/interface/model.ts";
import { importKey } from "#kernel/wasm/policy.ts";
import { Bare, barePolicy, type BareInstance } from "../../lib/bare.ts";
import { BENCH } from "../../lib/paths.ts";
import { assemble, makeUnique } from "../../lib/wat.ts";
import type { Mechanism } from "../mechanism.ts";

const METHOD: Method = { name: "null", doc: "", params: [], result: { kind: "void" }, error: null };
const MODULE = "Bench$0000000000000000";

/** What stands in the caller's capability table. */
type Link = (callee: BareInstance) => Function;
let serial = 0;

/** Two fresh instances, linked. */
function pair(
  bytes: Uint8Array,
  link: Link,
): { caller: BareInstance; callee: BareInstance; run: (n: number) => number } {
  const bare = new Bare();
  const policy = barePolicy(new Map([[importKey(MODULE, "null"), { signature: clientSignature(METHOD), index: 0 }]]));
  const [caller, callee] = [bare.instance(bytes, policy), bare.instance(bytes, policy)];
  caller.capabilities.set(1, link(callee));
  return { caller, callee, run: caller.exports.run as (n: number) => number };
}

/** Proves that the callee was reached: a benchmark of a call that did not happen is worthless. */
function checked(bytes: Uint8Array, link: Link): (n: number) => number {
  const { callee, run } = pair(bytes, link);
  const calls = callee.exports.calls as () => number;
  if (run(3) !== 0 || calls() !== 3) throw new Error(`3 calls were made, ${calls()} arrived`);
  return run;
}

export const mechanism: Mechanism = {
  name: "bare",
  cases: ["direct"],
  order: 0,
  checks: "Separate memories, by Wasm. Not checked: everything else. A trap in the callee goes through the caller.",
  available: async () => null,
  async measure(context) {
    const file = join(BENCH, "domains", "null.wat");
    const bytes = await assemble(file, readFileSync(file, "utf8"));
    const link: Link = ({ exports }) => exports.direct as Function;
    const cold = (): (() => number) => {
      const { run } = pair(makeUnique(bytes, serial++), link);
      return () => run(1);
    };
    const note = "the caller's indirect call, into the other instance";
    context.loop("direct", checked(bytes, link), { note, cold });
  },
};
