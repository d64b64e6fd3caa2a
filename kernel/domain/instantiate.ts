/**
 * From an admitted module to an instance in its first state, in which no code of its own has run yet.
 *
 * Invariant: owner and record are set before the instance is reachable by anybody, and its capability table holds the
 * tick and nothing else.
 */
import { CapabilityTable } from "../capability/table.ts";
import { KernelError } from "../errors.ts";
import type { Model } from "../interface/model.ts";
import { missingExport } from "../proxy/link.ts";
import { EMPTY_MEMORY } from "../proxy/modules.ts";
import type { Budget, Budgets } from "../thread/budget.ts";
import {
  CAP_TABLE_SIZE,
  EXPORT_CAPS,
  EXPORT_OWNER,
  EXPORT_RECORD,
  EXPORT_RESET,
  IMPORT_HEAP,
  IMPORT_KERNEL,
  IMPORT_LEDGER,
} from "../wasm/intrinsics.ts";
import { DOMAIN_SHIFT, DOMAINS, GENERATION_BITS, OWNER_HOST, OWNER_NONE } from "../../shared-heap/layout.ts";
import { DEFAULT_LIMITS, type ResolvedDomain } from "../manifest/manifest.ts";
import type { Admitted } from "../wasm/policy.ts";
import { Domain } from "./domain.ts";
import { importObject, type ImportKernel } from "./imports.ts";

export interface InstanceKernel extends ImportKernel {
  readonly heapMemory: WebAssembly.Memory;
  readonly ledgerMemory: WebAssembly.Memory;
  readonly budgets: Budgets;
}

/** A memory counts until V8 has given its maps back. */
const collected = new FinalizationRegistry<Budget>((budget) => budget.give());

function makeMemory({ memories }: Budgets, domain: Domain): WebAssembly.Memory | null {
  const limits = domain.admitted!.memory;
  if (limits === null) return null;
  if (!memories.available)
    throw new KernelError("limit", `${domain.name}: the process has ${memories.limit} memories, its limit`);
  const memory = new WebAssembly.Memory(limits);
  memories.take();
  collected.register(memory, memories);
  return memory;
}

/**
 * @throws KernelError (limit) beyond the budget of memories; (instantiate) when data or element segments do not fit, or
 *   V8 has no memory left
 */
export function instantiate(kernel: InstanceKernel, domain: Domain, module: WebAssembly.Module, tick: Function): void {
  let instance: WebAssembly.Instance;
  try {
    domain.memory = makeMemory(kernel.budgets, domain);
    const imports = importObject(kernel, domain);
    imports.env = { ...imports.env, memory: domain.memory ?? EMPTY_MEMORY };
    imports[IMPORT_KERNEL] = { [IMPORT_HEAP]: kernel.heapMemory, [IMPORT_LEDGER]: kernel.ledgerMemory };
    instance = new WebAssembly.Instance(module, imports);
    (instance.exports[EXPORT_RESET] as () => void)();
  } catch (error) {
    if (error instanceof KernelError) throw error;
    const what = error instanceof WebAssembly.RuntimeError ? "a data or element segment does not fit: " : "";
    throw new KernelError("instantiate", `${domain.name}: ${what}${(error as Error).message}`, { cause: error });
  }
  domain.exports = instance.exports;
  (instance.exports[EXPORT_OWNER] as WebAssembly.Global).value = domain.id << GENERATION_BITS;
  (instance.exports[EXPORT_RECORD] as WebAssembly.Global).value = DOMAINS + (domain.id << DOMAIN_SHIFT);
  domain.capabilities = new CapabilityTable(instance.exports[EXPORT_CAPS] as WebAssembly.Table, tick);
}

/** What belongs to one instance of a domain. */
export type InstanceFields = Pick<Domain, "admitted" | "module" | "memory" | "exports" | "capabilities">;

export function instanceOf({ admitted, module, memory, exports, capabilities }: Domain): InstanceFields {
  return { admitted, module, memory, exports, capabilities };
}

/** Zeroes the next bytes of a dead domain's memory. @returns whether all is zero */
export function wipe(domain: Domain, bytes: number): boolean {
  if (domain.memory === null) return true;
  const memory = new Uint8Array(domain.memory.buffer);
  const end = Math.min(domain.wiped + bytes, memory.length);
  memory.fill(0, domain.wiped, end);
  domain.wiped = end;
  return end === memory.length;
}

/** Puts a resettable instance back to its first state. */
export function reset(domain: Domain): void {
  wipe(domain, Infinity);
  (domain.exports![EXPORT_RESET] as () => void)();
}

/** @throws KernelError (link) when the module does not serve what its descriptor says, naming export and reason */
export function checkExports(model: Model, entry: ResolvedDomain, admitted: Admitted): void {
  for (const { interface: name } of entry.provides) {
    const missing = missingExport(admitted, model.interfaces[name]!);
    if (missing !== null) throw new KernelError("link", `${entry.name} provides ${name}, but ${missing}`);
  }
}

/** Private memory of the host program as a domain, in pages: its argument stack, then the buffers of its clients. */
const HOST_PAGES = 64;
export const HOST_BUFFERS = (HOST_PAGES * 65536) / 2;

/** The domain that is always dead: calls to what is gone end here. */
export function makeNobody(generation: number): Domain {
  const entry = { name: "nobody", domain: "nobody", limits: { ...DEFAULT_LIMITS }, provides: [], uses: [] };
  const nobody = new Domain(entry, OWNER_NONE, generation);
  nobody.state = "dead";
  return nobody;
}

/** The embedding program, as caller and callee: a domain without a module. */
export function makeHostDomain(generation: number, tick: Function): Domain {
  const limits = {
    memoryPages: HOST_PAGES,
    heapBytes: 0x7fffffff,
    heapObjects: 0x7fffffff,
    sliceMs: Infinity,
    entryMs: Infinity,
    threads: 0,
    domains: 0,
  };
  const entry = { name: "host", domain: "host", limits, provides: [], uses: [] };
  const host = new Domain(entry, OWNER_HOST, generation);
  host.memory = new WebAssembly.Memory({ initial: HOST_PAGES, maximum: HOST_PAGES });
  host.args.locate(0, HOST_BUFFERS);
  host.state = "running";
  const table = new WebAssembly.Table({ element: "anyfunc", initial: CAP_TABLE_SIZE, maximum: CAP_TABLE_SIZE });
  host.capabilities = new CapabilityTable(table, tick);
  return host;
}
