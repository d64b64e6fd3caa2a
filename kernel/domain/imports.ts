/**
 * The kernel calls of one domain: what its function imports do, and which of them it is granted.
 *
 * Invariants: no import lets any exception but the kernel's trap object, or V8's own for an exhausted stack, into a
 * domain; head room is probed before the heap is touched, so that an exhausted stack never interrupts an update.
 */
import {
  clientSignature,
  exportName,
  interfaceKey,
  serverSignature,
  typeKey,
  type Interface,
  type Model,
  type Signature,
  type ValueType,
} from "../interface/model.ts";
import { CAP_CALLS, ENV_CALLS, HEAP_CALLS, MINT, NEW_OBJECT, THREAD_CALLS, USE } from "../wasm/intrinsics.ts";
import { importKey, type Policy } from "../wasm/policy.ts";
import { HeapError, type ExchangeHeap } from "../../shared-heap/heap.ts";
import { FIRST_HANDLE } from "../../shared-heap/layout.ts";
import type { Capability, Target } from "../capability/table.ts";
import type { Creation } from "../creation/creation.ts";
import type { EdgeLinker } from "../proxy/link.ts";
import { threadCalls, type ThreadCallKernel } from "../thread/calls.ts";
import type { Trace } from "../trace/trace.ts";
import { DOMAINS, type ResolvedDomain } from "../manifest/manifest.ts";
import type { Domain } from "./domain.ts";

export interface ImportKernel extends ThreadCallKernel {
  readonly model: Model;
  readonly heap: ExchangeHeap;
  readonly typeIds: ReadonlyMap<string, number>;
  readonly linker: EdgeLinker;
  readonly trace: Trace;
  abort(domain: Domain, message: string): never;
  /** The domain (or built-in provider) of this name; one that is always dead, when it is another instance. */
  provider(name: string, generation?: number): Domain | null;
  readonly creation: Creation;
}

/** Everything that the named interfaces reach through parameters, results and fields. */
export interface Reach {
  readonly interfaces: ReadonlySet<string>;
  readonly types: ReadonlySet<string>;
}

export function reach(model: Model, roots: Iterable<string>): Reach {
  const interfaces = new Set<string>();
  const types = new Set<string>();
  const visitType = (key: string): void => {
    if (types.has(key)) return;
    types.add(key);
    const type = model.types[key]!;
    if (type.kind === "record") type.slots.forEach(visitType);
    else visitType(type.element);
  };
  const visitValue = (type: ValueType): void => {
    if (type.kind === "rref" || type.kind === "borrow") visitType(type.type);
    else if (type.kind === "interface") visit(type.name);
  };
  const visit = (name: string): void => {
    if (interfaces.has(name)) return;
    interfaces.add(name);
    for (const method of model.interfaces[name]!.methods) {
      method.params.forEach((p) => visitValue(p.type));
      if (method.result.kind === "value") visitValue(method.result.type);
      if (method.result.kind === "fields") method.result.fields.forEach((f) => visitValue(f.type));
    }
  };
  for (const root of roots) visit(root);
  return { interfaces, types };
}

/**
 * What a domain may import, from what its folder declares and the manifest grants. One that may create others can have
 * children with objects of any interface; an import alone gives access to none.
 */
export function policyOf(model: Model, entry: ResolvedDomain, maxPages = entry.limits.memoryPages): Policy {
  const named = [...entry.uses, ...entry.provides].map((object) => object.interface);
  const reached = reach(model, named.includes(DOMAINS) ? Object.keys(model.interfaces) : named);
  const functions = new Map<string, Signature>();
  const methods = new Map<string, { signature: Signature; index: number }>();
  const add = (module: string, table: Readonly<Record<string, Signature>>): void => {
    for (const [name, signature] of Object.entries(table)) functions.set(importKey(module, name), signature);
  };
  add("heap", HEAP_CALLS);
  add("cap", CAP_CALLS);
  add("env", ENV_CALLS);
  add("thread", THREAD_CALLS);
  for (const type of reached.types) functions.set(importKey("type", typeKey(model.types[type]!)), NEW_OBJECT);
  for (const name of reached.interfaces) {
    const interface_ = model.interfaces[name]!;
    add(interfaceKey(interface_), { use: USE, mint: MINT });
    interface_.methods.forEach((m, index) =>
      methods.set(importKey(interfaceKey(interface_), m.name), { signature: clientSignature(m), index }),
    );
  }
  return { functions, methods, maxPages };
}

/** The functions behind `policyOf`, for one instance. Lowered imports get a function that is never called. */
export function importObject(kernel: ImportKernel, domain: Domain): WebAssembly.Imports {
  const imports: Record<string, Record<string, WebAssembly.ImportValue>> = {};
  const known = kernelCalls(kernel, domain);
  for (const { module, name, lowered } of domain.admitted!.imports) {
    const f = lowered ? neverCalled : known.get(importKey(module, name));
    if (f === undefined) throw new Error(`import ${module}.${name} was admitted but has no function`);
    (imports[module] ??= {})[name] = f as WebAssembly.ImportValue;
  }
  return imports;
}

function neverCalled(): never {
  throw new Error("a lowered import was called");
}

