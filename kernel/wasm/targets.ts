/**
 * What each function import is, by the policy: intrinsic, interface method, or a call that the kernel supplies.
 *
 * Invariant: an import that is not in the fixed tables or in the policy, under this name and with this signature,
 * does not get past here.
 */
import type { Signature } from "../interface/model.ts";
import { AdmissionError } from "./errors.ts";
import { HEAP, RPC, type Intrinsic } from "./intrinsics.ts";
import type { Module } from "./module.ts";
import { importKey, type Policy } from "./policy.ts";

export type Target =
  | { readonly kind: "intrinsic"; readonly name: string; readonly intrinsic: Intrinsic }
  | { readonly kind: "method"; readonly index: number }
  /** `keepsFacts`: it can neither change the owner of an object nor let anyone else run who could. */
  | { readonly kind: "kernel"; readonly keepsFacts: boolean };

const TYPE_NAMES: Readonly<Record<number, string>> = {
  0x7f: "i32",
  0x7e: "i64",
  0x7d: "f32",
  0x7c: "f64",
  0x7b: "v128",
  0x70: "funcref",
  0x6f: "externref",
};
const typeNames = (types: readonly number[]): string => types.map((t) => TYPE_NAMES[t]).join(", ");
const show = (s: Signature): string => `(${typeNames(s.params)}) -> (${typeNames(s.results)})`;

function sameTypes(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((type, i) => type === b[i]);
}

/** One target per function import, or an AdmissionError for the first one that is not granted. */
export function classifyImports(m: Module, policy: Policy): Target[] {
  return m.imports.map(({ module, name, type, offset }) => {
    const found = lookUp(module, name, policy);
    if (found === null) {
      throw new AdmissionError("import-not-granted", `${module}.${name}: no capability of its \`uses\` has it`, offset);
    }
    const actual = m.types[type]!;
    if (!sameTypes(actual.params, found.signature.params) || !sameTypes(actual.results, found.signature.results)) {
      const detail = `${module}.${name} is ${show(found.signature)}, imported as ${show(actual)}`;
      throw new AdmissionError("import-signature", detail, offset);
    }
    return found.target;
  });
}

function lookUp(module: string, name: string, policy: Policy): { target: Target; signature: Signature } | null {
  const table = module === "heap" ? HEAP : module === "rpc" ? RPC : null;
  if (table !== null && Object.hasOwn(table, name)) {
    const intrinsic = table[name]!;
    return { target: { kind: "intrinsic", name, intrinsic }, signature: intrinsic };
  }
  const key = importKey(module, name);
  const method = policy.methods.get(key);
  if (method !== undefined) return { target: { kind: "method", index: method.index }, signature: method.signature };
  const signature = policy.functions.get(key);
  if (signature === undefined) return null;
  const keepsFacts = module === "type" || (module === "env" && name === "abort");
  return { target: { kind: "kernel", keepsFacts }, signature };
}

/** An import that is used as a value could be called from where no check is. */
export function refuseEscapes(m: Module, targets: readonly Target[]): void {
  if (m.escape === null) return;
  const { index, offset, exported } = m.escape;
  throw escapeError(m, targets, index, offset, exported ? "exported" : "used as a value");
}

export function escapeError(
  m: Module,
  targets: readonly Target[],
  index: number,
  offset: number,
  how: string,
): AdmissionError {
  const { module, name } = m.imports[index]!;
  const code = targets[index]!.kind === "kernel" ? "import-escapes" : "intrinsic-escapes";
  return new AdmissionError(code, `${module}.${name} is ${how}`, offset);
}
