/**
 * The policy under which hostile modules ask for admission.
 *
 * Owns the names that tests import. Everything a domain can be granted is granted here, so that a refusal is never
 * due to a missing grant unless the test is about grants.
 */
import { F32, F64, I32, type Signature } from "#kernel/interface/model.ts";
import { CAP_CALLS, ENV_CALLS, HEAP_CALLS, MINT, NEW_OBJECT, USE } from "#kernel/wasm/intrinsics.ts";
import { importKey, type LowerOptions, type Policy } from "#kernel/wasm/policy.ts";
import { ledgerBytes } from "#shared-heap/layout.ts";

export const STORE = "Store$00000000000000aa";
export const NEW_PLAIN = "Plain$00000000000000b0";
export const NEW_NODE = "Node$00000000000000b1";
export const NEW_DEQUE = "Deque<Plain,4>$00000000000000b2";
/** Memory quota of an attacker, pages. */
export const MAX_PAGES = 4;
export const HEAP_PAGES = 10;
/** Enough for the objects of the world, and for handles that name none. */
export const LEDGER_PAGES = ledgerBytes(8192) / 65536;

/** Client signatures of the interface's methods, capability last, with their places in the capability table. */
export const METHODS: Readonly<Record<string, { readonly signature: Signature; readonly index: number }>> = {
  poke: { signature: { params: [I32, I32, I32], results: [I32] }, index: 0 },
  mix: { signature: { params: [F64, F32, I32, I32], results: [I32] }, index: 1 },
  ping: { signature: { params: [I32], results: [I32] }, index: 2 },
};

const under = (module: string, calls: Readonly<Record<string, Signature>>): [string, Signature][] =>
  Object.entries(calls).map(([name, signature]) => [importKey(module, name), signature]);

export const POLICY: Policy = {
  functions: new Map([
    ...under("heap", HEAP_CALLS),
    ...under("cap", CAP_CALLS),
    ...under("env", ENV_CALLS),
    ...under("type", { [NEW_PLAIN]: NEW_OBJECT, [NEW_NODE]: NEW_OBJECT, [NEW_DEQUE]: NEW_OBJECT }),
    ...under(STORE, { use: USE, mint: MINT }),
  ]),
  methods: new Map(Object.entries(METHODS).map(([name, method]) => [importKey(STORE, name), method])),
  maxPages: MAX_PAGES,
};

export const OPTIONS: LowerOptions = { heapPages: HEAP_PAGES, ledgerPages: LEDGER_PAGES };