function kernelCalls(kernel: ImportKernel, domain: Domain): Map<string, Function> {
  const { heap, probe, model } = kernel;
  const calls = new Map<string, Function>();
  /** Runs a heap operation with head room; what it refuses is the domain's fault. */
  const heapCall = (name: string, operation: (a: number, b: number) => number | void): void => {
    calls.set(importKey("heap", name), (a: number, b: number) => {
      probe(0);
      let why: string;
      try {
        return operation(a, b);
      } catch (error) {
        why = error instanceof HeapError ? error.message : `kernel error: ${String(error)}`;
      }
      return kernel.blame(domain, `heap.${name}: ${why}`);
    });
  };
  heapCall("free", (handle) => heap.free(handle, domain.id));
  heapCall("resize", (handle, size) => {
    const done = heap.resize(handle, domain.id, size >>> 0);
    if (!done) kernel.trace.event("refuse", domain.id, 0);
    return done ? 1 : 0;
  });
  const arena = Math.max(0, heap.arena(domain.entry.arena ?? ""));
  for (const [key, id] of kernel.typeIds)
    calls.set(importKey("type", typeKey(model.types[key]!)), () => {
      probe(0);
      const handle = heap.create(id, domain.id, arena);
      if (handle === 0) kernel.trace.event("refuse", domain.id, 0);
      return handle;
    });
  const capabilityCall = (name: string, operation: (capability: Capability) => void): void => {
    calls.set(importKey("cap", name), (number: number) => {
      probe(0);
      const capability = domain.capabilities!.get(number);
      if (capability === null) kernel.blame(domain, `cap.${name}: ${number} is no capability of its own`);
      operation(capability);
    });
  };
  capabilityCall("drop", (capability) => kernel.linker.drop(domain, capability));
  capabilityCall("revoke", (capability) => kernel.linker.revokeDerived(capability));
  calls.set(importKey("env", "abort"), (message: number, file: number, line: number, column: number) => {
    probe(0);
    const memory = domain.memory;
    const where = `${utf16(memory, file) || "?"}:${line}:${column}`;
    kernel.abort(domain, `${utf16(memory, message) || "abort"} (${where})`);
  });
  for (const interface_ of Object.values(model.interfaces)) interfaceCalls(kernel, domain, interface_, calls);
  if (domain.admitted!.imports.some(({ module }) => module === "thread")) threadCalls(kernel, domain, calls);
  return calls;
}

function interfaceCalls(
  kernel: ImportKernel,
  domain: Domain,
  interface_: Interface,
  calls: Map<string, Function>,
): void {
  const module = interfaceKey(interface_);
  const granted = (capability: number): number =>
    capability >= FIRST_HANDLE
      ? capability
      : kernel.blame(domain, `${interface_.name}: no room for one more capability`);
  calls.set(importKey(module, "use"), (pointer: number, length: number) => {
    kernel.probe(0);
    const name = utf8(domain.memory, pointer, length);
    const use =
      domain.entry.uses.find((u) => u.name === name && u.interface === interface_.name) ??
      kernel.creation.use(domain, name ?? "", interface_.name);
    if (use === null)
      return kernel.blame(domain, `uses ${interface_.name} "${name ?? "?"}", which its manifest entry does not grant`);
    const provider = kernel.provider(use.provider, use.generation);
    if (provider === null) return kernel.blame(domain, `uses "${name}", but ${use.provider} is not loaded`);
    const number = granted(kernel.linker.grant(domain, targetOf(provider, interface_.name, use.self)));
    if (domain.revoked.has(use.name)) kernel.linker.revokeGrant(domain.capabilities!.get(number)!);
    return number;
  });
  calls.set(importKey(module, "mint"), (self: number) => {
    kernel.probe(0);
    const missing = interface_.methods.find(
      (m) => domain.function(exportName(interface_, m), serverSignature(m)) === null,
    );
    if (missing !== undefined)
      return kernel.blame(domain, `mints ${interface_.name} without exporting ${exportName(interface_, missing)}`);
    return granted(kernel.linker.grant(domain, targetOf(domain, interface_.name, self)));
  });
}

export function targetOf(domain: Domain, interfaceName: string, self: number): Target {
  return { domain: domain.id, generation: domain.generation, interface: interfaceName, self };
}

const MAX_TEXT = 1024;

function view(memory: WebAssembly.Memory | null, pointer: number, length: number): Uint8Array | null {
  const start = pointer >>> 0;
  if (memory === null || length >>> 0 > MAX_TEXT || start + length > memory.buffer.byteLength) return null;
  return new Uint8Array(memory.buffer, start, length);
}

function utf8(memory: WebAssembly.Memory | null, pointer: number, length: number): string | null {
  const bytes = view(memory, pointer, length);
  return bytes === null ? null : new TextDecoder().decode(bytes);
}

/** An AssemblyScript string: its byte length stands in the word before it. Empty for what is none. */
function utf16(memory: WebAssembly.Memory | null, pointer: number): string {
  const header = view(memory, (pointer >>> 0) - 4, 4);
  if (pointer === 0 || header === null) return "";
  const length = new DataView(header.buffer, header.byteOffset).getUint32(0, true);
  const bytes = view(memory, pointer, Math.min(length, MAX_TEXT) & ~1);
  if (bytes === null) return "";
  return String.fromCharCode(...new Uint16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
}
