/**
 * The loader as the hostile modules meet it: `admit` under the hostile policy.
 */
import { admit } from "#kernel/wasm/admit.ts";
import type { Admitted, LowerOptions } from "#kernel/wasm/policy.ts";
import { OPTIONS, POLICY } from "./policy.ts";

/** Admits under `POLICY`; throws what `admit` throws. */
export function admitHostile(bytes: Uint8Array, options: Partial<LowerOptions> = {}): Admitted {
  return admit(bytes, POLICY, { ...OPTIONS, ...options });
}
